/** Every kind of damage to the items is found. The items are those of a volume; one at a time is changed. */
import { describe, expect, test } from 'bun:test'
import { concatBytes, equalBytes } from '../../../src/lib/bytes.ts'
import { valuePointers } from '../../../src/format/pointer.ts'
import { encodeEntryExtra, noExtra } from '../../../src/format/items/entry-extra.ts'
import { nameProblem, parsePlainPath } from '../../../src/fs/paths.ts'
import type { Item } from '../../../src/cp-engine/contract.ts'
import * as items from '../../../src/format/items/items.ts'
import * as keys from '../../../src/format/items/item-keys.ts'
import { counters } from '../../../src/fs/tree/counters.ts'
import { ItemCheck } from '../../../src/fs/tree/item-check.ts'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { place, valueOf } from '../fake-items.ts'
import { RealVolume } from '../real-volume.ts'
import { findPlace } from '../../../src/fs/tree/entries.ts'
import { textsOf } from '../../texts.ts'
import { FakeVolume, bytesOf, checkItems, p } from '../volume.ts'
import { damages, entry, object, sample, versioned } from './item-damages.ts'

/** All problems that the tests of this file have brought about. */
const seen: string[] = []

test('a sound volume has no findings', async () => {
  const { list, root } = await sample()
  const report = checkItems(list, root)
  expect(report).toMatchObject({
    problems: [],
    problemCount: 0,
    orphans: 1,
    counts: { files: 2, directories: 2, links: 1, fileBytes: 200_100 },
  })
})

