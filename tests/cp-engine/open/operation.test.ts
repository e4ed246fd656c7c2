/** One operation's overlay against a sorted map; and what it hands to the engine. */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { compareBytes, concatBytes } from '../../../src/lib/bytes.ts'
import { hasCode } from '../../../src/lib/errors.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { itemBytesMax, keyBytesMax } from '../../../src/format/geometry.ts'
import { valueHead } from '../../../src/format/pointer.ts'
import type { BlockPointer } from '../../../src/format/pointer.ts'
import type { Item, ItemReader, PreparedRecord } from '../../../src/cp-engine/contract.ts'
import { OperationTx } from '../../../src/cp-engine/open/operation.ts'
import type { OperationFacts } from '../../../src/cp-engine/open/operation.ts'

setDefaultTimeout(60_000)

const facts: OperationFacts = {
  cp: 12,
  nowMs: 1000,
  epoch: 2,
  opening: 3,
  sequence: 40,
  counters: [7, 0, 0, 0, 0, 0, 0, 0],
  sums: 'xxh3',
  isHidden: false,
}

const hex = (key: Uint8Array) => Buffer.from(key).toString('hex')

/** A sorted map of items. */
class Sorted implements ItemReader {
  readonly items = new Map<string, Item>()

  constructor(items: Iterable<Item> = []) {
    for (const { key, value } of items) this.put(key, value)
  }
  put(key: Uint8Array, value: Uint8Array): void {
    this.items.set(hex(key), { key: key.slice(), value: value.slice() })
  }
  delete(key: Uint8Array): void {
    this.items.delete(hex(key))
  }
  all(): Item[] {
    return [...this.items.values()].sort((a, b) => compareBytes(a.key, b.key))
  }
  get(key: Uint8Array): Uint8Array | null {
    return this.items.get(hex(key))?.value.slice() ?? null
  }
  floor(key: Uint8Array, lowest: Uint8Array): Item | null {
    const within = this.scan(lowest, concatBytes(key, new Uint8Array(1)), Infinity)
    return within.at(-1) ?? null
  }
  scan(from: Uint8Array, end: Uint8Array, itemsMax: number): Item[] {
    return this.all()
      .filter(({ key }) => compareBytes(key, from) >= 0 && compareBytes(key, end) < 0)
      .slice(0, itemsMax)
      .map(({ key, value }) => ({ key: key.slice(), value: value.slice() }))
  }
}

let nextAddress = 2000
function record(blocks = 1): PreparedRecord {
  const address = (nextAddress += 8)
  const pointer: BlockPointer = {
    address,
    blocks,
    payloadBytes: blocks * 4096,
    encoding: 'raw',
    sum: new Uint8Array(8).fill(address % 251),
  }
  return { pointer, offset: 0, length: pointer.payloadBytes }
}
const valueWith = (...pointers: BlockPointer[]) => valueHead(pointers, 'xxh3')
const plain = (n: number) => Uint8Array.of(0, n)
const key = (...bytes: number[]) => Uint8Array.from(bytes)
const addresses = (runs: readonly { readonly address: number }[]) =>
  runs.map(({ address }) => address).sort((a, b) => a - b)

