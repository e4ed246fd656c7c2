/**
 * Interfaces of the file system for the server. A mirror has only `ReadView`s; a primary has a `FileSystem` as well.
 *
 * Errors are StillpointErrors with codes of the contract: not-found, is-a-directory, not-a-directory, is-a-link,
 * exists, into-itself, directory-not-empty, precondition-failed, too-large, metadata-too-large, disk-full, corrupt,
 * poisoned.
 */
import type { Applied, DurabilityLevel } from '../cp-engine/contract.ts'
import type { EntryKind } from '../format/items/items.ts'
import type { Path } from './paths.ts'

/** `OpenFile.read` returns at most this many bytes. */
export const bufferedBytesMax = 2 ** 20
/** Limit for the body of one PATCH. */
export const patchBytesMax = 64 * 2 ** 20
/** Limit for the size of a file, sparse or not. */
export const fileBytesMax = 2 ** 44
/** Limit for the entries of one page. */
export const listLimitMax = 1000
/** A listing brings no content that is larger than this. */
export const listedContentBytesMax = 64 * 1024
/** Limit for all contents of one page together. */
export const listedContentsBytesMax = 2 ** 20
export const batchOperationsMax = 1000
/** Limit for all contents of one batch together. */
export const batchBytesMax = 8 * 2 ** 20

/** Attributes that a client may give an entry. A null or absent attribute gets its default. */
export interface Attributes {
  readonly contentType?: string | null
  /** Names are lower case tokens; values are kept as the client sent them. */
  readonly meta?: Readonly<Record<string, string>>
  /** Permission bits, 0 to 0o7777. The bits are kept, not enforced. */
  readonly mode?: number | null
  /** Milliseconds since 1970, within the years 0 to 9999; the default is now. */
  readonly modifiedMs?: number | null
  /** Nanoseconds below the millisecond, 0 to 999,999. */
  readonly modifiedNanos?: number | null
}

export interface Stat {
  readonly kind: EntryKind
  /** Bytes; 0 for directories, the length of the target for links. */
  readonly size: number
  /** A strong ETag without quotes. */
  readonly etag: string
  readonly contentType: string | null
  /** Whole milliseconds since 1970, and nanoseconds below the millisecond, 0 to 999,999. */
  readonly createdMs: number
  readonly createdNanos: number
  readonly modifiedMs: number
  readonly modifiedNanos: number
  readonly mode: number
  readonly meta: Readonly<Record<string, string>>
  /** Target of a link. */
  readonly target: string | null
}

export interface ListedEntry {
  /** The path is relative to the listed directory, and has one segment unless the listing is recursive. */
  readonly path: readonly string[]
  readonly stat: Stat
  /**
   * All verified bytes of a small file, when the caller asked for contents. Null says nothing: read the file itself.
   */
  readonly content: Uint8Array | null
}

export interface ListOptions {
  readonly after: readonly string[] | null
  readonly limit: number
  readonly recursive: boolean
  /** Files up to this size bring their content, at most `listedContentBytesMax`. Contents may make a page shorter. */
  readonly contentBytesMax?: number
  /** Awaited often during the listing, so that other work gets its turn: a page can be much work. */
  readonly pause?: () => Promise<void>
}

export interface Listing {
  readonly entries: readonly ListedEntry[]
  /** The `after` of the next page; null at the end. A position is valid only on the same CP. */
  readonly next: readonly string[] | null
}

/** A file as it was when it was opened, also when its name has been changed or deleted since. */
export interface OpenFile {
  readonly stat: Stat
  /** The CP that carries, or will carry, this content. */
  readonly cp: number
  /** Returns the bytes [start, end), all verified, at most `bufferedBytesMax`. */
  read(start: number, end: number): Promise<Uint8Array>
  /** Gives the bytes [start, end) of any length, piece by piece. */
  stream(start: number, end: number): ByteStream
  close(): void
}

