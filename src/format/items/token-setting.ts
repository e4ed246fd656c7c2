/**
 * Settings that say who may do something: one for each token, under `token/ID`, and one mark, under `access-mark`.
 *
 * - A token itself is not stored: its SHA-256 is.
 * - The mark is there from the first token on, and differs after every change of tokens. So a volume that has had a
 *   token is known as such after the last token has been revoked, and a reader of many consistency points reads the
 *   tokens only when they have changed.
 */
import { assert } from '../../lib/assert.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { sha256Bytes } from '../../lib/checksum.ts'
import { Reader, Writer, corrupt, hasControl, layout, textOf } from '../fields.ts'
import { structures } from '../kinds.ts'
import { timeMsMax } from '../position.ts'

export const tokenRoles = ['reader', 'writer', 'monitor', 'admin'] as const
export type TokenRole = (typeof tokenRoles)[number]

export interface TokenSetting {
  /** SHA-256 of the token as the client sends it. */
  readonly sum: Uint8Array
  readonly role: TokenRole
  /** Words for people. */
  readonly name: string
  /** Plain path; the empty text is the root. */
  readonly prefix: string
  readonly createdMs: number
  /** Null for a token that does not expire. */
  readonly expiresMs: number | null
}

export const tokenNameBytesMax = 64
export const tokenPrefixBytesMax = 512
const tokenIdCharactersMax = 32
export const accessMarkBytes = 16

/** Names of all settings of tokens begin so. */
export const tokenSettingPrefix = 'token/'
export const tokenSettingName = (id: string): string => `${tokenSettingPrefix}${id}`
export const accessMarkName = 'access-mark'

const idForm = new RegExp(`^[0-9a-z]{1,${tokenIdCharactersMax}}$`)
export const isTokenId = (text: string): boolean => idForm.test(text)

/** Id of the token that a setting of this name is of; null for any other setting. */
export const tokenIdOf = (name: string): string | null =>
  name.startsWith(tokenSettingPrefix) ? name.slice(tokenSettingPrefix.length) : null

export const tokenSettingLayout = layout(
  'token setting',
  54,
  [
    ['kind', 0, 1, 'token setting'],
    ['version', 1, 1, 'of this layout'],
    ['role', 2, 1, '1 reader, 2 writer, 3 monitor, 4 admin'],
    ['nameBytes', 3, 1, 'length of the name, at least 1'],
    ['prefixBytes', 4, 2, 'length of the prefix'],
    ['createdMs', 6, 8, 'milliseconds since 1970'],
    ['expiresMs', 14, 8, 'milliseconds since 1970; 0: never'],
    ['sum', 22, 32, 'SHA-256 of the token'],
  ],
  [
    ['name', 'UTF-8 without control characters'],
    ['prefix', 'UTF-8; the names of a path with slashes between, empty for the root'],
  ],
)

export const accessMarkLayout = layout('access mark', 18, [
  ['kind', 0, 1, 'access mark'],
  ['version', 1, 1, 'of this layout'],
  ['mark', 2, 16, 'drawn anew at each change of tokens'],
])

export function encodeTokenSetting(token: TokenSetting): Uint8Array {
  const name = encodeUtf8(token.name)
  const prefix = encodeUtf8(token.prefix)
  assert(name.length > 0 && name.length <= tokenNameBytesMax && !hasControl(token.name), 'the name fits')
  assert(prefix.length <= tokenPrefixBytesMax && !hasControl(token.prefix), 'the prefix fits')
  assert(token.sum.length === sha256Bytes, 'a sum is a SHA-256')
  const bytes = new Uint8Array(tokenSettingLayout.bytes + name.length + prefix.length)
  const w = new Writer(tokenSettingLayout, bytes)
  w.head(structures.tokenSetting)
  w.number('role', tokenRoles.indexOf(token.role) + 1)
  w.number('nameBytes', name.length)
  w.number('prefixBytes', prefix.length)
  w.number('createdMs', token.createdMs)
  w.number('expiresMs', token.expiresMs ?? 0)
  w.put('sum', token.sum)
  bytes.set(name, tokenSettingLayout.bytes)
  bytes.set(prefix, tokenSettingLayout.bytes + name.length)
  return bytes
}

/** Throws `corrupt`, and `newer-format` for the token of a later program. */
export function decodeTokenSetting(bytes: Uint8Array): TokenSetting {
  const r = new Reader(tokenSettingLayout, bytes)
  r.head(structures.tokenSetting)
  const role = tokenRoles[r.number('role', tokenRoles.length, 1) - 1]!
  const nameBytes = r.number('nameBytes', tokenNameBytesMax, 1)
  const prefixBytes = r.number('prefixBytes', tokenPrefixBytesMax)
  const expiresMs = r.number('expiresMs', timeMsMax)
  const at = tokenSettingLayout.bytes
  if (bytes.length !== at + nameBytes + prefixBytes) throw r.problem('nameBytes', 'and the length disagree')
  const name = textOf(bytes, at, nameBytes)
  const prefix = textOf(bytes, at + nameBytes, prefixBytes)
  if (name === null || prefix === null) throw corrupt('token setting', 'text', 'is not UTF-8')
  const createdMs = r.number('createdMs', timeMsMax)
  return { sum: r.copy('sum'), role, name, prefix, createdMs, expiresMs: expiresMs === 0 ? null : expiresMs }
}

export function encodeAccessMark(mark: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(accessMarkLayout.bytes)
  const w = new Writer(accessMarkLayout, bytes)
  w.head(structures.accessMark)
  w.put('mark', mark)
  return bytes
}

/** Throws `corrupt`, and `newer-format` for the mark of a later program. */
export function decodeAccessMark(bytes: Uint8Array): Uint8Array {
  const r = new Reader(accessMarkLayout, bytes)
  r.head(structures.accessMark)
  if (bytes.length !== accessMarkLayout.bytes) throw r.problem('mark', 'is followed by bytes')
  return r.copy('mark')
}
