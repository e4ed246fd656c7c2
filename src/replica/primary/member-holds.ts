/**
 * The roots that are held for one mirror: the roots that the mirror last reported, and every root offered since.
 *
 * A report names the last offer that the mirror has seen, and replaces only the holds of that offer and of earlier
 * offers. So a report that was on its way when a root was offered never releases that root.
 */
import { toHex } from '../../lib/bytes.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import { rootsHeldMax, rootsPerMemberMax } from '../../format/geometry.ts'
import type { MirrorStatus, Position } from '../../format/wire/messages.ts'

/** Most roots that a mirror may report, its target included; one place stays free for the next target. */
const reportedRootsMax = rootsHeldMax - 1

export class MemberHolds {
  private reported: readonly PublishedRoot[] = []
  private offered: { readonly offer: number; readonly root: PublishedRoot }[] = []
  private offers = 0

  /**
   * Begins a new session: offers are counted from 1 again, and earlier offers are gone or are part of the mirror's
   * report.
   */
  greeted(): void {
    this.offered = []
    this.offers = 0
  }

  /**
   * Takes a report; `find` must still know every root that is held now. Returns false, and changes nothing, when the
   * mirror retains more roots than a mirror may, or when the reported and the offered roots are more than can be
   * held: such a mirror claims roots that it was never offered.
   */
  report({ retained, offerSeen }: MirrorStatus, find: (position: Position) => PublishedRoot | null): boolean {
    if (retained.length > reportedRootsMax) return false
    const { reported, offered } = this
    this.reported = retained.flatMap((position) => find(position) ?? [])
    this.offered = offered.filter(({ offer }) => offer > offerSeen)
    // The target needs a place beside these roots.
    if (this.roots().length < rootsPerMemberMax) return true
    this.reported = reported
    this.offered = offered
    return false
  }

  /** A root that is offered again is held for the last offer only. */
  offer(root: PublishedRoot): number {
    this.offered = this.offered.filter((before) => before.root !== root)
    this.offered.push({ offer: ++this.offers, root })
    return this.offers
  }

  /** Every root that is held, once, and one more. */
  roots(more: PublishedRoot | null = null): PublishedRoot[] {
    const all = [...this.reported, ...this.offered.map(({ root }) => root), more]
    const byHash = new Map(all.flatMap((root) => (root ? [[toHex(root.hash), root]] : [])))
    return [...byHash.values()]
  }

  hasRoomFor(root: PublishedRoot): boolean {
    return this.roots(root).length <= rootsHeldMax
  }
}
