/**
 * The form of a token, `sp_ID_SECRET`: an id of small letters and digits, and 32 random bytes in base64url. A token has
 * one form: what differs from it in one character is no token.
 *
 * A client sends the token as `Authorization: Bearer TOKEN`, or as the password of `Authorization: Basic` under any
 * user name.
 */
import { encodeUtf8 } from '../lib/bytes.ts'
import { sha256 } from '../lib/checksum.ts'
import type { Random } from '../lib/random.ts'

const secretBytes = 32
const idBytes = 8

/** The last character carries four bits, so only 16 characters can stand there. */
const form = /^sp_([0-9a-z]{1,32})_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/** A longer header has no token; the work on any header is bounded by this. */
const authorizationCharactersMax = 1024

export interface PresentedToken {
  readonly id: string
  /** SHA-256 of the token. */
  readonly sum: Uint8Array
}

/** Null for text that is no token. */
export function parseToken(text: string): PresentedToken | null {
  const id = form.exec(text)?.[1]
  return id === undefined ? null : { id, sum: sha256(encodeUtf8(text)) }
}

export function makeToken(random: Random): { readonly id: string; readonly token: string } {
  const id = Buffer.from(random.bytes(idBytes)).toString('hex')
  return { id, token: `sp_${id}_${Buffer.from(random.bytes(secretBytes)).toString('base64url')}` }
}

/** Takes the token out of the value of `Authorization`; null when the value has none. */
export function tokenOf(authorization: string): PresentedToken | null {
  if (authorization.length > authorizationCharactersMax) return null
  const space = authorization.indexOf(' ')
  const scheme = authorization.slice(0, space).toLowerCase()
  const credentials = authorization.slice(space + 1).trim()
  if (scheme === 'bearer') return parseToken(credentials)
  if (scheme !== 'basic') return null
  const pair = Buffer.from(credentials, 'base64').toString()
  const colon = pair.indexOf(':')
  return colon === -1 ? null : parseToken(pair.slice(colon + 1))
}
