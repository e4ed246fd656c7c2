import { expect, test } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { applyPatch } from '../../../src/format/wire/patch-codec.ts'
import { encodeNode } from '../../../src/format/disk/tree-node.ts'
import { findPatch } from '../../../src/replica/primary/patch-finder.ts'

const random = seededRandom(41)

/** How long the patch is, after it has been tried; null for none. */
function lengthOf(base: Uint8Array, target: Uint8Array, end = target.length): number | null {
  const patch = findPatch(base, target, end, Math.floor(target.length * 0.75))
  if (!patch) return null
  expect(Buffer.compare(applyPatch(patch, base, target.length), target)).toBe(0)
  return patch.length
}

const whole = (bytes: Uint8Array): Uint8Array => {
  const blocks = new Uint8Array(Math.ceil(bytes.length / blockBytes) * blockBytes)
  blocks.set(bytes)
  return blocks
}
const changed = (bytes: Uint8Array, at: number, by: Uint8Array): Uint8Array => {
  const copy = bytes.slice()
  copy.set(by, at)
  return copy
}
const inserted = (bytes: Uint8Array, at: number, more: Uint8Array): Uint8Array =>
  Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])

const record = random.bytes(60_000)

test('a change in place costs what changed', () => {
  const base = whole(record)
  expect(lengthOf(base, changed(base, 40_000, random.bytes(1)), 60_000)).toBeLessThan(16)
  expect(lengthOf(base, changed(base, 12_345, random.bytes(4096)), 60_000)).toBeLessThan(4096 + 16)
  const twice = changed(changed(base, 100, random.bytes(50)), 50_000, random.bytes(50))
  expect(lengthOf(base, twice, 60_000)).toBeLessThan(140)
  expect(lengthOf(base, base, 60_000)).toBeLessThan(16)
})

test('so does what moves the rest', () => {
  const longer = inserted(record, 20_000, random.bytes(100))
  expect(lengthOf(whole(record), whole(longer), longer.length)).toBeLessThan(130)
  const again = inserted(longer, 50_000, random.bytes(10))
  expect(lengthOf(whole(record), whole(again), again.length)).toBeLessThan(170)
  const shorter = record.subarray(0, 30_000)
  expect(lengthOf(whole(record), whole(shorter), shorter.length)).toBeLessThan(16)
})

test('what has nothing in common is no patch, and what is short needs no base', () => {
  expect(lengthOf(whole(record), random.bytes(65_536))).toBeNull()
  expect(lengthOf(new Uint8Array(0), whole(random.bytes(300)), 300)).toBeLessThan(310)
  expect(lengthOf(new Uint8Array(0), random.bytes(blockBytes))).toBeNull()
})

test('an address block in which an item changes, comes or goes', () => {
  const item = (i: number) => ({ key: Uint8Array.of(1, i), value: random.bytes(90) })
  const items = Array.from({ length: 30 }, (_, i) => item(2 * i))
  const node = (list: typeof items) => encodeNode(0, list)
  const one = items.map((each, i) => (i === 9 ? item(18) : each))
  expect(lengthOf(node(items), node(one))).toBeLessThan(110)
  expect(lengthOf(node(items), node(items.toSpliced(12, 0, item(23))))).toBeLessThan(220)
  expect(lengthOf(node(items), node(items.toSpliced(12, 1)))).toBeLessThan(120)
  expect(lengthOf(node(items), node(items.slice(15)))).toBeLessThan(120)
})

test('any two runs: the patch makes the one of the other', () => {
  for (let i = 0; i < 400; i++) {
    const base = whole(random.bytes(1 + random.below(3 * blockBytes)))
    let made: Uint8Array = base.slice()
    for (let n = random.below(6); n > 0; n--) {
      const at = random.below(made.length)
      const part = random.below(3) === 0 ? new Uint8Array(random.below(300)) : random.bytes(random.below(300))
      made =
        random.below(2) === 0
          ? inserted(made, at, part)
          : Buffer.concat([made.subarray(0, at), made.subarray(at + part.length)])
    }
    made = made.subarray(0, 4 * blockBytes)
    if (made.length > 0) lengthOf(random.below(5) === 0 ? new Uint8Array(0) : base, whole(made), made.length)
  }
})
