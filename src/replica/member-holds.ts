/**
 * What is held for one mirror: what it last reported, and everything offered since.
 *
 * A report says which offers it has seen; only those may go by it. So a report that was on its way while something was
 * offered never releases that.
 */
import { toHex } from '../lib/bytes.ts'
import type { PublishedRoot } from '../cp-engine/contract.ts'
import { rootsHeldMax } from '../format/geometry.ts'
import type { MirrorStatus, Position } from '../format/wire-messages.ts'

/** With its target; there must be room for the next one. */
export const reportedRootsMax = rootsHeldMax - 1

export class MemberHolds {
  private reported: readonly PublishedRoot[] = []
  private offered: { readonly offer: number; readonly root: PublishedRoot }[] = []
  private offers = 0

  /** A new session: offers are counted from 1 again, and those of before are gone or reported. */
  greeted(): void {
    this.offered = []
    this.offers = 0
  }

  /** `find` must still know everything that is held now. */
  report({ retained, offerSeen }: MirrorStatus, find: (position: Position) => PublishedRoot | null): void {
    this.reported = retained.flatMap((position) => find(position) ?? [])
    this.offered = this.offered.filter(({ offer }) => offer > offerSeen)
  }

  offer(root: PublishedRoot): number {
    this.offered.push({ offer: ++this.offers, root })
    return this.offers
  }

  roots(...more: readonly (PublishedRoot | null)[]): PublishedRoot[] {
    const all = [...this.reported, ...this.offered.map(({ root }) => root), ...more]
    const byHash = new Map(all.flatMap((root) => (root ? [[toHex(root.hash), root]] : [])))
    return [...byHash.values()]
  }

  hasRoomFor(root: PublishedRoot, target: PublishedRoot | null): boolean {
    return this.roots(target, root).length <= rootsHeldMax
  }
}
