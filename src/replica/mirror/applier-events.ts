/**
 * Events that the mirror's end of mirroring hears, and actions that it asks for; `applier.ts` decides, and
 * `mirror-applier.ts` executes.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import type { WriteRun } from '../../blockdev/block-device.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import type { FixedGeometry } from '../../format/geometry.ts'
import type { FrameHead, Message, WireErrorCode } from '../../format/wire/messages.ts'
import type { ReceivedFrame } from '../link/frame-stream.ts'

/** Facts about the mirror's volume that the applier reads synchronously. */
export interface ApplierFacts {
  readonly side: string
  /** A new session name at each call; nobody can foresee the name. */
  newSession(): string
  /** Null means that the mirror is empty and adopts the first volume that says hello. */
  volume(): string | null
  epoch(): FrameHead['epoch']
  geometry(): FixedGeometry
  published(): PublishedRoot | null
  /** The roots whose blocks must not be written: slots, pins, and roots that readers still use. */
  kept(): readonly PublishedRoot[]
  uses(address: number, blocks: number): boolean
}

export interface Adoption {
  readonly volume: string
  readonly epoch: FrameHead['epoch']
  readonly geometry: FixedGeometry
}

/** `token` comes back with the answer: the applier ignores the answer to a question that has been replaced. */
export type ApplierEvent =
  /** A frame of patches comes with the blocks that the patches make from the root that `baseOf` named. */
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
  /** The blocks came again and are here already. */
  | { readonly kind: 'keep'; readonly cp: number; readonly run: BlockRun }
  /** Asks for the event `drained` when every write so far is done. */
  | { readonly kind: 'drain'; readonly token: number }
  /** Makes volume, epoch and geometry durable. */
  | { readonly kind: 'adopt'; readonly token: number; readonly adoption: Adoption }
  /** Asks whether there is space for a target that has `blocks` blocks beside its base. */
  | { readonly kind: 'prepare'; readonly token: number; readonly cp: number; readonly blocks: number }
  | { readonly kind: 'verify'; readonly token: number; readonly target: PublishedRoot }
  /** The whole target is verified: now come sync, superblock and readers. */
  | { readonly kind: 'publish'; readonly token: number; readonly target: PublishedRoot }
  /** The mirror keeps more roots than it may report: the readers of the oldest are ended. */
  | { readonly kind: 'cut-readers'; readonly root: PublishedRoot }
  /** Space is short, on the primary or here: the readers that have kept a root for long are ended. */
  | { readonly kind: 'cut-long-readers' }

export interface ApplierLimits {
  readonly rootsMax: number
  readonly wantsMax: number
  /** A block that is still wrong after so many wants is wrong on the primary. */
  readonly wantsPerBlockMax: number
}
