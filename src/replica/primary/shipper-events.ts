/** Events that the primary's end of mirroring hears, and actions that it asks for; `shipper.ts` decides. */
import type { BlockRun } from '../../lib/block-run.ts'
import type { PublishedRoot, WriteCommand } from '../../cp-engine/contract.ts'
import type { Geometry } from '../../format/geometry.ts'
import type { FrameHead, Message, Position } from '../../format/wire/messages.ts'
import type { Transfer } from '../link/transfer-log.ts'
import type { PatchSource } from './outbox.ts'

/** Facts about the primary that the shipper reads synchronously. */
export interface ShipperFacts {
  readonly volume: string
  readonly side: string
  readonly geometry: Geometry
  epoch(): FrameHead['epoch']
  current(): PublishedRoot
  /** The retained root at this position, which can be held; null when there is none. */
  find(position: Position): PublishedRoot | null
  /** Number of blocks that the target uses and the base does not. */
  differenceBlocks(target: PublishedRoot, base: PublishedRoot | null): number
  /** True when a mirror can have the position only from a later state of this volume, which is lost here. */
  hasLost(position: Position): boolean
  /** Null means that every block travels whole. */
  readonly patches: PatchSource | null
}

export type ShipperEvent =
  | { readonly kind: 'sealed'; readonly cp: number }
  | { readonly kind: 'leaving'; readonly cp: number; readonly commands: readonly WriteCommand[] }
  | { readonly kind: 'published' }
  | { readonly kind: 'frame'; readonly message: Message }
  /** The mirror has received a batch. */
  | { readonly kind: 'received' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** The whole difference is in the outbox. */
  | { readonly kind: 'difference-read'; readonly cp: number }
  /** A block of the target cannot be read. */
  | { readonly kind: 'unavailable'; readonly cp: number; readonly detail: string }
  /** The mirror that answered is a member now. */
  | { readonly kind: 'adopted'; readonly side: string }
  | { readonly kind: 'refused'; readonly reason: string }
  /** A write waits for space that the mirror keeps. */
  | { readonly kind: 'space-short' }
  | { readonly kind: 'tick' }

export type ShipperAction =
  | { readonly kind: 'connect' }
  | { readonly kind: 'disconnect' }
  /** The holds must take effect before any later action is done. */
  | { readonly kind: 'hold'; readonly roots: readonly PublishedRoot[] }
  /** Reads the difference into the outbox, from an address on. Ends any other sending. */
  | {
      readonly kind: 'send-difference'
      readonly target: PublishedRoot
      readonly base: PublishedRoot | null
      readonly from: number
    }
  | {
      readonly kind: 'send-wanted'
      readonly target: PublishedRoot
      readonly base: PublishedRoot | null
      readonly wanted: readonly BlockRun[]
    }
  /** Ends `send-difference` and `send-wanted`. */
  | { readonly kind: 'stop-sending' }
  /** Makes the side a member. The event `adopted` or `refused` follows. */
  | { readonly kind: 'adopt'; readonly side: string }
  | { readonly kind: 'met-higher-epoch'; readonly epoch: FrameHead['epoch'] }
  /** The mirror has a CP of this volume that is lost here. */
  | { readonly kind: 'met-lost-cp'; readonly cp: number }
  /** Why the mirror is not reached, when the reason has changed: for the log, not for whoever asks. */
  | { readonly kind: 'unreached'; readonly reason: string }
  | { readonly kind: 'mirrored' }
  | { readonly kind: 'transfer'; readonly transfer: Transfer }

export interface ShipperLimits {
  readonly outboxBytesMax: number
  readonly heartbeatMs: number
  /** A mirror that is silent for so long is away. */
  readonly silenceMsMax: number
  /** An offer without effect is made again after this time. */
  readonly offerAgainMs: number
  readonly backoffMsMin: number
  readonly backoffMsMax: number
  /** Pause after a refusal that only an operator or time can change. */
  readonly troubleMs: number
}

export const shipperLimits: ShipperLimits = {
  outboxBytesMax: 32 * 2 ** 20,
  heartbeatMs: 1000,
  silenceMsMax: 10_000,
  offerAgainMs: 2000,
  backoffMsMin: 100,
  backoffMsMax: 10_000,
  troubleMs: 10_000,
}

export type MirrorState = 'live' | 'catching-up' | 'stalled' | 'away'

/** Status of one member as `GET /v1/mirrors` shows it. */
export interface ShipperStatus {
  readonly state: MirrorState
  readonly cp: number | null
  readonly lagCps: number
  readonly lagMs: number
  readonly needs: string | null
  /** Milliseconds since the mirror was last heard; null when the mirror was never heard. */
  readonly silentMs: number | null
  readonly sentBytes: number
  readonly refused: number
}
