import { hex } from './bytes.ts'
import type { Findings } from './damage.ts'
import type { Root } from './root.ts'
import type { Superblock } from './superblock.ts'
import { sha256 } from './sums.ts'

/** Compares roots of one volume: the hash that each names of the root before it, and how far the volume may grow. */
export function checkHistory(roots: readonly Root[], slots: readonly Superblock[], findings: Findings): void {
  const named = new Set(slots.flatMap(({ root }) => (root === undefined ? [] : [hashOf(root)])))
  const isPrimary = slots.some(({ isMirror }) => !isMirror)
  const ascending = roots.toSorted((a, b) => a.cp - b.cp)
  for (const [i, root] of ascending.entries()) {
    const epoch = root.epochs.at(-1)
    if (epoch?.firstCp === root.cp && epoch.rootHashBefore !== root.previousHash) {
      findings.add('error', 'history', `cp ${root.cp} begins an epoch that continues another root`)
    }
    const before = ascending[i - 1]
    if (before === undefined) continue
    const isOfSlots = isPrimary && named.has(hashOf(before)) && named.has(hashOf(root))
    if ((isOfSlots || root.cp === before.cp + 1) && root.previousHash !== hashOf(before)) {
      findings.add('error', 'history', `cp ${root.cp} does not continue cp ${before.cp}`)
    }
    if (root.blocksMax < before.blocksMax) {
      findings.add('error', 'history', `cp ${root.cp} may grow less than cp ${before.cp}`)
    }
  }
}

export const hashOf = (root: Root): string => hex(sha256(root.bytes))
