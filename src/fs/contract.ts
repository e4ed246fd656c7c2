/**
 * What the door asks of the file system. `ReadView` is all that a mirror has; a primary has a `FileSystem` as well.
 *
 * Errors are StillpointErrors with codes of the contract: not-found, is-a-directory, not-a-directory, is-a-link, exists,
 * into-itself, directory-not-empty, precondition-failed, too-large, metadata-too-large, disk-full, corrupt, poisoned.
 */
import type { Applied, DurabilityLevel } from '../cp-engine/contract.ts'
import type { EntryKind } from '../format/items/items.ts'
import type { Path } from './paths.ts'

/** `OpenFile.read` gives at most this much at once. */
export const bufferedBytesMax = 2 ** 20
/** The body of one PATCH. */
export const patchBytesMax = 64 * 2 ** 20
/** No file is larger, sparse or not. */
export const fileBytesMax = 2 ** 44
/** Entries of one page. */
export const listLimitMax = 1000
/** Larger contents do not come with a listing. */
export const listedContentBytesMax = 64 * 1024
/** The contents of one page together. */
export const listedContentsBytesMax = 2 ** 20
export const batchOperationsMax = 1000
/** The contents of one batch together. */
export const batchBytesMax = 8 * 2 ** 20

/** What a client may attach to an entry. Null and absent: nothing was said, the default is used. */
export interface Attributes {
  readonly contentType?: string | null
  /** Names are lower case tokens; values as they were sent. */
  readonly meta?: Readonly<Record<string, string>>
  /** Permission bits, 0 to 0o7777: kept, not enforced. */
  readonly mode?: number | null
  /** Milliseconds since 1970, within the years 0 to 9999; absent: now. */
  readonly modifiedMs?: number | null
  /** The nanoseconds behind them, 0 to 999,999. */
  readonly modifiedNanos?: number | null
}

export interface Stat {
  readonly kind: EntryKind
  /** Bytes; 0 for directories, the length of the target for links. */
  readonly size: number
  /** Strong, without quotes. */
  readonly etag: string
  readonly contentType: string | null
  /** Whole milliseconds since 1970, and the nanoseconds behind them, 0 to 999,999. */
  readonly createdMs: number
  readonly createdNanos: number
  readonly modifiedMs: number
  readonly modifiedNanos: number
  readonly mode: number
  readonly meta: Readonly<Record<string, string>>
  /** Of a link. */
  readonly target: string | null
}

export interface ListedEntry {
  /** Relative to the listed directory; one segment unless the listing is recursive. */
  readonly path: readonly string[]
  readonly stat: Stat
  /** All of a small file, verified, where it was asked for; null is no statement: the file itself can be read. */
  readonly content: Uint8Array | null
}

export interface ListOptions {
  readonly after: readonly string[] | null
  readonly limit: number
  readonly recursive: boolean
  /** Files up to this size bring their content, at most `listedContentBytesMax`; a page may be shorter for it. */
  readonly contentBytesMax?: number
  /** Awaited again and again on the way: others may have their turn, since a page can be much work. */
  readonly pause?: () => Promise<void>
}

export interface Listing {
  readonly entries: readonly ListedEntry[]
  /** Pass it as `after` to go on; null at the end. It means something only on the same CP. */
  readonly next: readonly string[] | null
}

/** A file as it was when it was opened, whatever happens to its name meanwhile. */
export interface OpenFile {
  readonly stat: Stat
  /** The CP that carries, or will carry, this content. */
  readonly cp: number
  /** Bytes [start, end): at most `bufferedBytesMax` of them, all verified. */
  read(start: number, end: number): Promise<Uint8Array>
  /** The same for any length, piece by piece. */
  stream(start: number, end: number): ByteStream
  close(): void
}

/** One call at a time, but for `close`. */
export interface ByteStream {
  /** The next bytes, all verified; null at the end. They may change when `next`, `rest` or `close` is called. */
  next(): Promise<Uint8Array | null>
  /** For those who keep up: begins to read what comes next, if there is memory for it. */
  readAhead(): void
  /** For those who have to wait before they go on: what they were given is not needed any more. */
  rest(): void
  close(): void
}

/** A file as one look has found it, while nothing is waited for. */
export interface ReadyFile {
  readonly stat: Stat
  readonly cp: number
  /** For those who answer: what they made of this content the last time. It lasts as long as the content is remembered. */
  made: unknown
  /**
   * Bytes [start, end), all verified; null where something has to be waited for. The next read of any file may change
   * them.
   */
  read(start: number, end: number): Uint8Array | null
}

