/** What the primary's end of mirroring hears and asks for; `shipper.ts` decides. */
import type { BlockRun } from '../../lib/block-run.ts'
import type { PublishedRoot, WriteCommand } from '../../cp-engine/contract.ts'
import type { Geometry } from '../../format/geometry.ts'
import type { FrameHead, Message, Position } from '../../format/wire/messages.ts'
import type { Transfer } from '../link/transfer-log.ts'
import type { PatchSource } from './outbox.ts'

/** Synchronous looks at the primary. */
export interface ShipperFacts {
  readonly volume: string
  readonly side: string
  readonly geometry: Geometry
  epoch(): FrameHead['epoch']
  current(): PublishedRoot
  /** A root that is retained and so can be held; null when there is none at this position. */
  find(position: Position): PublishedRoot | null
  /** That the target uses and the base does not. */
  differenceBlocks(target: PublishedRoot, base: PublishedRoot | null): number
  /** The mirror can only have it from this volume as it was later than here. */
  hasLost(position: Position): boolean
  /** Null: everything travels whole. */
  readonly patches: PatchSource | null
}

export type ShipperEvent =
  | { readonly kind: 'sealed'; readonly cp: number }
  | { readonly kind: 'leaving'; readonly cp: number; readonly commands: readonly WriteCommand[] }
  | { readonly kind: 'published' }
  | { readonly kind: 'frame'; readonly message: Message }
  /** The other side has a batch. */
  | { readonly kind: 'received' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Everything of the difference is in the outbox. */
  | { readonly kind: 'difference-read'; readonly cp: number }
  /** A block of the target cannot be read. */
  | { readonly kind: 'unavailable'; readonly cp: number; readonly detail: string }
  /** The mirror that was met is a member now. */
  | { readonly kind: 'adopted'; readonly side: string }
  | { readonly kind: 'refused'; readonly reason: string }
  /** A write waits for space that the mirror keeps. */
  | { readonly kind: 'space-short' }
  | { readonly kind: 'tick' }

export type ShipperAction =
  | { readonly kind: 'connect' }
  | { readonly kind: 'disconnect' }
  /** Must count before anything else is done. */
  | { readonly kind: 'hold'; readonly roots: readonly PublishedRoot[] }
  /** Read it into the outbox, from an address on; ends any other. */
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
  /** Ends both of the above. */
  | { readonly kind: 'stop-sending' }
  /** Make it a member, then say `adopted`; or `refused`. */
  | { readonly kind: 'adopt'; readonly side: string }
  | { readonly kind: 'met-higher-epoch'; readonly epoch: FrameHead['epoch'] }
  /** The mirror has a CP of this volume that is lost here. */
  | { readonly kind: 'met-lost-cp'; readonly cp: number }
  | { readonly kind: 'mirrored' }
  | { readonly kind: 'transfer'; readonly transfer: Transfer }

export interface ShipperLimits {
  readonly outboxBytesMax: number
  readonly heartbeatMs: number
  /** Nothing heard for so long: the mirror is away. */
  readonly silenceMsMax: number
  /** An offer that had no effect is made again. */
  readonly offerAgainMs: number
  readonly backoffMsMin: number
  readonly backoffMsMax: number
  /** After a refusal that only an operator or time can change. */
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

/** What `GET /v1/mirrors` shows of one member. */
export interface ShipperStatus {
  readonly state: MirrorState
  readonly cp: number | null
  readonly lagCps: number
  readonly lagMs: number
  readonly needs: string | null
  /** Milliseconds since something was heard; null: never. */
  readonly silentMs: number | null
  readonly sentBytes: number
  readonly refused: number
}
