/**
 * Reads an offered root and believes nothing: a root that contradicts the volume, its history or the offer is
 * refused.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/checksum.ts'
import { hasCode } from '../../lib/errors.ts'
import { parseUuid } from '../../lib/random.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import { type Geometry, epochsMax, isDataRun } from '../../format/geometry.ts'
import { assertWritable } from '../../format/features.ts'
import { type Root, decodeRoot } from '../../format/disk/root.ts'
import type { MessageOf, WireErrorCode } from '../../format/wire/messages.ts'

export function readOfferedRoot(
  offer: MessageOf<'offer'>,
  base: PublishedRoot | null,
  geometry: Geometry,
): PublishedRoot | { readonly code: WireErrorCode; readonly problem: string } {
  const { root: bytes, address } = offer
  try {
    const root = decodeRoot(bytes)
    const problem = problemOf(root, offer, base, geometry)
    if (problem) return { code: 'bad-root', problem }
    // The root would become part of a superblock: a mirror that publishes a root may also be promoted on that root.
    assertWritable('root node', root.features)
    return { root, address, bytes, hash: sha256(bytes) }
  } catch (error) {
    if (hasCode(error, 'newer-format')) return { code: 'newer-format', problem: error.message }
    if (hasCode(error, 'corrupt')) return { code: 'bad-root', problem: error.message }
    throw error
  }
}

function problemOf(
  root: Root,
  offer: MessageOf<'offer'>,
  base: PublishedRoot | null,
  geometry: Geometry,
): string | null {
  if (!equalBytes(root.volumeUuid, parseUuid(offer.volume))) return 'it is of another volume'
  if (root.cp !== offer.cp) return `it is of cp ${root.cp}, and offered as ${offer.cp}`
  if (root.blocksMax > geometry.blocksMax) return 'it may grow larger than its primary has said'
  if (!isDataRun(geometry, offer.address, 1) || offer.address >= root.blockCount)
    return 'its address is impossible'
  if (root.epochs.at(-1)!.number > offer.epoch.number)
    return 'it is of an epoch that its primary does not have'
  if (!base) return null
  const before = base.root
  if (root.blocksMax < before.blocksMax) return 'it may grow less than its base'
  if (root.sums.kind !== before.sums.kind || root.sums.seed !== before.sums.seed) {
    return 'it sums records in another way'
  }
  for (const epoch of before.epochs) {
    const same = root.epochs.find(({ number }) => number === epoch.number)
    if (same && !equalBytes(same.id, epoch.id)) return `epoch ${epoch.number} has another id: another history`
    // A full list has dropped its oldest epochs.
    const mayBeDropped = root.epochs.length === epochsMax && epoch.number < root.epochs[0]!.number
    if (!same && !mayBeDropped) return `epoch ${epoch.number} is not in its history`
  }
  // Without a gap between the numbers the base is the root before this one.
  if (root.cp === before.cp + 1 && !equalBytes(root.previousHash, base.hash))
    return 'it does not continue its base'
  return null
}
