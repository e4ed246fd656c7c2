/** What the composition root is asked for, and what it gives: a volume that is served, in either role. */
import type { ServerRole } from '../routes/http/dependencies.ts'
import type { Loss } from './losses.ts'
import type { World } from './opened-volume.ts'

export interface StartOptions extends World {
  /** What the operator accepts to lose, so that a damaged volume can be opened. */
  readonly acceptLoss: readonly Loss[]
}

export interface RunningServer {
  readonly url: string
  readonly role: ServerRole
  /** 0 on a mirror that has received nothing yet. */
  publishedCp(): number
  /** What cannot be repaired inside the process, when it happens. */
  readonly failed: Promise<Error>
  stop(): Promise<void>
  /** After `failed`: answers who waits and takes no CP. */
  abandon(): Promise<void>
}
