/** Wishes of a caller: what a request carries beside the path. */
import type { Durability } from './contract.ts'

/** Every call takes a signal; a call that the signal ends throws the reason of the signal. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/** Attributes that a writer gives to an entry. */
export interface SentAttributes {
  readonly mode?: number | undefined
  /** RFC 3339. */
  readonly modified?: string | undefined
  readonly contentType?: string | undefined
  /** Names in any case, values of any text; names and encoded values have 2 KiB together. */
  readonly meta?: Readonly<Record<string, string>> | undefined
}

/** The image to read: the newest, exactly `cp`, an image that is no older than `minCp`, or the newest of a time. */
export interface Reading extends Abortable {
  readonly cp?: number | undefined
  /** RFC 3339. */
  readonly at?: string | undefined
  readonly minCp?: number | undefined
  /** Longest wait for a CP that is yet to come, in seconds. */
  readonly wait?: number | undefined
}

export interface Writing extends Abortable {
  readonly durability?: Durability | undefined
  /** How many mirrors, with the durability `mirrored`. */
  readonly mirrors?: number | undefined
  /** Longest wait for the durability, in seconds. */
  readonly wait?: number | undefined
}

/** The change happens only to the version that has this ETag; `ifNoneMatch: '*'` only where nothing is. */
export interface Conditions {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
}

/** Options that stay the same for all pages of a listing. */
export interface PageOptions {
  readonly recursive?: boolean | undefined
  readonly limit?: number | undefined
  /** Files up to this size, in bytes, bring their content. */
  readonly content?: number | undefined
}

/** Part of a file, in bytes; to the end without a length. */
export interface Range {
  readonly offset: number
  readonly length?: number | undefined
}

export interface Progress {
  readonly sentBytes: number
  /** Null where a stream does not say. */
  readonly totalBytes: number | null
}

export interface Watched {
  readonly onProgress?: ((progress: Progress) => void) | undefined
}
