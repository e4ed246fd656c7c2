import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { compareBytes, encodeUtf8 } from '../../../src/lib/bytes.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { itemBytesMax, keyBytesMax } from '../../../src/format/geometry.ts'
import type { EncodedNode, SealedTree } from '../../../src/cp-engine/tree/sealed-tree.ts'
import { Model, type Pairs, TreeHarness, tinyCache } from './tree-harness.ts'

/** Keys that share long prefixes, and some that are prefixes of others. */
const key = fc.oneof(
  fc.nat(2000).map((n) => encodeUtf8(`dir/${String(n).padStart(6, '0')}`)),
  fc.nat(60).map((n) => new Uint8Array(1 + (n % 20)).fill(n % 3)),
  fc.uint8Array({ minLength: 1, maxLength: 4 }),
  fc.nat(300).map((n) =>
    new Uint8Array(keyBytesMax)
      .fill(7)
      .with(keyBytesMax - 2, n >> 4)
      .with(200, n % 16),
  ),
)
const length = fc.oneof(fc.nat(60), fc.nat(itemBytesMax - keyBytesMax))
const operation = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('put' as const), key, length, byte: fc.nat(255) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('bulk' as const),
      from: fc.nat(1900),
      count: fc.nat(150),
      length,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('clear' as const), from: fc.nat(1900), count: fc.nat(400) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('floor' as const), key, lowest: key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('scan' as const), key, end: key, max: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cp' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('seal' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('encode' as const), count: fc.nat(12) }) },
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

const numbered = (n: number) => encodeUtf8(`dir/${String(n).padStart(6, '0')}`)

interface Encoding {
  readonly tree: SealedTree
  readonly rest: Generator<EncodedNode>
  readonly want: string
}

async function runModel(operations: readonly Operation[]): Promise<void> {
  const h = new TreeHarness(tinyCache)
  const model = new Model()
  let sealed: Encoding | null = null
  const snapshot = () =>
    model
      .sorted()
      .map(([k, v]) => `${k.toHex()}=${v.toHex()}`)
      .join()
  const finish = async (): Promise<void> => {
    if (!sealed) return
    await h.publish(sealed.tree, sealed.rest)
    const contents = await h.contents()
    expect(contents.map(([k, v]) => `${k.toHex()}=${v.toHex()}`).join()).toBe(sealed.want)
    h.check()
    sealed = null
  }
  const begin = () => {
    const tree = h.seal()
    sealed = { tree, rest: tree.encode(), want: snapshot() }
  }
  const put = async (k: Uint8Array, v: Uint8Array) => {
    const worst = h.tree.nodesWorstCase(1)
    const before = h.allocated
    await h.put(k, v)
    expect(h.allocated - before).toBeLessThanOrEqual(worst)
    model.put(k, v)
  }
  for (const op of operations) {
    if (op.kind === 'put') await put(op.key, new Uint8Array(op.length).fill(op.byte))
    else if (op.kind === 'delete') expect(await h.delete(op.key)).toBe(model.delete(op.key))
    else if (op.kind === 'bulk') {
      for (let i = 0; i < op.count; i++) await put(numbered(op.from + i), new Uint8Array(op.length).fill(i))
    } else if (op.kind === 'clear') {
      for (let i = 0; i < op.count; i++) {
        expect(await h.delete(numbered(op.from + i))).toBe(model.delete(numbered(op.from + i)))
      }
    } else if (op.kind === 'floor') {
      const best = model
        .sorted()
        .filter(([k]) => compareBytes(k, op.key) <= 0 && compareBytes(k, op.lowest) >= 0)
        .at(-1)
      const got = await h.with(() => h.tree.reader.floor(op.key, op.lowest))
      expect(got && [got.key, got.value]).toEqual(best ?? null)
    } else if (op.kind === 'scan') {
      const want = model
        .sorted()
        .filter(([k]) => compareBytes(k, op.key) >= 0 && compareBytes(k, op.end) < 0)
        .slice(0, op.max)
      const got = await h.with(() => h.tree.reader.scan(op.key, op.end, op.max))
      expect(got.map((item) => [item.key, item.value])).toEqual(want)
    } else if (op.kind === 'encode') {
      const rest = (sealed as Encoding | null)?.rest
      if (!rest) continue
      for (let i = 0; i < op.count; i++) {
        const next = rest.next()
        if (next.done) break
        await h.device.write([next.value])
      }
    } else {
      await finish()
      begin()
      if (op.kind === 'cp') await finish()
    }
    for (const k of [numbered(1000), numbered(7)]) {
      expect(await h.with(() => h.tree.reader.get(k))).toEqual(model.get(k))
    }
  }
  await finish()
  begin()
  await finish()
  // Everything that was allocated and not freed is in the tree, and nothing else.
  expect(h.check()).toEqual(h.used)
  expect(h.cache.framesUsed).toBeLessThan(16 + 24 + 2 * h.used.size + 64)
}

