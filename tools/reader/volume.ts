import type { Blocks } from './blocks.ts'
import { equal } from './bytes.ts'
import { Damage, type Findings } from './damage.ts'
import { Items } from './items.ts'
import { Log } from './log.ts'
import { Nodes } from './nodes.ts'
import { Records } from './records.ts'
import { Outcome, replay } from './replay.ts'
import type { Root } from './root.ts'
import { newestSuperblock, type Superblock } from './superblock.ts'
import { walkTree } from './tree.ts'

/** An opened volume: the newest superblock, its root, and what reads the rest. */
export class Volume {
  readonly blocks: Blocks
  readonly superblock: Superblock
  readonly findings: Findings

  constructor(blocks: Blocks, findings: Findings) {
    this.blocks = blocks
    this.findings = findings
    this.superblock = newestSuperblock(blocks, findings)
    this.checkRootBlock()
  }

  /** `undefined` on an empty mirror. */
  get root(): Root | undefined {
    return this.superblock.root
  }

  /** Address blocks, below an end that is the root's unless the log is read, which may name blocks of a growth. */
  nodes(root: Root, onPadding?: (address: number, message: string) => void): Nodes {
    const { logAddress, logBlocks } = this.superblock
    return new Nodes(this.blocks, root.blockCount, { from: logAddress, count: logBlocks }, onPadding)
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
    return this.overlay(items, replay(this.blocks, log, root), root)
  }

  overlay(items: Items, outcome: Outcome, root: Root): { items: Items; records: Records } {
    const records = new Records(this.blocks, root)
    for (const [address, { payload }] of outcome.writes) {
      if (payload !== undefined) records.inline.set(address, payload)
    }
    return { items: items.with(outcome.items), records }
  }

  private checkRootBlock(): void {
    const { root, rootAddress } = this.superblock
    if (root === undefined) return
    try {
      if (equal(this.blocks.read(rootAddress, 1), root.bytes)) return
      this.findings.add('error', 'root', 'the root node is not what the superblock has', rootAddress)
    } catch (error) {
      if (!(error instanceof Damage)) throw error
      this.findings.add('error', 'root', error.message, rootAddress)
    }
  }
}
