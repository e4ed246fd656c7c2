/**
 * What is held for one mirror: what it last reported, and everything offered since.
 *
 * A report says which offers it has seen; only those may go by it. So a report that was on its way while something was
 * offered never releases that.
 */
import { toHex } from '../../lib/bytes.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import { rootsHeldMax, rootsPerMemberMax } from '../../format/geometry.ts'
import type { MirrorStatus, Position } from '../../format/wire/messages.ts'

/** With its target; there must be room for the next one. */
const reportedRootsMax = rootsHeldMax - 1

export class MemberHolds {
  private reported: readonly PublishedRoot[] = []
  private offered: { readonly offer: number; readonly root: PublishedRoot }[] = []
  private offers = 0

  /** A new session: offers are counted from 1 again, and those of before are gone or reported. */
  greeted(): void {
    this.offered = []
    this.offers = 0
  }

  /**
   * `find` must still know everything that is held now. False, and nothing changes, when it retains more than a mirror
   * may, or with what it was offered more than can be held: it says that it has what it was never offered.
   */
  report({ retained, offerSeen }: MirrorStatus, find: (position: Position) => PublishedRoot | null): boolean {
    if (retained.length > reportedRootsMax) return false
    const { reported, offered } = this
    this.reported = retained.flatMap((position) => find(position) ?? [])
    this.offered = offered.filter(({ offer }) => offer > offerSeen)
    // There is a target beside them.
    if (this.roots().length < rootsPerMemberMax) return true
    this.reported = reported
    this.offered = offered
    return false
  }

  /** One that is offered again is held for the last offer. */
  offer(root: PublishedRoot): number {
    this.offered = this.offered.filter((before) => before.root !== root)
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
