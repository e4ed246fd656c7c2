/**
 * Decides which blocks leave as patches, and makes the patches. A patch is made against blocks of the root that the
 * mirror last reported as published. The primary holds that root, so both sides have the same bytes there.
 *
 * - The work of a batch is bounded. Blocks for which no time is left travel whole, and so do blocks whose old bytes
 *   cannot be read at once: nobody waits for old blocks on a slow disk.
 * - Records that were overwritten with unrelated content are not compared again and again: after each failure the
 *   maker lets twice as many records pass.
 */
import type { Clock } from '../../lib/clock.ts'
import type { HeldBlocks, PrimaryVolume, PublishedRoot } from '../../cp-engine/contract.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { PatchedRun } from '../../format/wire/messages.ts'
import type { BatchPatches, OutgoingRun, PatchSource } from './outbox.ts'
import { findPatch } from './patch-finder.ts'
import type { ReplacedRuns } from './replaced-runs.ts'

/** Bytes of old and new blocks that are compared for one batch: a few milliseconds of work. */
const comparedBytesMax = 2 ** 20
const batchMsMax = 10
/** A patch has to be shorter than this share of the blocks to be worth its work. */
const worthShare = 0.75
/** Limit for one patch, in bytes: a patch must fit a frame together with other patches. */
const patchBytesMax = 48 * 1024
const failuresMax = 6
const nothing = new Uint8Array(0)

export class PatchMaker implements PatchSource {
  private failures = 0
  private letPass = 0

  constructor(
    private readonly primary: PrimaryVolume,
    private readonly replaced: ReplacedRuns,
    private readonly clock: Clock,
  ) {}

  begin(base: PublishedRoot): BatchPatches | null {
    const held = this.primary.held(base)
    if (!held) return null
    const untilMs = this.clock.monotonic() + batchMsMax
    let comparedBytes = 0
    return {
      base,
      get isSpent() {
        return comparedBytes >= comparedBytesMax
      },
      of: (run) => {
        if (this.clock.monotonic() > untilMs) return null
        const old = this.oldBytes(run, held)
        if (!old && !isShort(run)) return null
        comparedBytes += run.bytes.length + (old?.length ?? 0)
        return this.make(run, old)
      },
    }
  }

  private oldBytes(run: OutgoingRun, held: HeldBlocks): Old | null {
    const base = this.replaced.find({ address: run.address, blocks: run.bytes.length / blockBytes }, held)
    if (!base) return null
    if (!isAddressBlock(run) && this.letPass > 0) {
      this.letPass--
      return null
    }
    const bytes = held.readNow(base)
    return bytes && { ...base, bytes, length: bytes.length }
  }

  private make(run: OutgoingRun, old: Old | null): PatchedRun | null {
    const { address, bytes, claim } = run
    const bytesMax = Math.min(patchBytesMax, Math.floor(bytes.length * worthShare))
    const patch = findPatch(old?.bytes ?? nothing, bytes, payloadEnd(run), bytesMax)
    if (old && !isAddressBlock(run)) this.learn(patch !== null)
    return (
      patch && {
        address,
        blocks: bytes.length / blockBytes,
        base: old && { address: old.address, blocks: old.blocks },
        sum: claim && { kind: claim.kind, payloadBytes: claim.payloadBytes },
        patch,
      }
    )
  }

  private learn(isMade: boolean): void {
    this.failures = isMade ? 0 : Math.min(failuresMax, this.failures + 1)
    this.letPass = 2 ** this.failures - 1
  }
}

interface Old {
  readonly address: number
  readonly blocks: number
  readonly bytes: Uint8Array
  readonly length: number
}

const payloadEnd = ({ bytes, claim }: OutgoingRun): number => claim?.payloadBytes ?? bytes.length

/**
 * True for an address block, and for a record that has the same length and the same kind of sum. Such a record is
 * compared like an address block, which does no harm.
 */
const isAddressBlock = ({ bytes, claim }: OutgoingRun): boolean =>
  bytes.length === blockBytes &&
  (claim === null || (claim.kind === 'sha256' && claim.payloadBytes === blockBytes))

/** True when a patch without a base is worth making, because the zeros at the end of the run need not travel. */
const isShort = (run: OutgoingRun): boolean =>
  run.claim !== null && (isAddressBlock(run) || payloadEnd(run) < run.bytes.length * worthShare)
