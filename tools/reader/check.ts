import type { Blocks } from './blocks.ts'
import { BlockSet } from './blockset.ts'
import { Consistency } from './consistency.ts'
import { Damage, type Finding, Findings } from './damage.ts'
import { decodeExtra } from './extra.ts'
import { Items } from './items.ts'
import { decodeKey } from './keys.ts'
import { type Log } from './log.ts'
import { BlockMap } from './map.ts'
import { Records } from './records.ts'
import { replay } from './replay.ts'
import { decodeRoot, type Root } from './root.ts'
import { walkTree } from './tree.ts'
import { decodeEntry, decodeRecord, decodeSnapshot, splitValue } from './values.ts'
import { Volume } from './volume.ts'

/** Verifies everything that the page lets a reader verify. With the log, also what a replay of the log gives. */
export function check(blocks: Blocks, withLog: boolean): readonly Finding[] {
  const findings = new Findings()
  findings.attempt(() => new Check(new Volume(blocks, findings), findings).run(withLog))
  return findings.list
}

class Check {
  private readonly volume: Volume
  private readonly findings: Findings

  constructor(volume: Volume, findings: Findings) {
    this.volume = volume
    this.findings = findings
  }

  run(withLog: boolean): void {
    const { root } = this.volume
    if (root === undefined) {
      this.findings.add('info', 'root', 'there is no root: an empty mirror')
      return
    }
    const nodes = this.volume.nodes(root, (address, message) =>
      this.findings.add('warning', 'padding', message, address),
    )
    nodes.reached.add(this.volume.superblock.rootAddress)
    const before = this.findings.list.length
    const items = new Items(
      walkTree(nodes, root.fileTree, root.fileTreeLevel, (damage) => this.damage(damage)),
    )
    const isWhole = this.findings.list.length === before
    const records = new Records(this.volume.blocks, root)
    this.checkRecords(items, records, root, (pointer) => nodes.reachRecord(pointer))
    if (isWhole) new Consistency(items, root.checksumKind, this.findings).run()
    this.checkMaps(root, nodes, isWhole)
    this.findings.attempt(() => this.checkLog(root, isWhole && withLog ? items : undefined))
  }

  private damage(damage: Damage): void {
    this.findings.add('error', damage.kind, damage.message, damage.address)
  }

  /** Reads every record that an item names. */
  private checkRecords(
    items: Items,
    records: Records,
    root: Root,
    reach: (pointer: { address: number } & Parameters<Records['read']>[0]) => void,
  ): void {
    for (const item of items) {
      this.findings.attempt(() => {
        const key = decodeKey(item.key)
        for (const pointer of splitValue(item.value, root.checksumKind).pointers) {
          this.findings.attempt(() => reach(pointer))
          const bytes = this.findings.attempt(() =>
            records.read(pointer, () =>
              this.findings.add('warning', 'padding', 'something stands behind a payload', pointer.address),
            ),
          )
          if (bytes !== undefined) this.checkBytes(key.kind, item.value, pointer.address, bytes, root)
        }
        if (key.kind === 'entry') this.checkInline(item.value, root)
      })
    }
  }

  /** Compares an unpacked record with what its item says about it. */
  private checkBytes(kind: string, value: Uint8Array, address: number, bytes: Uint8Array, root: Root): void {
    if (kind === 'record' && decodeRecord(value, root.checksumKind).rawBytes !== bytes.length) {
      throw new Damage('record', 'the record has another length than its item says', address)
    }
    if (kind !== 'entry') return
    const { extra } = decodeEntry(value, root.checksumKind)
    if (extra !== undefined && !(extra instanceof Uint8Array) && extra.address === address)
      this.checkExtra(value, bytes, root)
  }

  private checkInline(value: Uint8Array, root: Root): void {
    const { extra } = decodeEntry(value, root.checksumKind)
    if (extra instanceof Uint8Array) this.checkExtra(value, extra, root)
  }

  private checkExtra(value: Uint8Array, bytes: Uint8Array, root: Root): void {
    const entry = decodeEntry(value, root.checksumKind)
    const { target } = decodeExtra(bytes)
    if ((target !== undefined) !== (entry.entryKind === 'link')) {
      throw new Damage('item', 'a link has no target, or something else has one')
    }
    if (target !== undefined && Buffer.byteLength(target) !== entry.size) {
      throw new Damage('item', 'the size of a link is not that of its target')
    }
  }

  private checkMaps(root: Root, nodes: ReturnType<Volume['nodes']>, isWhole: boolean): void {
    const live = this.findings.attempt(() => new BlockMap(nodes, 1, root.liveMap, root))
    if (isWhole && live !== undefined) this.compare('live map', live.bits, nodes.reached)
    const wanted = new BlockSet()
    wanted.addAll(nodes.reached)
    nodes.reached = new BlockSet()
    const snapshotsWhole = this.checkSnapshots(root, nodes, wanted)
    const used = this.findings.attempt(() => new BlockMap(nodes, 2, root.usedMap, root))
    wanted.addAll(nodes.reached)
    if (isWhole && snapshotsWhole && live !== undefined && used !== undefined)
      this.compare('used map', used.bits, wanted)
  }

  /** Adds the live maps of all snapshots to the wanted blocks; answers whether all could be read. */
  private checkSnapshots(root: Root, nodes: ReturnType<Volume['nodes']>, wanted: BlockSet): boolean {
    const before = this.findings.list.length
    for (const item of walkTree(nodes, root.snapshotsTree, root.snapshotsTreeLevel, (damage) =>
      this.damage(damage),
    )) {
      this.findings.attempt(() => {
        const snapshot = decodeSnapshot(item.value)
        const own = this.volume.nodes(root)
        const snapshotRoot = decodeRoot(own.read(snapshot.root, 'root'), snapshot.root.address)
        wanted.addAll(new BlockMap(own, 1, snapshotRoot.liveMap, snapshotRoot).bits)
      })
    }
    return this.findings.list.length === before
  }

  private compare(name: string, bits: BlockSet, wanted: BlockSet): void {
    for (const block of wanted.without(bits))
      this.findings.add('error', 'map', `the ${name} lacks a block`, block)
    for (const block of bits.without(wanted))
      this.findings.add('error', 'map', `the ${name} has a block too many`, block)
  }

  private checkLog(root: Root, items: Items | undefined): void {
    const log = this.volume.log(root)
    if (log === undefined) return
    const outcome = replay(this.volume.blocks, log, root)
    this.sayLog(log)
    this.checkWrites(log, root)
    if (items === undefined) return
    const after = this.volume.overlay(items, outcome, root)
    this.checkRecords(after.items, after.records, root, () => {})
    new Consistency(after.items, root.checksumKind, this.findings).run()
  }

  private sayLog(log: Log): void {
    const ending = log.ending()
    const address = log.address(log.endPosition)
    if (ending === 'damaged')
      this.findings.add('error', 'log', 'the log is damaged: what was safe is lost', address)
    if (ending === 'torn')
      this.findings.add('warning', 'log', 'the log ends in a group that is torn', address)
    for (const at of log.padded) {
      this.findings.add(
        'warning',
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
    for (const { pointer, payload } of log.groups
      .flatMap((group) => group.records)
      .flatMap((record) => record.inline)) {
      this.findings.attempt(() => records.verify(pointer, payload))
    }
  }
}
