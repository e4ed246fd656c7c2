/**
 * The history of a primary's own consistency points, to recognise numbers that this primary never had. A mirror that
 * shows such a consistency point has seen the volume newer than the volume is here. So an old copy of a volume, put
 * back in its place, finds out from the first mirror that the copy meets.
 *
 * - This copy never gave the numbers between the root that was opened and the first number of this opening.
 * - This process remembers the consistency points that this process has published, up to a bound. A number of this
 *   opening that was never published here, or that was published with another hash, is of the newer volume as well.
 * - The history says nothing about forgotten numbers, about numbers up to the opened root, and about other epochs.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { Oldest } from '../../lib/oldest.ts'
import { cpsPerEpoch } from '../../format/geometry.ts'
import type { PublishedRoot } from '../contract.ts'

const rememberedMax = 4096

export class OwnHistory {
  private readonly hashes = new Map<number, Uint8Array>()
  private readonly oldest = new Oldest(this.hashes)
  /** Number up to which published consistency points are forgotten. */
  private forgottenTo = 0

  /** `openedCp` is the number of the root that the device had. */
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