describe('operation', () => {
  test('get, floor and scan see the tree with the changes on it', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed)
      // Few different bytes and lengths: neighbours, prefixes and keys that end in 0 are common.
      const anyKey = () => {
        const bytes = new Uint8Array(1 + random.below(3))
        for (let i = 0; i < bytes.length; i++) bytes[i] = [0, 1, 254, 255][random.below(4)]!
        return random.below(12) === 0
          ? concatBytes(bytes, new Uint8Array(keyBytesMax - bytes.length).fill(255))
          : bytes
      }
      const tree = new Sorted(
        Array.from({ length: random.below(40) }, (_, i) => ({ key: anyKey(), value: plain(i) })),
      )
      const model = new Sorted(tree.all())
      const before = tree.all()
      const tx = new OperationTx(tree, facts, new Set())
      for (let step = 0; step < 150; step++) {
        const [a, b] = [anyKey(), anyKey()]
        const action = random.below(5)
        if (action === 0) {
          tx.put(a, plain(step))
          model.put(a, plain(step))
        } else if (action === 1) {
          tx.delete(a)
          model.delete(a)
        } else if (action === 2) expect(tx.get(a)).toEqual(model.get(a))
        else if (action === 3) expect(tx.floor(a, b)).toEqual(model.floor(a, b))
        else {
          const itemsMax = random.below(4) === 0 ? 1000 : random.below(6)
          expect(tx.scan(a, b, itemsMax)).toEqual(model.scan(a, b, itemsMax))
        }
      }
      // Nothing has changed underneath; what is handed over turns the tree into the model.
      expect(tree.all()).toEqual(before)
      const { items } = tx.finish()
      for (let i = 1; i < items.length; i++)
        expect(compareBytes(items[i - 1]!.key, items[i]!.key)).toBeLessThan(0)
      for (const { key: at, value } of items) {
        if (value) tree.put(at, value)
        else {
          expect(tree.get(at)).not.toBeNull()
          tree.delete(at)
        }
      }
      expect(tree.all()).toEqual(model.all())
    }
  })

  test('what comes out is a copy, and what goes in is copied', () => {
    const tx = new OperationTx(new Sorted(), facts, new Set())
    const [at, value] = [key(1, 2), plain(5)]
    tx.put(at, value)
    at.fill(9)
    value.fill(9)
    expect(tx.get(key(1, 2))).toEqual(plain(5))
    tx.get(key(1, 2))!.fill(9)
    const floor = tx.floor(key(5), key(0))!
    floor.value.fill(9)
    floor.key.fill(9)
    const [item] = tx.scan(key(0), key(9), 5)
    item!.value.fill(9)
    item!.key.fill(9)
    expect(tx.scan(key(0), key(9), 5)).toEqual([{ key: key(1, 2), value: plain(5) }])
    expect(tx.finish().items).toMatchObject([{ key: key(1, 2), value: plain(5) }])
  })

  test('records: used when a value names them, freed when none does any more, neither when they move', () => {
    const [old, moved, kept, fresh, spare] = [record(), record(2), record(), record(3), record()]
    const tree = new Sorted([
      { key: key(1), value: valueWith(old.pointer) },
      { key: key(2), value: valueWith(moved.pointer, kept.pointer) },
      { key: key(3), value: plain(1) },
    ])
    const tx = new OperationTx(tree, facts, new Set([fresh, spare]))
    tx.put(key(1), valueWith(tx.use(fresh)))
    tx.use(spare)
    tx.delete(key(2))
    tx.put(key(9), valueWith(moved.pointer))
    tx.put(key(2), valueWith(kept.pointer))
    const change = tx.finish()
    expect(change.isChange).toBe(true)
    expect(change.used).toEqual([fresh])
    expect(addresses(change.freed)).toEqual([old.pointer.address])
    expect(change.replaced[0]).toMatchObject({
      address: fresh.pointer.address,
      was: { address: old.pointer.address },
    })
    expect(change.items.map(({ key: at }) => at[0])).toEqual([1, 2, 9])
  })

  test('the same key several times in a batch: only the last value counts', () => {
    const [old, a, b] = [record(), record(), record()]
    const tree = new Sorted([{ key: key(1), value: valueWith(old.pointer) }])
    const tx = new OperationTx(tree, facts, new Set([a, b]))
    tx.put(key(1), valueWith(tx.use(a)))
    tx.delete(key(1))
    tx.put(key(1), valueWith(tx.use(b)))
    tx.put(key(7), valueWith(a.pointer))
    tx.delete(key(7))
    const change = tx.finish()
    expect(change.items).toMatchObject([{ key: key(1), value: valueWith(b.pointer) }])
    expect(change.used).toEqual([b])
    expect(addresses(change.freed)).toEqual([old.pointer.address])
    expect(change.replaced).toMatchObject([
      { address: b.pointer.address, was: { address: old.pointer.address } },
    ])
  })

  test('one item: a record that stays where it is, one that goes, one that comes; and what no operation may do', () => {
    const [kept, old, fresh] = [record(), record(2), record()]
    const tree = () => new Sorted([{ key: key(1), value: valueWith(kept.pointer, old.pointer) }])
    const tx = new OperationTx(tree(), facts, new Set([fresh]))
    tx.use(fresh)
    tx.put(key(1), valueWith(kept.pointer, tx.use(fresh)))
    expect(tx.finish()).toMatchObject({
      used: [fresh],
      freed: [{ address: old.pointer.address, blocks: 2 }],
      replaced: [{ address: fresh.pointer.address, was: { address: old.pointer.address } }],
    })

    const twice = new OperationTx(tree(), facts, new Set())
    twice.put(key(1), valueWith(kept.pointer, kept.pointer))
    expect(() => twice.finish()).toThrow(/no pointer is in two items/)
    const foreign = new OperationTx(tree(), facts, new Set([fresh]))
    foreign.put(key(1), valueWith(fresh.pointer))
    expect(() => foreign.finish()).toThrow(/comes from a prepared record/)
  })

  test('put and deleted again, or deleted where nothing was: no change, no sequence', () => {
    const tx = new OperationTx(new Sorted(), facts, new Set())
    tx.put(key(1), plain(1))
    tx.delete(key(1))
    tx.delete(key(2))
    tx.setCounter(0, 8)
    tx.setCounter(0, 7)
    expect(tx.finish()).toMatchObject({ isChange: false, items: [], sequence: 40 })
  })

  test('deleting something and putting the old value back keeps its record', () => {
    const old = record()
    const tx = new OperationTx(new Sorted([{ key: key(1), value: valueWith(old.pointer) }]), facts, new Set())
    const value = tx.get(key(1))!
    tx.delete(key(1))
    tx.put(key(1), value)
    expect(tx.finish()).toMatchObject({ freed: [], used: [] })
  })

  test('versions and sequence: each version is new; a change without one still takes its place', () => {
    const tx = new OperationTx(new Sorted(), facts, new Set())
    expect(tx.nextVersion()).toEqual({ epoch: 2, opening: 3, sequence: 41 })
    expect(tx.nextVersion().sequence).toBe(42)
    tx.put(key(1), plain(1))
    expect(tx.finish().sequence).toBe(42)

    const only = new OperationTx(new Sorted(), facts, new Set())
    only.setCounter(3, 5)
    expect(only.counter(3)).toBe(5)
    expect(only.finish()).toMatchObject({ isChange: true, sequence: 41, counters: [7, 0, 0, 5, 0, 0, 0, 0] })

    const unchanged = new OperationTx(new Sorted(), facts, new Set())
    unchanged.nextVersion()
    expect(unchanged.finish()).toMatchObject({ isChange: false, sequence: 40 })

    const hidden = new OperationTx(new Sorted(), { ...facts, isHidden: true }, new Set())
    hidden.put(key(1), plain(1))
    expect(hidden.finish()).toMatchObject({ isChange: true, sequence: 40 })
    expect(() => hidden.nextVersion()).toThrow('no version')
  })

  test('an item too large is refused when it is put', () => {
    const tx = new OperationTx(new Sorted(), facts, new Set())
    tx.put(key(1), new Uint8Array(itemBytesMax - 1))
    for (const [at, bytes] of [
      [key(1), itemBytesMax],
      [new Uint8Array(keyBytesMax + 1), 1],
    ] as const) {
      let thrown: unknown
      try {
        tx.put(at, new Uint8Array(bytes))
      } catch (error) {
        thrown = error
      }
      expect(hasCode(thrown, 'too-large')).toBe(true)
    }
    tx.put(new Uint8Array(keyBytesMax), new Uint8Array(itemBytesMax - keyBytesMax))
    expect(tx.finish().items).toHaveLength(2)
  })

  test('bugs of the caller are noticed before anything is applied', () => {
    const [given, strange] = [record(), record()]
    const make = () => new OperationTx(new Sorted(), facts, new Set([given]))
    expect(() => make().use(strange)).toThrow('that it was given')
    const twice = make()
    twice.put(key(1), valueWith(twice.use(given)))
    twice.put(key(2), valueWith(given.pointer))
    expect(() => twice.finish()).toThrow('in two items')
    const unused = make()
    unused.put(key(1), valueWith(given.pointer))
    expect(() => unused.finish()).toThrow('prepared record')
    const malformed = make()
    malformed.put(key(1), Uint8Array.of(3))
    expect(() => malformed.finish()).toThrow('begins with its pointers')
    expect(() => make().counter(8)).toThrow('counters')
    expect(() => make().setCounter(0, -1)).toThrow('counts')
  })
})