describe('names that no client can have given are found, with the path', () => {
  const names: Record<string, string> = {
    '.': 'is "." or ".."',
    '..': 'is "." or ".."',
    'a/': 'contains a slash',
    '/': 'contains a slash',
    'a/b': 'contains a slash',
    'x\u0085': 'control character',
  }
  for (const [name, why] of Object.entries(names))
    test(JSON.stringify(name), async () => {
      const { list, root } = await sample()
      const value = items.encodeEntryItem({ ...entry(list, 1, 'link').item }, 'xxh3')
      place(list, keys.entryKey(3, encodeUtf8(name)), value)
      root.counters[counters.links]!++
      const text = `a name that no client can have given: a segment`
      const { problems } = checkItems(list, root)
      seen.push(...problems)
      expect(problems).toHaveLength(1)
      expect(problems[0]).toStartWith(text)
      expect(problems[0]).toContain(why)
      expect(problems[0]).toEndWith(JSON.stringify(`d/e/${name}`))
    })

  test('as the parser of paths refuses them', () => {
    for (const name of [
      ...Object.keys(names),
      '',
      'ok',
      'x'.repeat(255),
      'x'.repeat(256),
      'ä'.repeat(127),
      'ä'.repeat(128),
      '\ud800',
    ])
      expect([name, nameProblem(name) === null]).toEqual([name, isAccepted(name)])
  })

  test('nor can a key have control characters, no name, or a long one', async () => {
    const odd = [[0x61, 0], [0x7f], [], Array.from({ length: 256 }, () => 0x61)]
    for (const name of odd) {
      const { list, root } = await sample()
      const key = concatBytes(keys.entryKey(3, Uint8Array.of(1)).subarray(0, 9), Uint8Array.from(name))
      place(list, key, valueOf(list, entry(list, 1, 'link').key))
      expect(checkItems(list, root).problems.join()).toMatch(/key: name is not a name: "d\/e\//)
    }
  })
})

function isAccepted(name: string): boolean {
  try {
    return parsePlainPath(name).length === 1
  } catch {
    return false
  }
}

describe('what records hold is compared with their items', () => {
  const findings = async (spoil: (item: Item, index: number, bytes: Uint8Array) => Uint8Array) => {
    const volume = new FakeVolume({ cutPercent: 0, missPercent: 0 })
    await volume.files.putFile(p('d/small'), bytesOf(100), { meta: { long: 'x'.repeat(1500) } })
    await volume.files.putFile(p('d/large'), bytesOf(200_000), {})
    await volume.files.putLink(p('d/link'), 'y'.repeat(900), {})
    const check = new ItemCheck(volume.openRoot())
    for (const item of volume.engine.items) {
      const records = valuePointers(item.value, 'xxh3')!.map((pointer, i) =>
        spoil(item, i, volume.engine['blocks'].read(pointer)),
      )
      check.add(item, records)
    }
    await volume.close()
    return check.finish().problems
  }
  const isEntry = (item: Item, name: string) => Buffer.from(item.key).includes(name) && item.key[0] === 1
  const target = (text: string) => encodeEntryExtra({ ...noExtra, target: text })

  test('sound', async () => expect(await findings((_, __, bytes) => bytes)).toEqual([]))

  type Spoiled = [RegExp, (item: Item, index: number, bytes: Uint8Array) => Uint8Array]
  const spoiled: Record<string, Spoiled> = {
    'content that is longer than its file': [
      /^a file of 100 bytes has 101: "d\/small"$/,
      (item, i, bytes) => (isEntry(item, 'small') && i === 0 ? bytesOf(101) : bytes),
    ],
    'an extra that is none': [
      /^entry extra: kind is \d+: "d\/small"$/,
      (item, i, bytes) => (isEntry(item, 'small') && i === 1 ? bytesOf(50) : bytes),
    ],
    'a target of what is no link': [
      /^a link has a target, and nothing else has: "d\/small"$/,
      (item, i, bytes) => (isEntry(item, 'small') && i === 1 ? target('z') : bytes),
    ],
    'a target of another length': [
      /^a link of 900 bytes has a target of 1: "d\/link"$/,
      (item, _, bytes) => (isEntry(item, 'link') ? target('z') : bytes),
    ],
    ...Object.fromEntries(
      [0, 1, 2, 3].map((n) => [
        `record ${n} of another length`,
        [
          new RegExp(`^a record of object 3 at ${n * 65_536} has 7 bytes, its item says \\d+: "d/large"$`),
          (item, _, bytes) => (item.key[0] === 2 && item.key[14] === n ? bytesOf(7) : bytes),
        ] satisfies Spoiled,
      ]),
    ),
  }
  for (const [title, [expected, spoil]] of Object.entries(spoiled))
    test(title, async () => {
      const problems = await findings(spoil)
      seen.push(...problems)
      expect(problems).toHaveLength(1)
      expect(problems[0]).toMatch(expected)
    })
})

describe('found', () => {
  for (const [title, [expected, damage]] of Object.entries(damages))
    test(title, async () => {
      const { list, root } = await sample()
      damage(list, root)
      const { problems, problemCount } = checkItems(list, root)
      seen.push(...problems)
      expect(problems.toSorted()).toEqual(expected.toSorted())
      expect(problemCount).toBe(problems.length)
    })
})

test('no text of the check is left out', async () => {
  const texts = await textsOf('src/fs/tree/item-check.ts')
  expect(texts.length).toBeGreaterThan(20)
  expect(texts.filter(({ pattern }) => !seen.some((problem) => pattern.test(problem)))).toEqual([])
})

test('so many problems are described, and all are counted', async () => {
  const { list, root } = await sample()
  const { value } = list.find(({ key }) => keys.decodeKey(key).kind === 'setting')!
  for (let n = 0; n < 150; n++)
    place(list, Uint8Array.of(6, 0x61, 0x20, 0x61 + (n >> 4), 0x61 + (n & 15)), value)
  const { problems, problemCount } = checkItems(list, root)
  expect([problems.length, problemCount]).toEqual([100, 150])
})

test('behind a tail everything may lie', async () => {
  const { list, root } = await sample()
  const shorter = items.encodeEntryItem({ ...entry(list, 1, 'large').item, size: 100_000 }, 'xxh3')
  place(list, entry(list, 1, 'large').key, shorter)
  place(list, keys.objectKey(2), object(1, 100_000))
  root.counters[counters.fileBytes] = 100_100
  const before = checkItems(list, root)
  expect(before.problems.join()).toMatch(/at 65536 lies behind/)
  place(list, keys.recordKey(2, 65_536), null)
  place(list, keys.orphanKey(2), items.encodeOrphanItem({ kind: 'tail', id: 2, offset: 100_000 }))
  expect(checkItems(list, root).problems).toEqual([])
  expect(list.some(({ key }) => equalBytes(key, keys.recordKey(2, 131_072)))).toBe(true)
})

test('on the engine: a name, a version and an extra of a record that are wrong are found on the disk', async () => {
  const volume = await RealVolume.create({ seed: 6 })
  await volume.files.putFile(p('d/f'), bytesOf(10), { meta: { long: 'x'.repeat(1500) } })
  expect(await volume.check()).toEqual([])
  const records = await volume.engine.prepare(bytesOf(1000))
  await volume.engine.run(
    (tx) => {
      const { directory, entry: file } = findPlace(tx, 'xxh3', p('d/f'))
      const broken = { ...file!, extra: { inline: null, record: tx.use(records[0]!) } }
      tx.put(keys.entryKeyOf(directory, 'f'), items.encodeEntryItem(broken, 'xxh3'))
      const late = versioned({ ...file!, extra: items.inlineExtra(noExtra), content: null }, { opening: 77 })
      tx.put(keys.entryKeyOf(directory, '..'), items.encodeEntryItem(late, 'xxh3'))
      tx.setCounter(counters.files, 2)
      tx.setCounter(counters.fileBytes, 20)
    },
    { records },
  )
  const found = (await volume.check()).toSorted().map((text) => text.replace(/0-\d+-\d+/g, 'V'))
  expect([...new Set(found)]).toEqual([
    'a name that no client can have given: a segment is "." or "..": "d/.."',
    `entry extra: kind is ${bytesOf(1)[0]}: "d/f"`,
    'version V is above the root\'s V: "d/.."',
  ])
  await volume.close()
})
