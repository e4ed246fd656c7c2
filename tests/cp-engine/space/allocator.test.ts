/** The allocator against a plain set of free blocks. */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { isDataRun, makeGeometry } from '../../../src/format/geometry.ts'
import type { Geometry } from '../../../src/format/geometry.ts'
import { blocksPerMapPage } from '../../../src/format/disk/map-page.ts'
import { Allocator } from '../../../src/cp-engine/space/allocator.ts'
import type { BlockClass } from '../../../src/cp-engine/space/allocator.ts'
import type { Run } from '../../../src/cp-engine/space/space-map.ts'
import { isFixedBlock } from '../fixed-blocks.ts'

setDefaultTimeout(60_000)

/** Three map pages, the last one cut short in the middle of a byte. */
const blocksMax = 2 * blocksPerMapPage + 1003
const geometry = makeGeometry(blocksMax * 4096, 2 ** 20, 2 ** 20)
const mapRunBlocks = 128

class Model {
  readonly allocator: Allocator
  readonly free = new Set<number>()
  readonly taken: Run[] = []

  constructor(readonly shape: Geometry = geometry) {
    this.allocator = new Allocator(shape)
  }

  extend(blockCount: number): void {
    for (let address = this.allocator.extent; address < blockCount; address++)
      if (!isFixedBlock(this.shape, address)) this.free.add(address)
    this.allocator.extend(blockCount)
  }

  take(kind: BlockClass, blocks: number): number | null {
    const address = this.allocator.take(kind, blocks)
    if (address === null) {
      expect(this.hasRun(blocks)).toBe(false)
      return null
    }
    for (let i = 0; i < blocks; i++) expect(this.free.delete(address + i)).toBe(true)
    this.taken.push({ address, blocks })
    return address
  }

  giveBack(index: number): void {
    const [run] = this.taken.splice(index, 1)
    this.allocator.giveBack(run!)
    for (let i = 0; i < run!.blocks; i++) this.free.add(run!.address + i)
  }

  hasRun(blocks: number): boolean {
    let length = 0
    for (let address = 0; address < this.allocator.extent; address++) {
      length = this.free.has(address) ? length + 1 : 0
      if (length === blocks) return true
    }
    return false
  }

  expectSame(): void {
    expect(this.allocator.writable).toBe(this.free.size)
    for (let address = 0; address < this.allocator.extent; address++)
      if (this.allocator.isWritable(address) !== this.free.has(address))
        throw new Error(`block ${address} differs`)
  }
}

