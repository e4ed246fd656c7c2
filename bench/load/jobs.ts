/** What the generator is asked to do, and what it answers: one JSON line each way. */

/** A window of small requests, each connection sending its next one when the answer to the last has come. */
export interface RequestsJob {
  readonly kind: 'requests'
  readonly port: number
  readonly connections: number
  readonly method: 'GET' | 'HEAD' | 'PUT'
  /** Of the URL, up to the path of the key. */
  readonly prefix: string
  readonly query: string
  readonly keys: number
  readonly bytes: number
  readonly seconds: number
  readonly warmupSeconds: number
  /** Ends the window early. */
  readonly requestsMax: number
  /** A random range of this size of one file (key 0, of `bytes`), instead of whole small files. */
  readonly rangeBytes?: number
  /** Keys at random; the next ones in turn otherwise. */
  readonly isRandom?: boolean
  /** The path after the prefix, instead of the path of a key. */
  readonly path?: string
  /** A token to show with each request. */
  readonly token?: string
}
export interface RequestsResult {
  readonly count: number
  readonly seconds: number
  readonly bytes: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly cpuSeconds: number
}

/** Every key once, with this version: the same state for everybody. */
export interface FillJob {
  readonly kind: 'fill'
  readonly port: number
  readonly connections: number
  readonly prefix: string
  readonly query: string
  readonly firstKey: number
  readonly keys: number
  readonly bytes: number
  readonly version: number
  /** All in one folder. */
  readonly isFlat?: boolean
  /** These instead of `keys` of them from `firstKey` on. */
  readonly keyList?: readonly number[]
}

/** Reads every key that this prefix has had written and compares each byte with the last write. */
export interface VerifyJob {
  readonly kind: 'verify'
  readonly port: number
  readonly connections: number
  readonly prefix: string
  readonly bytes: number
  /** Where it was written, when the server has moved to another port since. */
  readonly writtenPort?: number
}
export interface VerifyResult {
  readonly checked: number
  readonly wrong: number
}

export interface UploadJob {
  readonly kind: 'upload'
  readonly port: number
  readonly method: 'PUT' | 'POST'
  readonly connections: number
  readonly paths: readonly string[]
  readonly query: string
  readonly bytes: number
}
export interface DownloadJob {
  readonly kind: 'download'
  readonly port: number
  readonly path: string
  readonly expectBytes: number
}
/** Pages until there is no next one. */
export interface ListJob {
  readonly kind: 'list'
  readonly port: number
  readonly path: string
  readonly expectEntries: number
}
export interface TimedResult {
  readonly seconds: number
  readonly bytes: number
  readonly cpuSeconds: number
}

export interface JobResults {
  requests: RequestsResult
  fill: TimedResult
  verify: VerifyResult
  upload: TimedResult
  download: TimedResult
  list: TimedResult
}
export type Job = RequestsJob | FillJob | VerifyJob | UploadJob | DownloadJob | ListJob
export type ResultOf<J extends Job> = JobResults[J['kind']]
