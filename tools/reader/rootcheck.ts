import { BlockSet } from './blockset.ts'
import { Consistency } from './consistency.ts'
import { Damage, type Findings } from './damage.ts'
import { decodeExtra } from './extra.ts'
import { Items } from './items.ts'
import { decodeKey } from './keys.ts'
import { BlockMap } from './map.ts'
import type { Nodes } from './nodes.ts'
import type { BlockPointer } from './pointers.ts'
import { Records } from './records.ts'
import { decodeRoot, type Root } from './root.ts'
import { walkTree } from './tree.ts'
import { decodeEntry, decodeRecord, decodeSnapshot, splitValue } from './values.ts'
import type { Volume } from './volume.ts'

/** Checks everything that hangs from one root. */
export class RootCheck {
  private readonly volume: Volume
  private readonly findings: Findings
  private readonly root: Root
  private readonly nodes: Nodes

  constructor(volume: Volume, root: Root, rootAddress: number) {
    this.volume = volume
    this.findings = volume.findings
    this.root = root
    this.nodes = volume.nodes(root)
    this.nodes.reached.add(rootAddress)
  }

  /** The items of the file tree; `undefined` when a part of the tree cannot be read. */
  run(): Items | undefined {
    const { root, nodes } = this
    const before = this.findings.list.length
    const items = new Items(
      walkTree(nodes, root.fileTree, root.fileTreeLevel, (damage) => this.damage(damage)),
    )
    const isWhole = this.findings.list.length === before
    this.checkRecords(items, new Records(this.volume.blocks, root), (pointer) => nodes.reachRecord(pointer))
    if (isWhole) new Consistency(items, root, this.findings).run()
    this.checkMaps(isWhole)
    return isWhole ? items : undefined
  }

  /** Reads every record that an item names, and compares each with what its item says. */
  checkRecords(items: Items, records: Records, reach: (pointer: BlockPointer) => void): void {
    const { findings, root } = this
    for (const item of items) {
      findings.attempt(() => {
        const { kind } = decodeKey(item.key)
        for (const pointer of splitValue(item.value, root.checksumKind).pointers) {
          findings.attempt(() => reach(pointer))
          const onPadding = () =>
            findings.add('error', 'padding', 'something stands behind a payload', pointer.address)
          const bytes = findings.attempt(() => records.read(pointer, onPadding))
          if (bytes !== undefined) this.checkBytes(kind, item.value, pointer.address, bytes)
        }
        if (kind === 'entry') this.checkInline(item.value)
      })
    }
  }

  private damage(damage: Damage): void {
    this.findings.add('error', damage.kind, damage.message, damage.address)
  }

  private checkBytes(kind: string, value: Uint8Array, address: number, bytes: Uint8Array): void {
    const { checksumKind } = this.root
    if (kind === 'record' && decodeRecord(value, checksumKind).rawBytes !== bytes.length) {
      throw new Damage('record', 'the record has another length than its item says', address)
    }
    if (kind !== 'entry') return
    const { content, extra, size } = decodeEntry(value, checksumKind)
    if (content?.address === address && bytes.length > size) {
      throw new Damage('record', 'the content is longer than the file', address)
    }
    if (extra !== undefined && !(extra instanceof Uint8Array) && extra.address === address)
      this.checkExtra(value, bytes)
  }

  private checkInline(value: Uint8Array): void {
    const { extra } = decodeEntry(value, this.root.checksumKind)
    if (extra instanceof Uint8Array) this.checkExtra(value, extra)
  }

  private checkExtra(value: Uint8Array, bytes: Uint8Array): void {
    const entry = decodeEntry(value, this.root.checksumKind)
    const { target } = decodeExtra(bytes)
    if ((target !== undefined) !== (entry.entryKind === 'link')) {
      throw new Damage('item', 'a link has no target, or something else has one')
    }
    if (target !== undefined && Buffer.byteLength(target) !== entry.size) {
      throw new Damage('item', 'the size of a link is not that of its target')
    }
  }

  private checkMaps(isWhole: boolean): void {
    const { findings, nodes, root } = this
    const live = findings.attempt(() => new BlockMap(nodes, 1, root.liveMap, root))
    if (isWhole && live !== undefined) this.compare('live map', live.bits, nodes.reached)
    const wanted = new BlockSet()
    wanted.addAll(nodes.reached)
    const areWhole = this.addSnapshots(wanted)
    const used = findings.attempt(() => new BlockMap(nodes, 2, root.usedMap, root))
    wanted.addAll(nodes.reached)
    if (isWhole && areWhole && live !== undefined && used !== undefined)
      this.compare('used map', used.bits, wanted)
  }

  /** Adds the live maps' blocks of all snapshots; answers whether all could be read. */
  private addSnapshots(wanted: BlockSet): boolean {
    const { findings, nodes, root } = this
    const before = findings.list.length
    for (const item of walkTree(nodes, root.snapshotsTree, root.snapshotsTreeLevel, (damage) =>
      this.damage(damage),
    )) {
      findings.attempt(() => {
        const snapshot = decodeSnapshot(item.value)
        const own = this.volume.nodes(root)
        const snapshotRoot = decodeRoot(own.read(snapshot.root, 'root'), snapshot.root.address)
        wanted.addAll(new BlockMap(own, 1, snapshotRoot.liveMap, snapshotRoot).bits)
      })
    }
    return findings.list.length === before
  }

  private compare(name: string, bits: BlockSet, wanted: BlockSet): void {
    for (const block of wanted.without(bits))
      this.findings.add('error', 'map', `the ${name} lacks a block`, block)
    for (const block of bits.without(wanted))
      this.findings.add('error', 'map', `the ${name} has a block too many`, block)
  }
}
