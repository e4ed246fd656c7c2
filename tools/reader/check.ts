import type { Blocks } from './blocks.ts'
import { Consistency } from './consistency.ts'
import { type Finding, Findings } from './damage.ts'
import { checkHistory } from './history.ts'
import type { Items } from './items.ts'
import type { Log } from './log.ts'
import type { NodePointer } from './pointers.ts'
import { Records } from './records.ts'
import { replay } from './replay.ts'
import { decodeRoot, type Root } from './root.ts'
import { RootCheck } from './rootcheck.ts'
import { hex } from './bytes.ts'
import { sha256 } from './sums.ts'
import { Volume } from './volume.ts'

/** Verifies everything that the page lets a reader verify. With the log, also what a replay of the log gives. */
export function checkBlocks(blocks: Blocks, withLog: boolean): readonly Finding[] {
  const findings = new Findings()
  findings.attempt(() => new Check(new Volume(blocks, findings)).run(withLog))
  return findings.list
}

class Check {
  private readonly volume: Volume
  private readonly findings: Findings
  private readonly roots = new Map<string, { root: Root; items: Items | undefined; check: RootCheck }>()

  constructor(volume: Volume) {
    this.volume = volume
    this.findings = volume.findings
  }

  run(withLog: boolean): void {
    const { slots, root: newest } = this.volume
    for (const { root, rootAddress, holds, isMirror } of slots) {
      if (root !== undefined) this.checkRoot({ address: rootAddress, sum: sha256(root.bytes) }, isMirror)
      for (const hold of holds) this.checkRoot(hold, isMirror)
    }
    checkHistory(
      [...this.roots.values()].map(({ root }) => root),
      slots,
      this.findings,
    )
    if (newest !== undefined) this.findings.attempt(() => this.checkLog(newest, withLog))
  }

  /** Checks what hangs from a root, once for each root. */
  private checkRoot(pointer: NodePointer, isMirror: boolean): void {
    const name = hex(pointer.sum)
    if (this.roots.has(name)) return
    this.findings.attempt(() => {
      const unbounded = this.volume.rootNodes()
      const root = decodeRoot(unbounded.read(pointer, 'root'), pointer.address)
      if (root.volumeUuid !== hex(this.volume.superblock.volumeUuid)) {
        this.findings.add('error', 'root', 'the root is of another volume', pointer.address)
      }
      if (!isMirror) this.findings.attempt(() => this.volume.blocks.read(root.blockCount - 1, 1))
      const check = new RootCheck(this.volume, root, pointer.address)
      this.roots.set(name, { root, items: check.run(), check })
    })
  }

  private checkLog(root: Root, withLog: boolean): void {
    const log = this.volume.log(root)
    if (log === undefined) return
    const { items, check } = this.roots.get(hex(sha256(root.bytes))) ?? {}
    // Without all items of the root, what the log can keep is not known.
    const outcome = items === undefined ? undefined : replay(this.volume.blocks, log, root, items)
    this.sayLog(log)
    this.checkWrites(log, root)
    if (!withLog || items === undefined || check === undefined || outcome === undefined) return
    const after = this.volume.overlay(items, outcome, root)
    check.checkRecords(after.items, after.records, () => {})
    const { sequence, counters } = outcome
    new Consistency(after.items, { ...root, sequence, counters, opening: Infinity }, this.findings).run()
  }

  private sayLog(log: Log): void {
    const ending = log.ending()
    const address = log.address(log.endPosition)
    if (ending === 'damaged')
      this.findings.add('error', 'log', 'the log is damaged: what was safe is lost', address)
    if (ending === 'torn')
      this.findings.add('warning', 'log', 'the log ends in a group that is torn', address)
    for (const at of log.padded) {
      // A crash may have torn the last group behind its records.
      const severity = at === log.lastPosition ? 'warning' : 'error'
      this.findings.add(
        severity,
        'padding',
        'something stands behind the records of a group',
        log.address(at),
      )
    }
    for (const at of log.lostEmpty)
      this.findings.add('warning', 'log', 'an empty group cannot be read', log.address(at))
  }

  /** Compares every write that the log has inline with the sum in its pointer. */
  private checkWrites(log: Log, root: Root): void {
    const records = new Records(this.volume.blocks, root)
    for (const { pointer, payload } of log.operations.flatMap(({ record }) => record.inline)) {
      this.findings.attempt(() => records.verify(pointer, payload))
    }
  }
}
