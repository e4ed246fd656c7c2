/**
 * The one decision: who may do what, on which paths. The function is pure, and every door asks it.
 *
 * - A prefix is compared by segments: `/a` opens `/a` and all below, and not `/ab`. The paths have passed the strict
 *   parser of paths, so each name has one form.
 * - A path decides by its text in the image that is read. Links are never followed, so a link opens nothing; what an
 *   old consistency point had below the prefix is readable there; what is moved out of the prefix is out of reach.
 * - Parents of a written path that are missing are made, also above the prefix: a writer of `/a/b` can bring about the
 *   directories `/a` and `/a/b`, and nothing else outside.
 */
import type { TokenRole } from '../format/items/token-setting.ts'

/**
 * - `ask`: needs nobody to be known.
 * - `identify`: every token may ask whose it is.
 * - `read`, `write`: files and directories, on paths.
 * - `query`: questions in SQL, which are about the whole volume and cost more than an answer. Whoever shows no token
 *   asks none where a token is needed for anything.
 * - `history`: the list of consistency points.
 * - `checkpoint`: take one now; a write may ask for the same by `?durability=committed`.
 * - `monitor`: metrics, and the state of mirrors.
 * - `administer`: tokens and mirrors.
 */
export type Action =
  'ask' | 'identify' | 'read' | 'query' | 'write' | 'history' | 'checkpoint' | 'monitor' | 'administer'

const all: readonly TokenRole[] = ['reader', 'writer', 'monitor', 'admin']
const rolesFor: Readonly<Record<Exclude<Action, 'ask'>, readonly TokenRole[]>> = {
  identify: all,
  history: all,
  read: ['reader', 'writer', 'admin'],
  query: ['reader', 'writer', 'admin'],
  write: ['writer', 'admin'],
  checkpoint: ['writer', 'admin'],
  monitor: ['monitor', 'admin'],
  administer: ['admin'],
}

/** Whom a door has before it. */
export interface Who {
  /** Null for whoever has shown no token that is valid. */
  readonly token: KnownToken | null
  /** Null for whoever may do nothing. */
  readonly role: TokenRole | null
  /** Names of a path; empty for everything. */
  readonly prefix: readonly string[]
}

interface KnownToken {
  readonly id: string
  readonly name: string
  readonly createdMs: number | null
  readonly expiresMs: number | null
}

export const nobody: Who = { token: null, role: null, prefix: [] }
/** Every caller of an open server, which asks for no token. */
export const everybody: Who = { token: null, role: 'admin', prefix: [] }
/** A caller without a token, on a server whose files anybody may read. */
export const anonymousReader: Who = { token: null, role: 'reader', prefix: [] }

type Decision = 'allow' | 401 | 403

/** 401 asks for a token, or for another one that is valid; 403 says that this token does not open that. */
export function decide(who: Who, action: Action, paths: readonly (readonly string[])[]): Decision {
  if (action === 'ask') return 'allow'
  const { token, role, prefix } = who
  if (action === 'query' && who === anonymousReader) return 401
  if (role !== null && rolesFor[action].includes(role) && paths.every((path) => isWithin(prefix, path)))
    return 'allow'
  return token === null ? 401 : 403
}

const isWithin = (prefix: readonly string[], path: readonly string[]): boolean =>
  prefix.every((name, at) => name === path[at])

/** True when some valid token may not do this, whatever the path. */
export const mayBeForbidden = (action: Action): boolean =>
  action !== 'ask' && rolesFor[action].length < all.length
