/** The root that the primary brings a mirror to. */
import type { PublishedRoot } from '../../cp-engine/contract.ts'

export interface ShipperTarget {
  readonly root: PublishedRoot
  /** Its number in the session; 0 before it is offered. */
  firstOffer: number
  /** `asked`: the mirror says first whether it has space. */
  stage: 'asked' | 'sending' | 'offered'
  /** Where its difference begins. */
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