describe('allocator', () => {
  test('extends to any size, one step or many, without the fixed blocks', () => {
    for (const steps of [[blocksMax], [1, 2, 7, 8, 9, 1023, 1029, 1279, 1290, blocksPerMapPage, blocksMax]]) {
      const model = new Model()
      for (const blockCount of steps) {
        model.extend(blockCount)
        model.expectSame()
        expect(model.allocator.usable).toBe(model.free.size)
      }
    }
  })

  test('gives out what is free and only that, whatever the class and length', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = seededRandom(seed)
      const model = new Model()
      let extent = 1500
      model.extend(extent)
      for (let step = 0; step < 4000; step++) {
        const action = random.below(20)
        if (action === 0 && extent < blocksMax) {
          extent = Math.min(blocksMax, extent + 1 + random.below(step > 2000 ? 20_000 : 60))
          model.extend(extent)
        } else if (action < 9 && model.taken.length > 0) model.giveBack(random.below(model.taken.length))
        else {
          const kind = (['map', 'node', 'record'] as const)[random.below(3)]!
          model.take(kind, kind === 'record' ? 1 + random.below(random.below(4) === 0 ? 256 : 20) : 1)
        }
      }
      model.expectSame()
    }
  })

  test('a full volume gives out its last block to every class, then nothing', () => {
    for (const kind of ['map', 'node', 'record'] as const) {
      const model = new Model(makeGeometry(6 * 2 ** 20, 2 ** 20, 2 ** 20))
      model.extend(1536)
      while (model.take(kind, 1) !== null);
      expect(model.allocator.writable).toBe(0)
      model.giveBack(random(model.taken.length))
      expect(model.take(kind, 1)).not.toBeNull()
    }
  })

  test('a run that is not there is refused, and found again once something is given back', () => {
    const model = new Model(makeGeometry(6 * 2 ** 20, 2 ** 20, 2 ** 20))
    model.extend(1536)
    while (model.take('record', 1) !== null);
    // Every second block is free: no run of two.
    model.taken.sort((a, b) => a.address - b.address)
    for (let i = model.taken.length - 1; i >= 0; i -= 2) model.giveBack(i)
    expect(model.take('record', 2)).toBeNull()
    expect(model.take('record', 1)).not.toBeNull()
    expect(model.take('record', 2)).toBeNull()
    const at = model.taken.findIndex(({ address }) => model.free.has(address + 1))
    model.giveBack(at)
    expect(model.take('record', 2)).not.toBeNull()
  })

  test('the classes live apart while there is room: maps in their runs, others outside of them', () => {
    const model = new Model()
    model.extend(blocksMax)
    const within = (address: number) => address % blocksPerMapPage < mapRunBlocks
    for (let i = 0; i < 124 + 2 * 128; i++) expect(within(model.take('map', 1)!)).toBe(true)
    for (let i = 0; i < 3000; i++) {
      expect(within(model.take('node', 1)!)).toBe(false)
      const record = model.take('record', 16)!
      for (let b = 0; b < 16; b++) expect(within(record + b)).toBe(false)
    }
    expect(within(model.take('map', 1)!)).toBe(false)
  })

  test('nodes and records that are taken in turns lie among their own, and holes are filled last', () => {
    const model = new Model()
    model.extend(blocksMax)
    const turns = (count: number) => {
      const taken = { node: [] as number[], record: [] as number[] }
      for (let i = 0; i < count; i++)
        for (const kind of ['record', 'node', 'node'] as const) taken[kind].push(model.take(kind, 1)!)
      return taken
    }
    const runsOf = (addresses: readonly number[]) => {
      const sorted = addresses.toSorted((a, b) => a - b)
      return sorted.filter((address, i) => i === 0 || sorted[i - 1]! + 1 !== address).length
    }
    const first = turns(1000)
    expect(runsOf(first.record)).toBeLessThanOrEqual(17)
    expect(runsOf(first.node)).toBeLessThanOrEqual(33)
    // Every fourth of them comes back: nobody takes those while whole stretches are free.
    const holes = new Set([...first.record, ...first.node].filter((_, i) => i % 4 === 0))
    for (const address of holes)
      model.giveBack(model.taken.findIndex((run) => run.address === address && run.blocks === 1))
    const second = turns(1000)
    expect([...second.record, ...second.node].filter((address) => holes.has(address))).toEqual([])
    expect(runsOf([...second.record, ...second.node])).toBeLessThanOrEqual(50)
    while (model.take('record', 1) !== null);
    expect(model.free.size).toBe(0)
    // One that is free as a whole again is found, wherever it is.
    const start = 5 * 64
    for (let address = start; address < start + 64; address++)
      model.giveBack(model.taken.findIndex((run) => run.address === address))
    const other = blocksMax - 40
    model.giveBack(model.taken.findIndex((run) => run.address === other))
    expect(Array.from({ length: 64 }, (_, i) => model.take('node', 1)! - i)).toEqual(
      Array.from({ length: 64 }, () => start),
    )
    expect(model.take('node', 1)).toBe(other)
  })

  test('where nothing is free as a whole, what is free for the most part goes first, to one class each', () => {
    const model = new Model()
    model.extend(20_000)
    while (model.take('record', 1) !== null);
    expect(model.allocator.isScattered).toBe(true)
    const freed = new Set<number>()
    // One block in eight everywhere, and half of the blocks of every tenth stretch.
    for (let at = 10_048; at < 19_200; at++) {
      const isMostly = Math.floor(at / 64) % 10 === 0
      if (at % 8 === 0 || (isMostly && at % 2 === 1)) freed.add(at)
    }
    const mask = new Uint8Array(blocksPerMapPage / 8)
    for (const at of freed) mask[at >>> 3]! |= 1 << (at & 7)
    model.allocator.releasePage(0, mask)
    for (const at of freed) model.free.add(at)
    const classOf = new Map<number, Set<BlockClass>>()
    for (let i = 0; i < 250; i++)
      for (const kind of ['node', 'record'] as const) {
        const stretch = Math.floor(model.take(kind, 1)! / 64)
        expect(stretch % 10).toBe(0)
        classOf.set(stretch, (classOf.get(stretch) ?? new Set()).add(kind))
      }
    expect([...classOf.values()].filter(({ size }) => size > 1)).toEqual([])
    expect(model.allocator.isScattered).toBe(true)
    model.extend(20_480)
    expect(model.allocator.isScattered).toBe(false)
  })

  test('map blocks stay together: one run as long as it lasts, then the lowest that is half free, then any', () => {
    const model = new Model()
    model.extend(blocksMax)
    for (let i = 0; i < 124 + 100; i++) model.take('map', 1)
    const low = model.taken.filter(({ address }) => address < mapRunBlocks)
    model.giveBack(model.taken.indexOf(low[5]!))
    // One hole in the first run: the rest of the second one goes first.
    for (let i = 0; i < 28; i++) expect(model.take('map', 1)).toBe(blocksPerMapPage + 100 + i)
    expect(model.take('map', 1)).toBe(2 * blocksPerMapPage)
    for (const run of low.slice(40, 104)) model.giveBack(model.taken.indexOf(run))
    for (let i = 1; i < 128; i++) expect(model.take('map', 1)).toBe(2 * blocksPerMapPage + i)
    expect(model.take('map', 1)).toBe(low[5]!.address)
    expect(model.take('map', 1)).toBe(low[40]!.address)
  })

  test('withheld pages are not given out; released pages are', () => {
    const random = seededRandom(9)
    const model = new Model()
    model.extend(blocksMax)
    const pages = [0, 1, 2].map((index) => ({ index, bits: random.bytes(blocksPerMapPage / 8) }))
    const each = (change: (address: number) => void) => {
      for (const { index, bits } of pages)
        for (let bit = 0; bit < blocksPerMapPage; bit++) {
          const address = index * blocksPerMapPage + bit
          const isSet = (bits[bit >>> 3]! & (1 << (bit & 7))) !== 0
          if (isSet && address < blocksMax && !isFixedBlock(geometry, address)) change(address)
        }
    }
    for (const { index, bits } of pages) model.allocator.withhold(index, bits)
    each((address) => model.free.delete(address))
    model.expectSame()
    // Withholding is by several roots: twice is once.
    for (const { index, bits } of pages) model.allocator.withhold(index, bits)
    model.expectSame()
    for (let i = 0; i < 2000; i++) model.take('record', 1 + random.below(3))
    for (const { index, bits } of pages) {
      const mask = bits.slice()
      for (let bit = 0; bit < blocksPerMapPage; bit++) {
        const address = index * blocksPerMapPage + bit
        if (address >= blocksMax || isFixedBlock(geometry, address)) mask[bit >>> 3]! &= ~(1 << (bit & 7))
      }
      model.allocator.releasePage(index, mask)
    }
    each((address) => model.free.add(address))
    model.expectSame()
  })

  test('takes a named run whole or not at all', () => {
    const model = new Model()
    model.extend(5000)
    const { allocator } = model
    expect(allocator.takeAt(2000, 8)).toBe(true)
    for (const [address, blocks] of [
      [1995, 6],
      [2007, 2],
      [2003, 1],
      [1278, 4],
      [1023, 2],
      [4998, 3],
    ] as const) {
      const before = allocator.writable
      expect(allocator.takeAt(address, blocks)).toBe(false)
      expect(allocator.writable).toBe(before)
    }
    expect(allocator.takeAt(4998, 2)).toBe(true)
    allocator.giveBack({ address: 2000, blocks: 8 })
    expect(allocator.takeAt(1995, 6)).toBe(true)
  })

  test('giving back what is free, or fixed, is a bug that is noticed', () => {
    const model = new Model()
    model.extend(5000)
    const address = model.take('record', 4)!
    model.allocator.giveBack({ address, blocks: 4 })
    expect(() => model.allocator.giveBack({ address, blocks: 1 })).toThrow('released twice')
    expect(() => model.allocator.release({ address: 1024, blocks: 1 })).toThrow('fixed')
    const mask = new Uint8Array(blocksPerMapPage / 8)
    mask[address >>> 3] = 1 << (address & 7)
    expect(() => model.allocator.releasePage(0, mask)).toThrow('released twice')
  })
})

const random = (limit: number): number => seededRandom(limit).below(limit)

test('a run is of data when none of its blocks is fixed, and all lie in the volume', () => {
  const small = makeGeometry(64 * 2 ** 20, 2 ** 20, 2 ** 20)
  for (let address = -2; address < small.blocksMax + 2; address++)
    for (const blocks of [0, 1, 2, 5, 253, 300]) {
      const all = Array.from({ length: blocks }, (_, i) => address + i)
      const expected =
        all.length > 0 && all.every((a) => a > 0 && a < small.blocksMax && !isFixedBlock(small, a))
      if (isDataRun(small, address, blocks) !== expected)
        throw new Error(`${blocks} blocks from ${address} on: ${!expected}`)
    }
})
