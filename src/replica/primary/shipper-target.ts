/** The root that the primary brings a mirror to. */
import type { PublishedRoot } from '../../cp-engine/contract.ts'

export interface ShipperTarget {
  readonly root: PublishedRoot
  /** Number of the target's first offer in the session; 0 before the target is offered. */
  firstOffer: number
  /** At `asked` the mirror first says whether it has space. */
  stage: 'asked' | 'sending' | 'offered'
  /** Block address at which the difference begins. */
  from: number
  offeredAtMs: number
}

export const newShipperTarget = (root: PublishedRoot): ShipperTarget => ({
  root,
  firstOffer: 0,
  stage: 'sending',
  from: 0,
  offeredAtMs: 0,
})
