/**
 * Decides which blocks leave as patches, and makes them: against blocks of the root that the mirror last reported as
 * published. The primary holds that root, so both sides have the same bytes there.
 *
 * - Work of a batch is bounded; what finds no time any more travels whole, and so does what is not read at once: nobody
 *   waits for old blocks of a disk that takes long.
 * - Records that were overwritten with something else are not compared again and again: after each failure twice as
 *   many are let pass.
 */
import type { Clock } from '../../lib/clock.ts'
import type { HeldBlocks, PrimaryVolume, PublishedRoot } from '../../cp-engine/contract.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { PatchedRun } from '../../format/wire/messages.ts'
import type { BatchPatches, OutgoingRun, PatchSource } from './outbox.ts'
import { findPatch } from './patch-finder.ts'
import type { ReplacedRuns } from './replaced-runs.ts'

/** Of old and new blocks, in one batch: a few milliseconds. */
const comparedBytesMax = 2 ** 20
const batchMsMax = 10
/** A patch that is not shorter than this share of the blocks is not worth its work. */
const worthShare = 0.75
/** It must fit a frame, with others. */
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

/** Or a record that is as long and summed in the same way: it is compared like one, which does no harm. */
const isAddressBlock = ({ bytes, claim }: OutgoingRun): boolean =>
  bytes.length === blockBytes &&
  (claim === null || (claim.kind === 'sha256' && claim.payloadBytes === blockBytes))

/** Its zeros need not travel. */
const isShort = (run: OutgoingRun): boolean =>
  run.claim !== null && (isAddressBlock(run) || payloadEnd(run) < run.bytes.length * worthShare)
