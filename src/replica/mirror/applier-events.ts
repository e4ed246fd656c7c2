/** What the mirror's end hears and asks for; `applier.ts` decides, `mirror-applier.ts` does it. */
import type { BlockRun } from '../../lib/block-run.ts'
import type { WriteRun } from '../../blockdev/block-device.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import type { FixedGeometry } from '../../format/geometry.ts'
import type { FrameHead, Message, WireErrorCode } from '../../format/wire/messages.ts'
import type { ReceivedFrame } from '../link/frame-stream.ts'

/** Synchronous looks at the mirror's volume. */
export interface ApplierFacts {
  readonly side: string
  /** A new one at each call, and never foreseen. */
  newSession(): string
  /** Null: empty, the first volume that says hello is adopted. */
  volume(): string | null
  epoch(): FrameHead['epoch']
  geometry(): FixedGeometry
  published(): PublishedRoot | null
  /** Everything whose blocks must not be written: slots, pins, what readers still use. */
  kept(): readonly PublishedRoot[]
  uses(address: number, blocks: number): boolean
}

export interface Adoption {
  readonly volume: string
  readonly epoch: FrameHead['epoch']
  readonly geometry: FixedGeometry
}

/** `token` comes back with the answer: an answer to a question that is not asked any more is ignored. */
export type ApplierEvent =
  /** Patches come with the blocks that they make, of the root that `baseOf` named. */
  | { readonly kind: 'frame'; readonly frame: ReceivedFrame }
  | { readonly kind: 'drained'; readonly token: number }
  | { readonly kind: 'adopted'; readonly token: number }
  | { readonly kind: 'prepared'; readonly token: number; readonly bytesLacking: number }
  | { readonly kind: 'complete'; readonly token: number }
  | { readonly kind: 'missing'; readonly token: number; readonly wanted: readonly BlockRun[] }
  | { readonly kind: 'broken'; readonly token: number; readonly code: WireErrorCode; readonly detail: string }
  | { readonly kind: 'published'; readonly token: number }
  | { readonly kind: 'no-space'; readonly bytesLacking: number }
  | { readonly kind: 'failed'; readonly detail: string }

export type ApplierAction =
  | { readonly kind: 'answer'; readonly message: Message }
  | { readonly kind: 'write'; readonly cp: number; readonly runs: readonly WriteRun[] }
  /** They came again and are here already. */
  | { readonly kind: 'keep'; readonly cp: number; readonly run: BlockRun }
  /** Say `drained` when every write so far is done. */
  | { readonly kind: 'drain'; readonly token: number }
  /** Make volume, epoch and geometry durable. */
  | { readonly kind: 'adopt'; readonly token: number; readonly adoption: Adoption }
  /** Is there space for a target that has so many blocks beside its base? */
  | { readonly kind: 'prepare'; readonly token: number; readonly cp: number; readonly blocks: number }
  | { readonly kind: 'verify'; readonly token: number; readonly target: PublishedRoot }
  /** All of it is verified: sync, superblock, readers. */
  | { readonly kind: 'publish'; readonly token: number; readonly target: PublishedRoot }
  /** It keeps more roots than it may report: end the readers of the oldest. */
  | { readonly kind: 'cut-readers'; readonly root: PublishedRoot }
  /** Space is short, on the primary or here: end the readers that have kept a root for long. */
  | { readonly kind: 'cut-long-readers' }

export interface ApplierLimits {
  readonly rootsMax: number
  readonly wantsMax: number
  /** A block that was wanted so often and still is not right: the primary's is not. */
  readonly wantsPerBlockMax: number
}
