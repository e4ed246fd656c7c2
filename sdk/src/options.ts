/** How a client is made. */
import type { CreateHash } from './remote-file.ts'
import type { Timers } from './timers.ts'
import type { Fetch } from './transport.ts'

export interface ClientOptions {
  /** Goes to the primary and to the mirrors, in a header. */
  readonly token?: string | null | undefined
  /** Addresses of mirrors, which are read when the primary is away, in the order in which they are asked. */
  readonly mirrors?: readonly string[] | undefined
  /** The server that is asked first for a read (default `primary`). */
  readonly readsFrom?: 'primary' | 'mirrors' | undefined
  /**
   * Longest wait for what this client has written or read, in seconds, of a mirror, and of the catalog that answers SQL
   * (default 5, at most 60).
   */
  readonly mirrorWait?: number | undefined
  /** The CP that reads from any server, and answers in SQL, have to show, as another client has told it in `cp`. */
  readonly cp?: number | undefined
  /** How often a request that fails for now is sent again, and a download that is cut goes on (default 4). */
  readonly retriesMax?: number | undefined
  /** For certificates of one's own, proxies and tests (default: that of the runtime). */
  readonly fetch?: Fetch | undefined
  /** `createHash` of `node:crypto`: the digest that an answer carries is then compared with the bytes. */
  readonly createHash?: CreateHash | undefined
  readonly timers?: Timers | undefined
  /** From 0 to below 1, for the delays. */
  readonly random?: (() => number) | undefined
}
