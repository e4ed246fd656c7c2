/**
 * Retention keeps roots, and so decides which blocks may not be written (I1, I5).
 *
 * - A root is retained while a superblock slot names the root, while either slot lists a hold on it, while a hold is
 *   set that no slot lists yet, or while the root is pinned.
 * - A root that nothing retains any more still drains: its blocks stay until every reader that began before has
 *   ended.
 * - Blocks that a drained root uses, and that no other kept root uses, are released: page by page, without the pages
 *   that another kept root shares.
 * - Both sides use retention. A mirror has no allocator: there `uses` refuses frames, and the mirror reports `kept`.
 */
import { assert } from '../../lib/assert.ts'
import { toHex } from '../../lib/bytes.ts'
import type { PublishedRoot } from '../contract.ts'
import type { Readers } from '../space/readers.ts'
import type { SpaceMap } from '../space/space-map.ts'

/** Reason why a root is retained. */
export type Reason = 'slot 0' | 'slot 1' | 'listed' | 'pin' | 'offered' | `hold ${string}`

/** Roots are named by hash, since after a failover two roots may have the same cp. */
const names = new WeakMap<PublishedRoot, string>()

function nameOf(published: PublishedRoot): string {
  let name = names.get(published)
  if (name === undefined) names.set(published, (name = toHex(published.hash)))
  return name
}

interface Kept {
  readonly published: PublishedRoot
  readonly used: SpaceMap
  readonly reasons: Map<Reason, number>
  draining: boolean
}

/** Hears of blocks that no root uses any more: a mask over one map page. */
export type OnReleased = (pageIndex: number, mask: Uint8Array) => void

export class Retention {
  private readonly roots = new Map<string, Kept>()
  private readonly listeners: (() => void)[] = []

  constructor(
    private readonly readers: Readers,
    private readonly onReleased: OnReleased = () => {},
  ) {}

  /** Keeps a root. The same root may be kept for many reasons, and several times for one reason. */
  keep(published: PublishedRoot, used: SpaceMap, reason: Reason): void {
    const key = nameOf(published)
    let kept = this.roots.get(key)
    if (!kept) this.roots.set(key, (kept = { published, used, reasons: new Map(), draining: false }))
    assert(!kept.draining, `cp ${published.root.cp} is draining and cannot be kept again`)
    kept.reasons.set(reason, (kept.reasons.get(reason) ?? 0) + 1)
  }

  drop(published: PublishedRoot, reason: Reason): void {
    const kept = this.roots.get(nameOf(published))
    const count = kept?.reasons.get(reason)
    assert(kept && count !== undefined, `cp ${published.root.cp} is not kept as ${reason}`)
    if (count > 1) kept.reasons.set(reason, count - 1)
    else kept.reasons.delete(reason)
    if (kept.reasons.size > 0) return
    kept.draining = true
    this.readers.afterCurrent(() => this.release(kept))
  }

  /** Retained roots, which are the readable ones; ascending by cp. */
  retained(): readonly PublishedRoot[] {
    return this.sorted((kept) => !kept.draining)
  }

  /** Retained and draining roots: no block of any of these may be written. Ascending by cp. */
  kept(): readonly PublishedRoot[] {
    return this.sorted(() => true)
  }

  isRetained(published: PublishedRoot): boolean {
    const kept = this.roots.get(nameOf(published))
    return kept !== undefined && !kept.draining
  }

  reasonsOf(published: PublishedRoot): readonly Reason[] {
    return [...(this.roots.get(nameOf(published))?.reasons.keys() ?? [])]
  }

  usedMap(published: PublishedRoot): SpaceMap {
    const kept = this.roots.get(nameOf(published))
    assert(kept, `cp ${published.root.cp} is not kept`)
    return kept.used
  }

  usedMaps(): readonly SpaceMap[] {
    return [...this.roots.values()].map((kept) => kept.used)
  }

  /** True when any kept root uses one of the blocks. */
  uses(address: number, blocks: number): boolean {
    for (const { used } of this.roots.values())
      for (let i = 0; i < blocks; i++) if (used.has(address + i)) return true
    return false
  }

  /** Calls the listener whenever blocks have been released, for callers that wait for space. */
  onRelease(listener: () => void): void {
    this.listeners.push(listener)
  }

  private release(kept: Kept): void {
    this.roots.delete(nameOf(kept.published))
    const rest = [...this.roots.values()].map((other) => other.used)
    for (const [index, page] of kept.used.pages.entries()) {
      if (!page || rest.some((map) => map.pages[index] === page)) continue
      const mask = page.bits.slice()
      for (const map of rest) {
        const other = map.pages[index]
        if (other) for (let i = 0; i < mask.length; i++) mask[i]! &= ~other.bits[i]!
      }
      this.onReleased(index, mask)
    }
    for (const listener of this.listeners) listener()
  }

  private sorted(wanted: (kept: Kept) => boolean): PublishedRoot[] {
    return [...this.roots.values()]
      .filter(wanted)
      .map((kept) => kept.published)
      .sort((a, b) => a.root.cp - b.root.cp)
  }
}
