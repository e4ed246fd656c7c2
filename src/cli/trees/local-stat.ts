/** Kind and attributes of an entry of a local tree. */
import * as fs from 'node:fs'
import { basename } from 'node:path'
import types from 'mime'
import { sayTime } from './local-time.ts'
import { named } from './local-errors.ts'

export type LocalKind = 'file' | 'directory' | 'link' | 'other'

export interface LocalStat {
  readonly kind: LocalKind
  readonly size: number
  readonly mode: number
  /** RFC 3339. */
  readonly modified: string
  readonly modifiedNanos: bigint
}

/** `reached` is for the system, `path` for people. */
export function localStat(reached: string, options: { follow: boolean }, path = reached): LocalStat {
  const bigint = true
  return localStatOf(
    named(path, () =>
      options.follow ? fs.statSync(reached, { bigint }) : fs.lstatSync(reached, { bigint }),
    ),
  )
}

export function localStatOf(found: fs.BigIntStats): LocalStat {
  const kind = found.isFile()
    ? 'file'
    : found.isDirectory()
      ? 'directory'
      : found.isSymbolicLink()
        ? 'link'
        : 'other'
  const { size, mode, mtimeNs } = found
  return {
    kind,
    size: Number(size),
    mode: Number(mode) & 0o7777,
    modified: sayTime(mtimeNs),
    modifiedNanos: mtimeNs,
  }
}

/** Two formats have this extension, and the one of the table is the rarer one among trees of files. */
const ambiguous = /\.m?ts$/i

/**
 * The content type that goes with a name, of a table that others maintain; undefined where the name says nothing. No
 * charset is claimed: nobody has looked at the content, and the header would beat what the content says of itself.
 */
export function contentTypeOf(name: string): string | undefined {
  // A name without a folder is an extension to the library.
  return ambiguous.test(name) ? undefined : (types.getType(`/${basename(name)}`) ?? undefined)
}