/** Callers make one call at a time; only `close` may come during another call. */
export interface ByteStream {
  /** Memory that the next `next` takes, in bytes; 0 when its bytes are in memory already. */
  needs(): number
  /**
   * Returns the next bytes, all verified; null at the end. The next `next`, `rest` or `close` may change the bytes.
   */
  next(): Promise<Uint8Array | null>
  /**
   * A caller that keeps up calls this: the stream begins to read the next bytes, if there is memory for the bytes.
   */
  readAhead(): void
  /** A caller that must wait before the next bytes calls this: the caller no longer needs the last bytes. */
  rest(): void
  close(): void
}

/** A file as one look has found it, valid until the caller waits for anything. */
export interface ReadyFile {
  readonly stat: Stat
  readonly cp: number
  /** Place for the answer that a route has made of this content; kept as long as the content is remembered. */
  made: unknown
  /**
   * Returns the bytes [start, end), all verified; null when the read would have to wait. The next read of any file
   * may change the bytes.
   */
  read(start: number, end: number): Uint8Array | null
}

/** Reads files of the newest image. */
export interface NewestSource {
  /** The CP that carries, or will carry, the image of this moment. */
  readonly cp: number
  /** Opens a file by its path as the path stands in a URL; gives the same as `openNow` of a view. */
  open(urlPath: string): ReadyFile | null
}

/** A setting of the volume: bytes under a name. Only the caller that put the bytes knows their meaning. */
export interface Setting {
  /** 1 to 255 bytes of visible ASCII. */
  readonly name: string
  readonly value: Uint8Array
}

export interface SettingPage {
  /** The page has settings whose names begin with this prefix. */
  readonly prefix: string
  /** The page begins behind this name, which begins with the prefix; null means from the first setting. */
  readonly after: string | null
  readonly limit: number
}

/** The settings within one operation, which sees its own changes. */
export interface SettingsEdit {
  get(name: string): Uint8Array | null
  list(page: SettingPage): readonly Setting[]
  /** Throws `bad-parameter` for an invalid name, `too-large` for a value that does not fit an item. */
  put(name: string, value: Uint8Array): void
  delete(name: string): void
}

/** One image of the files: a CP, which never changes, or the open tree. The caller must release the view. */
export interface ReadView {
  readonly cp: number
  stat(path: Path): Promise<Stat>
  /** Opens a file at once; null when `open` would have to wait. */
  openNow(path: Path): ReadyFile | null
  list(path: Path, options: ListOptions): Promise<Listing>
  open(path: Path): Promise<OpenFile>
  setting(name: string): Promise<Uint8Array | null>
  /** Returns settings in the order of their names. */
  settings(page: SettingPage): Promise<readonly Setting[]>
  release(): void
}

export interface Preconditions {
  /** ETags without quotes, or '*'. Weak ETags never match. */
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

/** Result of one operation of a batch. */
export interface BatchResult {
  readonly status: number
  readonly etag: string | null
}

/** Content of a file. The bytes must not change after the call, because the engine may queue the bytes uncopied. */
export type Body = Uint8Array | BodyStream

export interface BodyStream extends AsyncIterable<Uint8Array> {
  /** The reader calls this for a piece whose bytes were not kept: the piece's buffer may be used again. */
  readonly release?: (piece: Uint8Array) => void
}

export interface FileSystem {
  /** Returns a view of the open tree, so that a client reads its own writes. */
  view(): ReadView
  /** `lengthHint` (bytes) chooses the size of the records. A body that throws leaves nothing behind. */
  putFile(
    path: Path,
    body: Body,
    attributes: Attributes,
    options?: Preconditions & { lengthHint?: number | null },
  ): Promise<Written>
  putLink(path: Path, target: string, attributes: Attributes, options?: Preconditions): Promise<Written>
  /** Writes at `offset` or at the end. Throws `too-large` above `patchBytesMax`. Gaps read as zeros. */
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
  /**
   * Applies all operations or none. An error has code and detail of its cause, and the operation's `index` in its
   * help.
   */
  batch(operations: readonly BatchOperation[]): Promise<Applied<readonly BatchResult[]>>
  /**
   * Applies all changes or none, also when `change` throws. `change` may run several times, so it only changes
   * settings.
   */
  changeSettings<T>(change: (settings: SettingsEdit) => T): Promise<Applied<T>>
  reach(applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel>
}
