/**
 * Makes blocks of the patches that a mirror received.
 *
 * Only from blocks of a root that is kept here, so that nobody overwrites them, and only those that this root uses.
 * What comes out is believed as little as any block: its checksum is computed here and compared when trees are walked.
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
  /** Patches that could not be applied. */
  readonly refused: number
}

/**
 * `held`: of a root that is kept. It may be released while blocks are read, so it has to be asked for again then. `pause` is
 * awaited before each run: a read at once is fast, and there may be a thousand.
 */
export async function patchedRuns(
  runs: readonly PatchedRun[],
  held: HeldBlocks,
  pause: () => Promise<void> = noPause,
): Promise<PatchedRuns> {
  const made: ReceivedRun[] = []
  // One after the other: what is made has its bound by the frame, what it is made from has not.
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
