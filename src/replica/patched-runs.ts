/**
 * Makes blocks of the patches that a mirror received.
 *
 * Only from blocks of a root that is kept here, so that nobody overwrites them, and only those that this root uses.
 * What comes out is believed as little as any block: its checksum is computed here and compared when trees are walked.
 */
import { hasCode } from '../lib/errors.ts'
import { blockBytes } from '../format/geometry.ts'
import { applyPatch } from '../format/patch.ts'
import { type MessageOf, type PatchedRun, samePosition } from '../format/wire-messages.ts'
import type { HeldBlocks } from '../cp-engine/contract.ts'
import type { ApplierFacts } from './applier-events.ts'
import type { ReceivedRun } from './frame-stream.ts'
import { positionOf } from './position-of.ts'

const nothing = new Uint8Array(0)

export interface PatchedRuns {
  readonly runs: readonly ReceivedRun[]
  /** Patches that could not be applied. */
  readonly refused: number
}

/** Null when the base is not kept here. */
export function patchedRuns(
  { base, runs }: MessageOf<'patches'>,
  facts: Pick<ApplierFacts, 'kept' | 'held'>,
): PatchedRuns | null {
  const root = facts.kept().find((kept) => samePosition(positionOf(kept), base))
  const held = root && facts.held(root)
  if (!held) return null
  const made = runs.flatMap((run) => makeRun(run, held) ?? [])
  return { runs: made, refused: runs.length - made.length }
}

function makeRun({ address, blocks, base, sum, patch }: PatchedRun, held: HeldBlocks): ReceivedRun | null {
  const old = base ? held.read(base) : nothing
  if (!old) return null
  try {
    const bytes = applyPatch(patch, old, blocks * blockBytes)
    return { address, blocks, claim: sum && { ...sum, sum: nothing }, bytes }
  } catch (error) {
    if (hasCode(error, 'corrupt')) return null
    throw error
  }
}