/** The newest image that there is. */
export interface NewestSource {
  /** The CP that carries, or will carry, what it shows now. */
  readonly cp: number
  /** By the path as it stands in a URL: what `openNow` of a view would give. */
  open(urlPath: string): ReadyFile | null
}

/** Bytes under a name, of the volume: what they mean is for whoever put them. */
export interface Setting {
  /** 1 to 255 bytes of visible ASCII. */
  readonly name: string
  readonly value: Uint8Array
}

export interface SettingPage {
  /** Settings whose names begin so. */
  readonly prefix: string
  /** Those behind this name; null: from the first. It begins with the prefix. */
  readonly after: string | null
  readonly limit: number
}

/** The settings within one operation: it sees what it has changed. */
export interface SettingsEdit {
  get(name: string): Uint8Array | null
  list(page: SettingPage): readonly Setting[]
  /** Throws `bad-parameter` for a name that is none, `too-large` for a value that does not fit an item. */
  put(name: string, value: Uint8Array): void
  delete(name: string): void
}

/** One image of the files: a CP for ever, or the open tree. Must be released. */
export interface ReadView {
  readonly cp: number
  stat(path: Path): Promise<Stat>
  /** What `open` would give, at once; null when something has to be waited for. */
  openNow(path: Path): ReadyFile | null
  list(path: Path, options: ListOptions): Promise<Listing>
  open(path: Path): Promise<OpenFile>
  setting(name: string): Promise<Uint8Array | null>
  /** In the order of their names. */
  settings(page: SettingPage): Promise<readonly Setting[]>
  release(): void
}

export interface Preconditions {
  /** ETags without quotes, or '*'. Weak ones never match. */
  readonly ifMatch?: readonly string[] | '*'
  readonly ifNoneMatch?: readonly string[] | '*'
}

export interface Written {
  readonly created: boolean
  readonly stat: Stat
  readonly applied: Applied<unknown>
}

export type BatchOperation =
  | ({ readonly op: 'put'; readonly path: Path; readonly content: Uint8Array } & Attributes & Preconditions)
  | ({ readonly op: 'delete'; readonly path: Path; readonly recursive?: boolean } & Preconditions)
  | ({ readonly op: 'mkdir'; readonly path: Path } & Attributes)
  | ({
      readonly op: 'move'
      readonly from: Path
      readonly to: Path
      readonly overwrite?: boolean
    } & Preconditions)

/** The failure of one of several: `index` says which. Its code and detail are those of the cause. */
export interface BatchResult {
  readonly status: number
  readonly etag: string | null
}

/** Its bytes must not change afterwards: they may be queued as they are. */
export type Body = Uint8Array | BodyStream

export interface BodyStream extends AsyncIterable<Uint8Array> {
  /** Called with a piece of which nothing has been kept: what it lies in may be used again. */
  readonly release?: (piece: Uint8Array) => void
}

export interface FileSystem {
  /** The open tree: a client reads its own writes. */
  view(): ReadView
  /** `lengthHint` (bytes) chooses the size of the records. A body that throws leaves nothing behind. */
  putFile(
    path: Path,
    body: Body,
    attributes: Attributes,
    options?: Preconditions & { lengthHint?: number | null },
  ): Promise<Written>
  putLink(path: Path, target: string, attributes: Attributes, options?: Preconditions): Promise<Written>
  /** Writes at `offset` (or at the end); at most `patchBytesMax`, else `too-large`. Gaps read as zeros. */
  patchFile(
    path: Path,
    offset: number | 'end',
    body: Body,
    options?: Preconditions,
  ): Promise<Written & { offset: number }>
  resizeFile(path: Path, size: number, options?: Preconditions): Promise<Written>
  deleteFile(path: Path, options?: Preconditions): Promise<Applied<unknown>>
  makeDirectory(path: Path, attributes: Attributes, options?: Preconditions): Promise<Written>
  deleteDirectory(path: Path, options: Preconditions & { recursive: boolean }): Promise<Applied<unknown>>
  move(from: Path, to: Path, options: Preconditions & { overwrite: boolean }): Promise<Written>
  /** All or nothing; a failure carries `index` in its help. */
  batch(operations: readonly BatchOperation[]): Promise<Applied<readonly BatchResult[]>>
  /** All or nothing, also when `change` throws. It may run several times, so it does nothing else. */
  changeSettings<T>(change: (settings: SettingsEdit) => T): Promise<Applied<T>>
  reach(applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel>
}
