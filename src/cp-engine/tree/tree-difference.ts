/**
 * Walks the items that a target tree has and a base tree has not: both trees together, in key order. A subtree under
 * the same pointer in both trees is skipped whole, and so is a subtree outside of the wanted range of keys.
 *
 * Nothing of the target is believed: the target's nodes come from `obtain`, verified against their pointers, and
 * `verifyNode` holds the nodes to the level and the bounds that the parent gives. The base is a published tree: the
 * base's nodes come from `readBase`, and `verifyNode` checks their places too.
 */
import { compareBytes, equalBytes } from '../../lib/bytes.ts'
import { type NodePointer, equalNodePointers } from '../../format/pointer.ts'
import type { TreeRoot } from '../../format/disk/root.ts'
import { type NodePlace, type VerifiedNode, verifyNode } from '../../format/disk/tree-node.ts'

export interface DifferenceSteps {
  /**
   * The nodes in the order of the pointers. Null stands for a missing node: nothing below a missing node is walked.
   */
  obtain(pointers: readonly NodePointer[]): Promise<readonly (Uint8Array | null)[]>
  readBase(pointer: NodePointer): Promise<Uint8Array>
  /** Visits an item of the target that the base has not, or has with another value. */
  visit(key: Uint8Array, value: Uint8Array, baseValue: Uint8Array | null): void
  /**
   * Called once for each node, so that the caller can flush the items that `visit` gathered, and can let other work
   * run.
   */
  pause(): Promise<void>
}

/** Keys with from ≤ key < end; null means no bound. */
export interface WalkedRange {
  readonly from: Uint8Array | null
  readonly end: Uint8Array | null
}

const everything: WalkedRange = { from: null, end: null }

interface Placed {
  readonly pointer: NodePointer
  readonly place: NodePlace
}

export async function walkDifference(
  target: TreeRoot,
  base: TreeRoot | null,
  steps: DifferenceSteps,
  range: WalkedRange = everything,
): Promise<void> {
  if (target.pointer.address === 0) return
  const rootOf = ({ pointer, level }: TreeRoot): Placed => ({
    pointer,
    place: { level, lower: null, upper: null },
  })
  let beside = base && base.pointer.address !== 0 ? [rootOf(base)] : []
  while ((beside[0]?.place.level ?? 0) > target.level) beside = await expand(beside, steps)
  await walkAll([rootOf(target)], beside, steps, range)
}

/** Walks nodes of one level, in key order, with the nodes of the base that may share a part with them. */
async function walkAll(
  nodes: readonly Placed[],
  beside: readonly Placed[],
  steps: DifferenceSteps,
  range: WalkedRange,
): Promise<void> {
  const fresh = besideEach(
    nodes.filter(({ place }) => isBelow(place.lower, range.end) && isBelow(range.from, place.upper)),
    beside,
  ).filter(({ node, beside: near }) => !near.some((other) => isSame(node, other)))
  if (fresh.length === 0) return
  const blocks = await steps.obtain(fresh.map(({ node }) => node.pointer))
  for (const [i, { node, beside: near }] of fresh.entries()) {
    const bytes = blocks[i]
    if (bytes) await walkNode(verifyNode(bytes, node.place), node.place, near, steps, range)
  }
}

interface Neighbours {
  readonly node: Placed
  readonly beside: readonly Placed[]
}

/** Both lists ascend, and so the neighbours of a node follow those of the node before. */
function besideEach(nodes: readonly Placed[], beside: readonly Placed[]): Neighbours[] {
  let first = 0
  return nodes.map((node) => {
    while (first < beside.length && !isBelow(node.place.lower, beside[first]!.place.upper)) first++
    let end = first
    while (end < beside.length && isBelow(beside[end]!.place.lower, node.place.upper)) end++
    return { node, beside: beside.slice(first, end) }
  })
}

async function walkNode(
  node: VerifiedNode,
  place: NodePlace,
  beside: readonly Placed[],
  steps: DifferenceSteps,
  range: WalkedRange,
): Promise<void> {
  await steps.pause()
  if (node.level === 0) return visitItems(node, await leavesOf(beside, steps), steps, range)
  const children = childrenOf(node, place)
  const level = beside[0]?.place.level ?? 0
  await walkAll(children, level === node.level ? await expand(beside, steps) : beside, steps, range)
}

function visitItems(
  node: VerifiedNode,
  beside: readonly VerifiedNode[],
  steps: DifferenceSteps,
  { from, end }: WalkedRange,
): void {
  let leaf = 0
  let at = 0
  for (let i = 0; i < node.count; i++) {
    const key = node.key(i)
    if (from && compareBytes(key, from) < 0) continue
    if (end && compareBytes(key, end) >= 0) return
    let order = -1
    while (leaf < beside.length) {
      const near = beside[leaf]!
      order = at < near.count ? compareBytes(near.key(at), key) : -1
      if (order >= 0) break
      if (++at >= near.count) {
        leaf++
        at = 0
      }
    }
    const value = node.value(i)
    const baseValue = order === 0 && leaf < beside.length ? beside[leaf]!.value(at) : null
    if (!baseValue || !equalBytes(value, baseValue)) steps.visit(key, value, baseValue)
  }
}

async function leavesOf(beside: readonly Placed[], steps: DifferenceSteps): Promise<VerifiedNode[]> {
  const leaves: VerifiedNode[] = []
  for (const { pointer, place } of beside) leaves.push(verifyNode(await steps.readBase(pointer), place))
  return leaves
}

/** Goes one level down. */
async function expand(nodes: readonly Placed[], steps: DifferenceSteps): Promise<Placed[]> {
  const children: Placed[] = []
  for (const { pointer, place } of nodes) {
    children.push(...childrenOf(verifyNode(await steps.readBase(pointer), place), place))
  }
  return children
}

function childrenOf(node: VerifiedNode, place: NodePlace): Placed[] {
  return Array.from({ length: node.count }, (_, i) => ({
    pointer: node.child(i),
    place: node.childPlace(i, place),
  }))
}

const isSame = (a: Placed, b: Placed): boolean =>
  a.place.level === b.place.level && equalNodePointers(a.pointer, b.pointer)

const isBelow = (lower: Uint8Array | null, upper: Uint8Array | null): boolean =>
  lower === null || upper === null || compareBytes(lower, upper) < 0
