/** The root that a mirror is being brought to. */
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import type { MirrorStage } from '../../format/wire/messages.ts'
import { BlockSet } from '../link/block-set.ts'

export interface Target {
  readonly root: PublishedRoot
  /**
   * Number of blocks that the target has and its base has not, as the primary says; 0 when the target was offered
   * whole.
   */
  blocks: number
  stage: Exclude<MirrorStage, 'idle'>
  /** Blocks that are verified or being verified, so that nothing may write them. */
  readonly claimed: BlockSet
  /** Runs of the current want list that have not arrived: address → blocks. */
  readonly wanted: Map<number, number>
  readonly timesWanted: Map<number, number>
  round: number
  receivedTo: number
  hasProgress: boolean
}

export const newTarget = (root: PublishedRoot): Target => ({
  root,
  blocks: 0,
  stage: 'receiving',
  claimed: new BlockSet(),
  wanted: new Map(),
  timesWanted: new Map(),
  round: 0,
  receivedTo: 0,
  hasProgress: true,
})
