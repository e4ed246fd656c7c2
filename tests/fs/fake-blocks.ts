/** The records of a fake volume: each is prepared, then named by exactly one item, then freed once. */
import { assert } from '../../src/lib/assert.ts'
import { toHex } from '../../src/lib/bytes.ts'
import type { Item, PreparedRecord } from '../../src/cp-engine/contract.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { recordSum, valuePointers } from '../../src/format/pointer.ts'
import type { BlockPointer, RecordSums } from '../../src/format/pointer.ts'

interface Block {
  readonly bytes: Uint8Array
  state: 'prepared' | 'used' | 'freed'
  /** The key of the one item that names it. */
  owner: string | null
}

export interface ChangedItem {
  readonly key: Uint8Array
  readonly old: Uint8Array | null
  readonly value: Uint8Array | null
}

export class FakeBlocks {
  private readonly blocks = new Map<number, Block>()
  private nextAddress = 1

  constructor(private readonly sums: RecordSums) {}

  pointersOf(value: Uint8Array): BlockPointer[] {
    const pointers = valuePointers(value, this.sums.kind)
    assert(pointers, 'a value begins with its pointers')
    return pointers
  }

  prepare(bytes: Uint8Array, offset: number): PreparedRecord {
    const blocks = Math.ceil(bytes.length / blockBytes)
    const address = this.nextAddress
    this.nextAddress += blocks
    this.blocks.set(address, { bytes, state: 'prepared', owner: null })
    const sum = recordSum(bytes, this.sums)
    const pointer: BlockPointer = { address, blocks, payloadBytes: bytes.length, encoding: 'raw', sum }
    return { pointer, offset, length: bytes.length }
  }

  discard(records: readonly PreparedRecord[]): void {
    for (const { pointer } of records) {
      const block = this.blocks.get(pointer.address)
      assert(block?.state === 'prepared', 'only what is prepared and not used can be discarded')
      this.blocks.delete(pointer.address)
    }
  }

  read(pointer: BlockPointer): Uint8Array {
    const block = this.blocks.get(pointer.address)
    assert(block && block.state !== 'prepared', `block ${pointer.address} exists`)
    return block.bytes.slice()
  }

  /** What was in a value before and is in none now is freed; what is new must have been prepared for this. */
  settle(
    changes: readonly ChangedItem[],
    used: ReadonlySet<number>,
    offered: readonly PreparedRecord[],
  ): void {
    const moved = new Set<number>()
    for (const { key, old } of changes) {
      for (const { address } of old ? this.pointersOf(old) : []) {
        const block = this.blocks.get(address)
        assert(block?.state === 'used' && block.owner === toHex(key), `block ${address} belongs to the item`)
        block.state = 'freed'
        block.owner = null
        moved.add(address)
      }
    }
    for (const { key, value } of changes) {
      for (const { address } of value ? this.pointersOf(value) : []) {
        const block = this.blocks.get(address)
        assert(block && block.owner === null, `block ${address} is in one item`)
        assert(moved.has(address) || used.has(address), `block ${address} was prepared for this operation`)
        block.state = 'used'
        block.owner = toHex(key)
      }
    }
    this.forgetPrepared(offered)
  }

  forgetPrepared(offered: readonly PreparedRecord[]): void {
    for (const { pointer } of offered)
      if (this.blocks.get(pointer.address)?.state === 'prepared') this.blocks.delete(pointer.address)
  }

  /** Drops freed blocks that no image names. */
  forgetFreed(images: readonly (readonly Item[])[]): void {
    const kept = new Set<number>()
    for (const items of images)
      for (const { value } of items) for (const { address } of this.pointersOf(value)) kept.add(address)
    for (const [address, { state }] of this.blocks)
      if (state === 'freed' && !kept.has(address)) this.blocks.delete(address)
  }

  /** What an open finds behind these items. */
  after(items: readonly Item[]): FakeBlocks {
    const next = new FakeBlocks(this.sums)
    next.nextAddress = this.nextAddress
    for (const { key, value } of items) {
      for (const { address } of this.pointersOf(value)) {
        assert(!next.blocks.has(address), `after replay, block ${address} is in one item`)
        const block = this.blocks.get(address)
        assert(block, `after replay, block ${address} still exists`)
        next.blocks.set(address, { bytes: block.bytes, state: 'used', owner: toHex(key) })
      }
    }
    return next
  }

  used(): number {
    let used = 0
    for (const block of this.blocks.values())
      if (block.state === 'used') used += Math.ceil(block.bytes.length / blockBytes)
    return used
  }

  assertSettled(items: readonly Item[]): void {
    const named = new Set(items.flatMap(({ value }) => this.pointersOf(value).map((p) => p.address)))
    for (const [address, block] of this.blocks) {
      assert(block.state !== 'prepared', `block ${address} was prepared and forgotten`)
      assert((block.state === 'used') === named.has(address), `block ${address} is ${block.state}`)
    }
  }
}
