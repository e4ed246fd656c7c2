/** Kind and attributes of an entry of a local tree. */
import * as fs from 'node:fs'
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

/** Guesses the content type from the name; undefined where the name says nothing. */
export function contentTypeOf(name: string): string | undefined {
  const { type } = Bun.file(name)
  return type === '' || type.startsWith('application/octet-stream') ? undefined : type
}
