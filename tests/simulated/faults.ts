/** What can go wrong on a simulated device, decided operation by operation by whoever drives the simulation. */

export type OperationKind =
  'read' | 'write' | 'write-durable' | 'sync' | 'grow' | 'extend' | 'allocate' | 'punch'

export interface Operation {
  readonly kind: OperationKind
  /** Counted from 0 over all operations. */
  readonly index: number
  /** Counted from 0 over the operations of this kind. */
  readonly nth: number
  /** Counted from 0 over everything that is not a read: the moments at which a crash makes a difference. */
  readonly mutation: number
  readonly address: number
  readonly blocks: number
}

export type Fault =
  /** Fails. Of a write any part may have arrived; it stays among the pending ones. */
  | { readonly kind: 'error' }
  /** A sync fails, and what it covered is gone but still cached: later syncs succeed without it. */
  | { readonly kind: 'sync-drops' }
  | { readonly kind: 'disk-full' }
  /** The power goes out when the operation has begun. */
  | { readonly kind: 'crash' }
  /** A write succeeds and never reaches the disk. `cached`: until the cache is dropped, readers see it nevertheless. */
  | { readonly kind: 'lost'; readonly cached?: boolean }
  /** A write lands elsewhere. */
  | { readonly kind: 'misdirected'; readonly address: number; readonly cached?: boolean }
  /** A bit differs, of what a write stores or of what a read returns. */
  | { readonly kind: 'flipped'; readonly bit: number }
  /** A read returns what was there before the last write. */
  | { readonly kind: 'stale' }

export type FaultPlan = (operation: Operation) => Fault | undefined

export const noFaults: FaultPlan = () => undefined

/** At mutation n (from 0). */
export const crashAt =
  (mutation: number): FaultPlan =>
  (operation) =>
    operation.kind !== 'read' && operation.mutation === mutation ? { kind: 'crash' } : undefined

/** The n-th operation of a kind, or of all; `sticky` keeps failing from then on. */
export const faultAt =
  (nth: number, fault: Fault, of: OperationKind | 'any' = 'any', sticky = false): FaultPlan =>
  (operation) => {
    if (of !== 'any' && of !== operation.kind) return undefined
    const at = of === 'any' ? operation.index : operation.nth
    return at === nth || (sticky && at > nth) ? fault : undefined
  }

/** The first plan that has a fault decides. */
export const anyOf =
  (...plans: readonly FaultPlan[]): FaultPlan =>
  (operation) => {
    for (const plan of plans) {
      const fault = plan(operation)
      if (fault) return fault
    }
    return undefined
  }
