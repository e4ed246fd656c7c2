import { describe, expect, test } from 'bun:test'
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

/**
 * Pairs of runs by the way in which the second comes from the first, and the bytes that the patches of all pairs have
 * together. A change of the search that makes patches longer or shorter changes a number here, and should do so on
 * purpose.
 */
describe('bytes of patches', () => {
  type Random = ReturnType<typeof seededRandom>
  type Pair = readonly [base: Uint8Array, target: Uint8Array, end?: number | undefined]
  type Shape = (dice: Random, i: number) => Pair
  const filled = (parts: readonly Uint8Array[]): Pair[1] => whole(Buffer.concat(parts))
  /** Lengths around a limit, one for each number. */
  const around = (limit: number, i: number): number => limit + (i % 5) - 2
  const node = (dice: Random, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      key: Uint8Array.of(1, 4 * i),
      value: dice.bytes(20 + dice.below(60)),
    }))

  const shapes: Readonly<Record<string, readonly [number, Shape]>> = {
    'a change in place at a limit of whole blocks': [
      333,
      (dice, i) => {
        const base = dice.bytes(4 * blockBytes)
        return [
          base,
          changed(
            base,
            around([8, 4096, 4104, 8192, 12_288][i % 5]!, Math.floor(i / 5)),
            dice.bytes(1 + (i % 3)),
          ),
        ]
      },
    ],
    'several changes in place': [
      25_269,
      (dice) => {
        const base = dice.bytes(4 * blockBytes)
        let target = base
        for (let n = 0; n < 6; n++)
          target = changed(target, dice.below(16_000), dice.bytes(1 + dice.below(200)))
        return [base, target]
      },
    ],
    'equal parts of 6 to 10 bytes between others': [
      200_149,
      (dice, i) => {
        const base = dice.bytes(2 * blockBytes)
        const target = dice.bytes(2 * blockBytes)
        target.set(base.subarray(0, 3000))
        for (let at = 3000; at < 8000; at += 97) target.set(base.subarray(at, at + around(8, i)), at)
        return [base, target]
      },
    ],
    'nothing in common before a limit, and all of it behind': [
      1_597_533,
      (dice, i) => {
        const at = 8192 - 12 + i
        const base = dice.bytes(12 * blockBytes)
        const target = changed(
          changed(base, 0, dice.bytes(at)),
          12 * blockBytes - 1,
          Uint8Array.of(base.at(-1)! ^ 1),
        )
        target[0] = base[0]! ^ 1
        return [base, target]
      },
    ],
    'the same, with an equal begin, or an equal end': [
      360_358,
      (dice, i) => {
        const base = dice.bytes(12 * blockBytes)
        const target = changed(base, 20, dice.bytes(9000))
        if (i % 2 === 0) target[0] = base[0]! ^ 1
        else target[target.length - 1]! ^= 1
        return [base, target]
      },
    ],
    'the same, with a match before': [
      909_997,
      (dice, i) => {
        const base = dice.bytes(8 * blockBytes)
        const target = dice.bytes(8 * blockBytes)
        target.set(base.subarray(100, 110 + i), 100)
        target.set(base.subarray(20_000, 30_000), 20_000)
        return [base, target]
      },
    ],
    'a part that is put in, or left out': [
      3566,
      (dice, i) => {
        const bytes = dice.bytes(10_000)
        const at = dice.below(9000)
        const by = 1 + dice.below(300)
        const target =
          i % 2 === 0
            ? inserted(bytes, at, dice.bytes(by))
            : Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + by)])
        return [whole(bytes), whole(target), target.length]
      },
    ],
    'parts in another order': [
      1474,
      (dice) => {
        const parts = Array.from({ length: 8 }, () => dice.bytes(700 + dice.below(500)))
        const other = parts.map((_, n) => parts[(n * 3) % 8]!)
        return [filled(parts), filled([dice.bytes(3), ...other]).subarray(0, 2 * blockBytes)]
      },
    ],
    'short parts far between': [
      131_501,
      (dice) => {
        const base = dice.bytes(2 * blockBytes)
        const parts = Array.from({ length: 12 }, () => {
          const from = 8 * dice.below(900)
          return Buffer.concat([dice.bytes(dice.below(500)), base.subarray(from, from + 12 + dice.below(40))])
        })
        return [base, filled([dice.bytes(2), ...parts])]
      },
    ],
    'zeros of 6 to 10 bytes, and more': [
      26_933,
      (dice, i) => {
        const parts = Array.from({ length: 20 }, (_, n) =>
          Buffer.concat([
            dice.bytes(30).map((each) => each | 1),
            new Uint8Array(n % 3 === 0 ? 100 : around(8, i)),
          ]),
        )
        const target = filled(parts)
        return [
          i % 2 === 0 ? new Uint8Array(0) : dice.bytes(2 * blockBytes),
          target,
          i % 3 === 0 ? Buffer.concat(parts).length : undefined,
        ]
      },
    ],
    'zeros where the base has zeros, too': [
      1189,
      (dice, i) => {
        const base = dice.bytes(2 * blockBytes)
        base.fill(0, 3000, 3400)
        const target = inserted(base.subarray(0, 8000), 1000, dice.bytes(1 + i))
        return [base, whole(target), target.length]
      },
    ],
    'ends of zeros in one, the other, or both': [
      49_975,
      (dice, i) => {
        const [a, b] = [
          [100, 4000],
          [4096, 4096],
          [4090, 300],
          [5000, 8192],
          [8192, 5000],
          [8000, 7000],
        ][i % 6]!
        const bytes = dice.bytes(8192).map((each) => each | 1)
        const base = filled([bytes.subarray(0, a)])
        const target = filled([bytes.subarray(0, b)])
        return [base, changed(target, b! >> 1, dice.bytes(2)), i % 4 === 0 ? target.length : b]
      },
    ],
    'a block from two, and two from a block': [
      83_353,
      (dice, i) => {
        const two = dice.bytes(2 * blockBytes)
        const from = dice.below(4000)
        const one = changed(two.slice(from, from + blockBytes), 100, dice.bytes(5))
        return i % 2 === 0 ? [two, one] : [one, two]
      },
    ],
    'a middle of another length around 64 KiB': [
      1_050_032,
      (dice, i) => {
        const middle = around(64 * 1024, i)
        const part = dice.bytes(middle - 40)
        const [begin, end] = [dice.bytes(500), dice.bytes(300)]
        const base = Buffer.concat([begin, Uint8Array.of(1), part, Uint8Array.of(1), end])
        const target = Buffer.concat([begin, Uint8Array.of(2), dice.bytes(38), part, Uint8Array.of(2), end])
        return [whole(base), whole(target), target.length]
      },
    ],
    'begins and ends of equal length around what is unrelated': [
      360_400,
      (dice, i) => {
        const base = dice.bytes(8 * blockBytes)
        const target = changed(base, 20, dice.bytes(9000))
        const end = base.length - around(20, i)
        for (const at of [20, 9019, end - 1]) target[at] = base[at]! ^ 1
        return [base, target]
      },
    ],
    'one block and two with an equal end': [
      162_180,
      (dice, i) => {
        const [begin, end] = [dice.bytes(blockBytes + 2000), dice.bytes(2096)]
        const one = Buffer.concat([dice.bytes(2000), end])
        const two = Buffer.concat([begin, end])
        return i % 2 === 0 ? [one, two] : [two, one]
      },
    ],
    'the same bytes over and over': [
      1620,
      (dice, i) => {
        const part = dice.bytes(50 + i)
        const times = (n: number) => Buffer.concat(Array.from({ length: n }, () => part))
        const target = times(i % 2 === 0 ? 59 : 61)
        return [whole(times(60)), whole(target), target.length]
      },
    ],
    'zeros in the second where the first has ended': [
      2882,
      (dice, i) => {
        const bytes = dice.bytes(3000 + i).map((each) => each | 1)
        const target = Buffer.concat([
          bytes,
          new Uint8Array(2 * i),
          dice.bytes(100),
          new Uint8Array(i),
          bytes.subarray(-30),
        ])
        return i % 2 === 0
          ? [whole(bytes), whole(target), target.length]
          : [whole(target), whole(bytes), bytes.length]
      },
    ],
    'only the first chunk of the base, or only the last': [
      162_373,
      (dice, i) => {
        const base = dice.bytes(2 * blockBytes)
        const part = i % 2 === 0 ? base.subarray(0, 6 + (i % 8)) : base.subarray(-6 - (i % 8))
        const target = Buffer.concat([dice.bytes(50), part, dice.bytes(4000)])
        return [base, whole(target), target.length]
      },
    ],
    'a chunk of the base at the very end': [
      163_960,
      (dice, i) => {
        const base = dice.bytes(blockBytes)
        const at = 8 * dice.below(500)
        const target = Buffer.concat([
          dice.bytes(blockBytes - 6 - (i % 5)),
          base.subarray(at, at + 6 + (i % 5)),
        ])
        return [base, target]
      },
    ],
    'zeros at the end of a block, where the base has others': [
      304,
      (dice, i) => {
        const base = dice.bytes(blockBytes).map((each) => each | 1)
        const target = changed(base, 0, Uint8Array.of(base[0]! ^ 2)).fill(0, blockBytes - around(8, i))
        return [base, target]
      },
    ],
    'a part that is put in, and behind it a byte that differs every now and then': [
      32_313,
      (dice, i) => {
        const base = dice.bytes(blockBytes)
        const target = inserted(base, 500, dice.bytes(1 + i)).subarray(0, blockBytes)
        const other = Uint8Array.from(target)
        for (let at = 600 + i; at < blockBytes; at += 12 + (i % 4)) other[at]! ^= 1
        return [base, other]
      },
    ],
    'nodes of which items change, come and go': [
      2976,
      (dice, i) => {
        const items = node(dice, 30)
        const at = dice.below(30)
        const other = { key: Uint8Array.of(1, 4 * at + 1), value: dice.bytes(dice.below(80)) }
        const list = [
          items.with(at, { ...other, key: items[at]!.key }),
          items.toSpliced(at + 1, 0, other),
          items.toSpliced(at, 1),
        ][i % 3]!
        return [encodeNode(0, items), encodeNode(0, list)]
      },
    ],
  }

  test.each(Object.entries(shapes))('%s', (_name, [expected, shape]) => {
    const dice = seededRandom(43)
    let bytes = 0
    for (let i = 0; i < 40; i++) {
      const [base, target, end = target.length] = shape(dice, i)
      const patch = findPatch(base, target, end, target.length + 100)
      expect(Buffer.compare(applyPatch(patch!, base, target.length), target)).toBe(0)
      bytes += patch!.length
    }
    expect(bytes).toBe(expected)
  })
})
