/**
 * Tells whether the roots of a volume are of one history. Each root names the hash of the root before.
 *
 * - On a primary the root before is the root of the older slot, unless both slots name one root.
 * - A mirror leaves roots out, so on a mirror only roots with neighbouring numbers can be compared.
 * - For a root that begins an epoch, the list of epochs must name the same hash.
 */
import { equalBytes } from '../lib/bytes.ts'
import { sha256 } from '../lib/checksum.ts'
import type { Superblock } from '../format/disk/superblock.ts'
import type { PublishedRoot } from './contract.ts'

interface BrokenHistory {
  readonly address: number
  readonly message: string
}

export function* brokenHistory(
  roots: readonly PublishedRoot[],
  slots: readonly Superblock[],
): Generator<BrokenHistory> {
  const ascending = roots.toSorted((a, b) => a.root.cp - b.root.cp)
  const named = slots.flatMap(({ root }) => (root ? [sha256(root.bytes)] : []))
  const isNamed = ({ hash }: PublishedRoot) => named.some((other) => equalBytes(hash, other))
  const isPrimary = slots.some(({ role }) => role === 'primary')
  for (const [i, { root, address }] of ascending.entries()) {
    const { epochs, cp, previousHash } = root
    const { firstCp, rootHashBefore } = epochs.at(-1)!
    if (firstCp === cp && !equalBytes(rootHashBefore, previousHash))
      yield { address, message: `cp ${cp} begins an epoch, and the epoch continues another root` }
    const before = ascending[i - 1]
    if (!before) continue
    const isNext = cp === before.root.cp + 1
    const isOfSlots = isPrimary && isNamed(before) && isNamed(ascending[i]!)
    if ((isNext || isOfSlots) && !equalBytes(previousHash, before.hash))
      yield { address, message: `cp ${cp} does not continue cp ${before.root.cp}, the root before it` }
    if (root.blocksMax < before.root.blocksMax)
      yield { address, message: `cp ${cp} may grow less than cp ${before.root.cp}` }
  }
}
