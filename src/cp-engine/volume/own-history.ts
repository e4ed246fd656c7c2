/**
 * Which consistency points of its own numbers a primary has never had: whoever shows one has seen this volume newer than
 * it is here. So an old copy of a volume, put back in its place, finds out from the first mirror that it meets.
 *
 * The numbers between the root that was opened and the first of this opening were given by nobody, and what this process
 * has published it remembers, up to a bound; of anything else it says nothing.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { Oldest } from '../../lib/oldest.ts'
import { cpsPerEpoch } from '../../format/geometry.ts'
import type { PublishedRoot } from '../contract.ts'

const rememberedMax = 4096

export class OwnHistory {
  private readonly hashes = new Map<number, Uint8Array>()
  private readonly oldest = new Oldest(this.hashes)
  /** Of those up to here nothing is remembered. */
  private forgottenTo = 0

  /** `openedCp`: of the root that the device had. */
  constructor(
    private readonly openedCp: number,
    private readonly firstCp: number,
  ) {}

  published({ root, hash }: PublishedRoot): void {
    this.hashes.set(root.cp, hash)
    if (this.hashes.size <= rememberedMax) return
    this.forgottenTo = this.oldest.next()
    this.hashes.delete(this.forgottenTo)
  }

  /** True when a root of this number and hash was published for this volume, in its epoch, and is lost here. */
  hasLost({ cp, hash }: { readonly cp: number; readonly hash: Uint8Array }): boolean {
    if (cp <= this.openedCp || epochOf(cp) !== epochOf(this.firstCp)) return false
    if (cp < this.firstCp) return true
    const own = this.hashes.get(cp)
    return own ? !equalBytes(own, hash) : cp > this.forgottenTo
  }
}

const epochOf = (cp: number): number => Math.floor(cp / cpsPerEpoch)