/** Long keys and values: four items a leaf and a dozen children make a deep tree of few items. */
async function runDeep(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const h = new TreeHarness(tinyCache)
  const model = new Model()
  const keyOf = (n: number) => {
    const k = new Uint8Array(keyBytesMax).fill(9)
    k[seed % 2 === 0 ? 0 : keyBytesMax - 2] = n >> 8
    k[keyBytesMax - 1] = n
    return k
  }
  let sealed: SealedTree | null = null
  let rest: Generator<EncodedNode> | null = null
  let want: Pairs = []
  let deepest = 0
  for (let step = 0; step < 1500; step++) {
    const growing = Math.floor(step / 500) !== 1
    const n = random.below(700)
    const many = random.below(6) === 0 ? 60 : 1
    for (let i = n; i < n + many; i++) {
      const value = random.bytes(300 + random.below(itemBytesMax - keyBytesMax - 300))
      if ((random.below(4) !== 0) === growing) {
        await h.put(keyOf(i), value)
        model.put(keyOf(i), value)
      } else expect(await h.delete(keyOf(i))).toBe(model.delete(keyOf(i)))
    }
    deepest = Math.max(deepest, h.tree.root().level)
    const lowest = keyOf(Math.max(0, n - random.below(12)))
    const floor = await h.with(() => h.tree.reader.floor(keyOf(n), lowest))
    let best: Uint8Array | null = null
    for (let i = n; i >= 0 && !best && compareBytes(keyOf(i), lowest) >= 0; i--) best = model.get(keyOf(i))
    expect(floor?.value ?? null).toEqual(best)
    const next = random.below(8)
    if (next === 0 && !sealed) {
      sealed = h.seal()
      rest = sealed.encode()
      want = model.sorted()
    } else if (next === 1 && sealed && rest) {
      await h.publish(sealed, rest)
      if (random.below(5) === 0) expect(await h.contents()).toEqual(want)
      sealed = null
    } else if (next < 5 && rest) {
      const node = rest.next()
      if (!node.done) await h.device.write([node.value])
    }
  }
  if (sealed && rest) await h.publish(sealed, rest)
  await h.cp()
  expect(h.check()).toEqual(h.used)
  expect(await h.contents()).toEqual(model.sorted())
  expect(deepest).toBeGreaterThanOrEqual(seed % 2 === 0 ? 2 : 3)
}

describe('tree', () => {
  test('is a sorted map, through seals, encoding and eviction at any moment', async () => {
    await fc.assert(fc.asyncProperty(fc.array(operation, { maxLength: 60 }), runModel), { numRuns: 80 })
  }, 60_000)

  test('stays one with deep trees, whose nodes leave memory as soon as they may', async () => {
    for (let seed = 1; seed <= 6; seed++) await runDeep(seed)
  }, 60_000)

  test('a hundred changes at once stay within their worst case', async () => {
    const random = seededRandom(3)
    const h = new TreeHarness({ bytesMax: 2 ** 26, slackBytes: 2 ** 27 })
    for (let round = 0; round < 60; round++) {
      const count = 1 + random.below(200)
      const keys = Array.from({ length: count }, (_, i) =>
        round % 3 === 0 ? numbered(round * 1000 + i) : random.bytes(1 + random.below(keyBytesMax)),
      )
      const worst = h.tree.nodesWorstCase(count)
      const before = h.allocated
      for (const k of keys) await h.put(k, random.bytes(random.below(itemBytesMax - k.length + 1)))
      expect(h.allocated - before).toBeLessThanOrEqual(worst)
      await h.cp()
      expect(h.check()).toEqual(h.used)
    }
  })

  test('deletions allocate no more than the ways to them', async () => {
    const random = seededRandom(4)
    const h = new TreeHarness({ bytesMax: 2 ** 26, slackBytes: 2 ** 27 })
    const count = 6000
    for (let i = 0; i < count; i++) await h.put(numbered(i), random.bytes(100))
    for (let round = 0; round < 20; round++) {
      await h.cp()
      const keys = Array.from({ length: 250 }, () => numbered(random.below(count)))
      const worst = h.tree.nodesWorstCase(keys.length, 0)
      expect(worst).toBeLessThan(h.tree.nodesWorstCase(keys.length) / 2)
      const before = h.allocated
      for (const k of keys) await h.delete(k)
      expect(h.allocated - before).toBeLessThanOrEqual(worst)
    }
    await h.cp()
    expect(h.check()).toEqual(h.used)
  })

  test('ascending inserts leave full nodes, also in the middle and into several directories at once', async () => {
    const h = new TreeHarness({ bytesMax: 2 ** 26, slackBytes: 2 ** 27 })
    const value = new Uint8Array(90)
    for (let i = 0; i < 5000; i++) {
      for (const directory of ['a', 'b', 'c']) {
        await h.put(encodeUtf8(`${directory}/${String(i).padStart(6, '0')}`), value)
      }
    }
    await h.cp()
    const bytes = 15_000 * (90 + 8 + 6)
    expect((h.used.size * 4096) / bytes).toBeLessThan(1.1)
    for (let i = 0; i < 5000; i++) await h.delete(encodeUtf8(`b/${String(i).padStart(6, '0')}`))
    await h.cp()
    expect(h.check()).toEqual(h.used)
    expect((h.used.size * 4096) / bytes).toBeLessThan(0.8)
    for (const [k] of await h.contents()) await h.delete(k)
    await h.cp()
    expect(h.used.size).toBe(0)
    expect(h.published.pointer.address).toBe(0)
  })

  test('a value that is the same dirties nothing; a CP without changes keeps its root', async () => {
    const h = new TreeHarness(tinyCache)
    await h.put(numbered(1), encodeUtf8('x'))
    await h.cp()
    const root = h.published
    await h.put(numbered(1), encodeUtf8('x'))
    expect(await h.delete(numbered(2))).toBe(false)
    expect(h.tree.dirtyNodes).toBe(0)
    await h.cp()
    await h.cp()
    expect(h.published).toEqual(root)
    expect(await h.with(() => h.tree.reader.get(numbered(1)))).toEqual(encodeUtf8('x'))
  })
})
