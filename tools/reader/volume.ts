import type { Blocks } from './blocks.ts'
import type { Findings } from './damage.ts'
import { Items } from './items.ts'
import { Log } from './log.ts'
import { Nodes } from './nodes.ts'
import { Records } from './records.ts'
import { Outcome, replay } from './replay.ts'
import type { Root } from './root.ts'
import { readSuperblocks, type Superblock } from './superblock.ts'
import { walkTree } from './tree.ts'

/** An opened volume: the newest superblock, its root, and what reads the rest. */
export class Volume {
  readonly blocks: Blocks
  /** The newest one. */
  readonly superblock: Superblock
  /** Of both slots, the newest first. */
  readonly slots: readonly [Superblock, ...Superblock[]]
  readonly findings: Findings

  constructor(blocks: Blocks, findings: Findings) {
    this.blocks = blocks
    this.findings = findings
    this.slots = readSuperblocks(blocks, findings)
    const [newest] = this.slots
    this.superblock = newest
  }

  /** `undefined` on an empty mirror. */
  get root(): Root | undefined {
    return this.superblock.root
  }

  /** Address blocks of a root. */
  nodes(root: Root): Nodes {
    const { logAddress, logBlocks } = this.superblock
    return new Nodes(this.blocks, root.blockCount, { from: logAddress, count: logBlocks })
  }

  /** For root nodes, whose own count of blocks is not known before they are read. */
  rootNodes(): Nodes {
    const { logAddress, logBlocks } = this.superblock
    return new Nodes(this.blocks, Infinity, { from: logAddress, count: logBlocks })
  }

  /** The log behind the root; a mirror has none. */
  log(root: Root): Log | undefined {
    return this.superblock.isMirror ? undefined : new Log(this.blocks, this.superblock, root)
  }

  /** All items of the file tree, with the log over them when the caller wants it. */
  read(withLog: boolean): { items: Items; records: Records } {
    const { root } = this
    if (root === undefined)
      return { items: new Items([]), records: new Records(this.blocks, { checksumKind: 1, seed: 0 }) }
    const items = new Items(walkTree(this.nodes(root), root.fileTree, root.fileTreeLevel))
    const log = withLog ? this.log(root) : undefined
    if (log === undefined) return { items, records: new Records(this.blocks, root) }
    return this.overlay(items, replay(this.blocks, log, root, items), root)
  }

  overlay(items: Items, outcome: Outcome, root: Root): { items: Items; records: Records } {
    const records = new Records(this.blocks, root)
    for (const [address, { payload }] of outcome.writes) {
      if (payload !== undefined) records.inline.set(address, payload)
    }
    return { items: items.with(outcome.items), records }
  }
}
