/**
 * What primary and mirror can say to each other, as values; `frames.ts` has them as bytes.
 *
 * A position is (cp, root hash): equal numbers of two histories differ in the hash. `nowhere` is before the first root.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { equalBytes } from '../../lib/bytes.ts'
import { sha256Bytes } from '../../lib/checksum.ts'
import { formatUuid } from '../../lib/random.ts'
import { isZero } from '../fields.ts'
import { type Geometry, blockBytes } from '../geometry.ts'
import type { ChecksumKind } from '../pointer.ts'

/** From `wireKindMin`; the kinds from 81 are kept for what later versions say. */
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
/** Who says each. */
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
/** Of a frame of patches: what it makes, and what it makes it from. */
export const patchedBlocksMax = dataBytesMax / blockBytes
export const wantsPerFrameMax = 4096
export const detailBytesMax = 1024

export interface Position {
  readonly cp: number
  readonly hash: Uint8Array
}
/** The side of a mirror that has none yet. */
export const noUuid = formatUuid(new Uint8Array(16))

export const nowhere: Position = { cp: 0, hash: new Uint8Array(sha256Bytes) }
export const isNowhere = (position: Position): boolean => isZero(position.hash, 0, position.hash.length)
export const samePosition = (a: Position, b: Position): boolean => a.cp === b.cp && equalBytes(a.hash, b.hash)

export interface FrameHead {
  readonly volume: string
  readonly session: string
  /** The sender's epoch. */
  readonly epoch: { readonly number: number; readonly id: Uint8Array }
  /** The CP that it is about. */
  readonly cp: number
  /** What the mirror has published, as far as the sender knows. */
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
  /** The checksum that pointers to it have. Null for raw runs of a difference. */
  readonly claim: Claim | null
  readonly wireSum: Uint8Array
}
/** A run that travels as what differs from another one, or from nothing. */
export interface PatchedRun {
  readonly address: number
  readonly blocks: number
  /** Blocks of the base that the frame names. */
  readonly base: { readonly address: number; readonly blocks: number } | null
  /** Which checksum pointers to it have; whoever makes it computes it. */
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

/** How a mirror stands: what it keeps decides what the primary holds. */
export interface MirrorStatus {
  readonly side: string
  readonly published: Position
  /** Position `nowhere`: none. */
  readonly target: Position
  readonly stage: MirrorStage
  readonly needs: MirrorNeed
  /** With need `space`: bytes. */
  readonly needsBytes: number
  /** The last offer of this session that it has seen; what was offered later is not in `retained`. */
  readonly offerSeen: number
  /** Blocks of the difference to the target have arrived below this address: a hint for resuming. */
  readonly receivedTo: number
  readonly missing: number
  /** Frames and runs that it did not take, since it began. */
  readonly refused: number
  readonly retained: readonly Position[]
}

/** What a poll says besides: no root of the mirror is known to the primary; or the primary's space is short. */
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
  /** `opens`: the session of all later frames, named by the mirror, so that no old frame is ever one of it. */
  | ({ readonly kind: 'hello-answer'; readonly opens: string } & MirrorStatus)
  | { readonly kind: 'blocks'; readonly source: BlockSource; readonly runs: readonly WireRun[] }
  | { readonly kind: 'patches'; readonly source: BlockSource; readonly runs: readonly PatchedRun[] }
  | {
      readonly kind: 'offer'
      readonly offer: number
      readonly address: number
      /** False: the difference follows, and then the same offer once more. */
      readonly isComplete: boolean
      /** That the root uses and the base does not, when the difference follows. */
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
