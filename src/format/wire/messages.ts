/**
 * Messages between primary and mirror, as values; `frames.ts` has the messages as bytes.
 *
 * A position is (cp, root hash): equal numbers of two histories differ in the hash. `nowhere` is before the first
 * root.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { equalBytes } from '../../lib/bytes.ts'
import { sha256Bytes } from '../../lib/checksum.ts'
import { formatUuid } from '../../lib/random.ts'
import { isZero } from '../fields.ts'
import { type Geometry, blockBytes } from '../geometry.ts'
import type { ChecksumKind } from '../pointer.ts'

/** Kinds of frames begin at `wireKindMin`; the kinds from 81 on are kept for later versions. */
export const frameKinds = {
  hello: 64,
  'hello-answer': 65,
  blocks: 66,
  offer: 67,
  want: 68,
  report: 69,
  error: 70,
  poll: 71,
  patches: 80,
} as const
export type FrameKind = keyof typeof frameKinds
/** Sender of each kind. */
const frameSenders = {
  hello: 'primary',
  'hello-answer': 'mirror',
  blocks: 'primary',
  offer: 'primary',
  want: 'mirror',
  report: 'mirror',
  error: 'mirror',
  poll: 'primary',
  patches: 'primary',
} as const satisfies Record<FrameKind, 'primary' | 'mirror'>
export const reservedFrameKinds = { 'compressed-blocks': 81, relay: 82, promotion: 83 } as const
export const wireVersion = 1

export const bodyBytesMax = 64 * 1024
export const dataBytesMax = 4 * 1024 * 1024
export const runsPerFrameMax = 1024
/** Limit for the blocks that a frame of patches makes, and for the blocks that the patches start from. */
export const patchedBlocksMax = dataBytesMax / blockBytes
export const wantsPerFrameMax = 4096
export const detailBytesMax = 1024

export interface Position {
  readonly cp: number
  readonly hash: Uint8Array
}
/** Side UUID of a mirror that has no side yet. */
export const noUuid = formatUuid(new Uint8Array(16))

export const nowhere: Position = { cp: 0, hash: new Uint8Array(sha256Bytes) }
export const isNowhere = (position: Position): boolean => isZero(position.hash, 0, position.hash.length)
export const samePosition = (a: Position, b: Position): boolean => a.cp === b.cp && equalBytes(a.hash, b.hash)

export interface FrameHead {
  readonly volume: string
  readonly session: string
  /** The sender's epoch. */
  readonly epoch: { readonly number: number; readonly id: Uint8Array }
  /** The CP that the frame is about. */
  readonly cp: number
  /** Position that the mirror has published, as far as the sender knows. */
  readonly base: Position
  /** Counts the frames of a session, each direction by itself. */
  readonly number: number
}

export interface Claim {
  readonly payloadBytes: number
  readonly kind: ChecksumKind
  readonly sum: Uint8Array
}
export interface WireRun {
  readonly address: number
  readonly blocks: number
  /** Checksum in the pointers to this run. Null for raw runs of a difference. */
  readonly claim: Claim | null
  readonly wireSum: Uint8Array
}
/** A run that travels as its difference from another run, or from nothing. */
export interface PatchedRun {
  readonly address: number
  readonly blocks: number
  /** Blocks of the base that the frame names; null means that the patch starts from nothing. */
  readonly base: { readonly address: number; readonly blocks: number } | null
  /** Kind of the checksum in pointers to this run. The mirror, which makes the run, computes the checksum. */
  readonly sum: { readonly kind: ChecksumKind; readonly payloadBytes: number } | null
  readonly patch: Uint8Array
}
export const blockSources = ['live', 'difference', 'first-copy', 'want'] as const
export type BlockSource = (typeof blockSources)[number]

export const mirrorStages = ['idle', 'receiving', 'verifying', 'wanting', 'publishing'] as const
export type MirrorStage = (typeof mirrorStages)[number]
export const mirrorNeeds = [
  'nothing',
  'space',
  'another-device',
  'a-common-cp',
  'sound-blocks',
  'a-newer-version',
] as const
export type MirrorNeed = (typeof mirrorNeeds)[number]

/** State of a mirror. The roots that the mirror retains decide which roots the primary holds. */
export interface MirrorStatus {
  readonly side: string
  readonly published: Position
  /** Position `nowhere` means that there is no target. */
  readonly target: Position
  readonly stage: MirrorStage
  readonly needs: MirrorNeed
  /** Bytes that the mirror needs, with need `space`. */
  readonly needsBytes: number
  /** The last offer of this session that the mirror has seen; a root that was offered later is not in `retained`. */
  readonly offerSeen: number
  /** Blocks of the difference to the target have arrived below this address: a hint for resuming. */
  readonly receivedTo: number
  readonly missing: number
  /** Frames and runs that the mirror did not take, since the mirror began. */
  readonly refused: number
  readonly retained: readonly Position[]
}

/** Remark of a poll: the primary knows no root of the mirror, or the primary's space is short. */
export const pollRemarks = ['nothing', 'no-common-cp', 'space-short'] as const
export type PollRemark = (typeof pollRemarks)[number]

export const wireErrors = [
  'unknown-session',
  'foreign-volume',
  'another-side',
  'older-epoch',
  'another-epoch',
  'wrong-base',
  'bad-root',
  'broken-hold',
  'damaged-base',
  'outside-the-volume',
  'block-in-use',
  'device-failed',
  'unsupported',
  'newer-format',
] as const
export type WireErrorCode = (typeof wireErrors)[number]

export type FrameBody =
  | { readonly kind: 'hello'; readonly side: string; readonly member: string; readonly geometry: Geometry }
  /** `opens` is the session of all later frames. The mirror names the session, so no old frame ever belongs to it. */
  | ({ readonly kind: 'hello-answer'; readonly opens: string } & MirrorStatus)
  | { readonly kind: 'blocks'; readonly source: BlockSource; readonly runs: readonly WireRun[] }
  | { readonly kind: 'patches'; readonly source: BlockSource; readonly runs: readonly PatchedRun[] }
  | {
      readonly kind: 'offer'
      readonly offer: number
      readonly address: number
      /** False means that the difference follows, and then the same offer once more. */
      readonly isComplete: boolean
      /** Number of blocks that the root uses and the base does not; 0 when the offer is complete. */
      readonly blocks: number
      readonly root: Uint8Array
    }
  | { readonly kind: 'want'; readonly round: number; readonly wanted: readonly BlockRun[] }
  | ({ readonly kind: 'report' } & MirrorStatus)
  | { readonly kind: 'error'; readonly code: WireErrorCode; readonly detail: string }
  | { readonly kind: 'poll'; readonly remark: PollRemark }

export type Message = FrameHead & FrameBody
export type MessageOf<K extends FrameKind> = FrameHead & Extract<FrameBody, { kind: K }>

type KindOf<S> = { [K in FrameKind]: (typeof frameSenders)[K] extends S ? K : never }[FrameKind]

export const isFrom = <S extends 'primary' | 'mirror'>(
  sender: S,
  message: Message,
): message is MessageOf<KindOf<S>> => frameSenders[message.kind] === sender
