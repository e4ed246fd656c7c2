/** Options and result of the composition root: a volume that is served, in either role. */
import type { ServerRole } from '../routes/http/dependencies.ts'
import type { Loss } from './losses.ts'
import type { World } from './opened-volume.ts'

export interface StartOptions extends World {
  /** Parts that the operator accepts to lose, so that a damaged volume can be opened. */
  readonly acceptLoss: readonly Loss[]
}

export interface RunningServer {
  readonly url: string
  readonly role: ServerRole
  /** 0 on a mirror that has received nothing yet. */
  publishedCp(): number
  /** Resolves with the first failure that cannot be repaired inside the process. */
  readonly failed: Promise<Error>
  stop(): Promise<void>
  /** Ends the server after `failed`: requests in progress get a short time for their answers, and no CP is taken. */
  abandon(): Promise<void>
}
