/** Options and result of the composition root: a volume that is served, in either role. */
import type { Rate } from '../lib/gates/rate-limit.ts'
import type { ServerRole } from '../routes/http/dependencies.ts'
import type { Loss } from './losses.ts'
import type { HostNames } from './own-address.ts'
import type { World } from './opened-volume.ts'

export interface StartOptions extends World {
  /** Parts that the operator accepts to lose, so that a damaged volume can be opened. */
  readonly acceptLoss: readonly Loss[]
  /** A mirror shows a pairing code, also where it would not need one. */
  readonly pair?: boolean
  /** Names of hosts and addresses of this machine. */
  readonly names?: HostNames
  /** Wrong credentials of one client before the client hears 429. */
  readonly wrongCredentials?: Rate
}

export interface RunningServer {
  readonly url: string
  readonly role: ServerRole
  /** 0 on a mirror that has received nothing yet. */
  publishedCp(): number
  /** Code that a new mirror shows once, and how long the code is valid; null when there is none. */
  readonly pairing: { readonly code: string; readonly minutes: number } | null
  /** Resolves with the first failure that cannot be repaired inside the process. */
  readonly failed: Promise<Error>
  stop(): Promise<void>
  /** Ends the server after `failed`: requests in progress get a short time for their answers, and no CP is taken. */
  abandon(): Promise<void>
}
