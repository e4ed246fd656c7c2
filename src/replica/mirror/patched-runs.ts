/**
 * Makes blocks from the patches that a mirror received.
 *
 * - A patch is applied only to blocks of a root that is kept here, so that nobody overwrites the blocks, and only to
 *   blocks that this root uses.
 * - The result is believed as little as any block: the mirror computes the checksum, and compares the checksum when
 *   the trees are walked.
 */
import { hasCode } from '../../lib/errors.ts'
import { blockBytes } from '../../format/geometry.ts'
import { applyPatch } from '../../format/wire/patch-codec.ts'
import type { PatchedRun } from '../../format/wire/messages.ts'
import type { HeldBlocks } from '../../cp-engine/contract.ts'
import type { ReceivedRun } from '../link/frame-stream.ts'

const nothing = new Uint8Array(0)

interface PatchedRuns {
  readonly runs: readonly ReceivedRun[]
  /** Number of patches that could not be applied. */
  readonly refused: number
}

/**
 * `held` has the blocks of a kept root. The root may be released while blocks are read, so the caller has to ask for
 * the root again afterwards. `pause` is awaited before each run: one read is fast, but there may be a thousand.
 */
export async function patchedRuns(
  runs: readonly PatchedRun[],
  held: HeldBlocks,
  pause: () => Promise<void> = noPause,
): Promise<PatchedRuns> {
  const made: ReceivedRun[] = []
  // The runs are made one after the other: the frame bounds the length of the results, but not the length of the base
  // blocks.
  for (const run of runs) {
    await pause()
    const old = run.base ? await held.read(run.base) : nothing
    const result = old && makeRun(run, old)
    if (result) made.push(result)
  }
  return { runs: made, refused: runs.length - made.length }
}

const noPause = (): Promise<void> => Promise.resolve()

function makeRun({ address, blocks, sum, patch }: PatchedRun, old: Uint8Array): ReceivedRun | null {
  try {
    const bytes = applyPatch(patch, old, blocks * blockBytes)
    return { address, blocks, claim: sum && { ...sum, sum: nothing }, bytes }
  } catch (error) {
    if (hasCode(error, 'corrupt')) return null
    throw error
  }
}
