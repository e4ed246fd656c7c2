/** Every kind of damage to the items is found. The items are those of a volume; one at a time is changed. */
import { describe, expect, test } from 'bun:test'
import { concatBytes, equalBytes } from '../../../src/lib/bytes.ts'
import { blockPointerBytes, valuePointers } from '../../../src/format/pointer.ts'
import { encodeEntryExtra, noExtra } from '../../../src/format/items/entry-extra.ts'
import { nameProblem, parsePlainPath } from '../../../src/fs/paths.ts'
import type { Item } from '../../../src/cp-engine/contract.ts'
import * as items from '../../../src/format/items/items.ts'
import * as keys from '../../../src/format/items/item-keys.ts'
import { counters } from '../../../src/fs/tree/counters.ts'
import { type CheckedRoot, ItemCheck } from '../../../src/fs/tree/item-check.ts'
import { encodeDirectoryItem } from '../../../src/format/items/directory-item.ts'
import { encodeSettingItem } from '../../../src/format/items/setting-item.ts'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { place, valueOf } from '../fake-items.ts'
import { RealVolume } from '../real-volume.ts'
import { findPlace } from '../../../src/fs/tree/entries.ts'
import { FakeVolume, bytesOf, checkItems, p } from '../volume.ts'

type Facts = CheckedRoot & { counters: number[] }

async function sample(): Promise<{ list: Item[]; root: Facts }> {
  const volume = new FakeVolume({ cutPercent: 0, missPercent: 0 })
  await volume.files.close()
  await volume.files.putFile(p('small'), bytesOf(100), {}) // no id
  await volume.files.putFile(p('large'), bytesOf(200_000), {}) // object 2
  await volume.files.makeDirectory(p('d/e'), {}) // directories 4 and 3
  await volume.files.putFile(p('gone'), bytesOf(1_000_000), {}) // object 5
  await volume.files.deleteFile(p('gone'))
  await volume.files.putLink(p('link'), 'x', {})
  await volume.files.changeSettings((settings) => settings.put('s', bytesOf(3)))
  const root = volume.openRoot()
  return { list: volume.engine.items, root: { ...root, counters: [...root.counters] } }
}

const entry = (list: Item[], directory: number, name: string) => {
  const key = keys.entryKey(directory, new TextEncoder().encode(name))
  return { key, item: items.decodeEntryItem(valueOf(list, key)!, 'xxh3') }
}
const object = (entries: number, size: number) =>
  items.encodeObjectItem({ entries, size, span: 65_536, base: 0 })

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

const own = (parent: number, name: string) => encodeDirectoryItem({ parent, name })
const versioned = (item: items.EntryItem, version: Partial<items.EntryVersion>): items.EntryItem => ({
  ...item,
  version: { ...item.version, ...version },
})

function change(list: Item[], name: string, by: (item: items.EntryItem) => items.EntryItem): void {
  const { key, item } = entry(list, 1, name)
  place(list, key, items.encodeEntryItem(by(item), 'xxh3'))
}

/** One byte of the body of an entry with one pointer. */
function poke(list: Item[], name: string, at: number, byte: number): void {
  const { key } = entry(list, 1, name)
  place(list, key, valueOf(list, key)!.with(1 + blockPointerBytes('xxh3') + at, byte))
}

function append(list: Item[], name: string, bytes: readonly number[]): void {
  const { key } = entry(list, 1, name)
  place(list, key, concatBytes(valueOf(list, key)!, Uint8Array.from(bytes)))
}

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

  const spoiled: Record<string, [RegExp, (item: Item, index: number, bytes: Uint8Array) => Uint8Array]> = {
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
    'a record of another length': [
      /^a record of object 3 at 65536 has 7 bytes, its item says 65536: "d\/large"$/,
      (item, _, bytes) => (item.key[0] === 2 && item.key[14] === 1 ? bytesOf(7) : bytes),
    ],
  }
  for (const [title, [expected, spoil]] of Object.entries(spoiled))
    test(title, async () => {
      const problems = await findings(spoil)
      expect(problems).toHaveLength(1)
      expect(problems[0]).toMatch(expected)
    })
})

describe('found', () => {
  const damages: Record<string, [expected: RegExp, (list: Item[], root: Facts) => void]> = {
    'a counter': [
      /counter of files is 7, there are 2/,
      (_, root) => void (root.counters[counters.files] = 7),
    ],
    'an id that is given again': [/next id is 3/, (_, root) => void (root.counters[counters.nextId] = 3)],
    'an object without entries': [
      /counts 3 entries .* there are 1/,
      (list) => place(list, keys.objectKey(2), object(3, 200_000)),
    ],
    'another size': [
      /of 7 bytes, there are 1 of 200000/,
      (list) => place(list, keys.objectKey(2), object(1, 7)),
    ],
    'a missing object': [
      /object 2 is named by 1 entries and missing/,
      (list) => place(list, keys.objectKey(2), null),
    ],
    'a forgotten object': [/neither an entry nor an orphan/, (list) => place(list, keys.orphanKey(5), null)],
    'records of nothing': [
      /records of object 5, which is missing/,
      (list) => place(list, keys.objectKey(5), null),
    ],
    'a record behind the end': [
      /at 327680 lies behind the end/,
      (list) => place(list, keys.recordKey(2, 327_680), valueOf(list, keys.recordKey(2, 0))),
    ],
    'overlapping records': [
      /at 32768 overlaps/,
      (list) => {
        const { pointer } = items.decodeRecordItem(valueOf(list, keys.recordKey(2, 196_608))!, 'xxh3')
        const small = items.encodeRecordItem({ pointer, span: 4096, rawBytes: pointer.payloadBytes }, 'xxh3')
        place(list, keys.recordKey(2, 32_768), small)
      },
    ],
    'a record that lies across': [
      /does not lie at a multiple of 65536/,
      (list) => {
        const value = valueOf(list, keys.recordKey(2, 65_536))
        place(list, keys.recordKey(2, 65_536), null)
        place(list, keys.recordKey(2, 65_537), value)
      },
    ],
    'a directory with two names': [
      /directory 3 has a second name: "d\/e"/,
      (list) => place(list, keys.entryKey(1, Uint8Array.of(0x66)), valueOf(list, entry(list, 4, 'e').key)),
    ],
    'an own item that is missing': [
      /directory 3 has no own item: "d\/e"/,
      (list) => place(list, keys.directoryKey(3), null),
    ],
    'an own item of nothing': [
      /directory 5 has an own item and no entry/,
      (list) => place(list, keys.directoryKey(5), own(1, 'gone')),
    ],
    'an own item of another name': [
      /own item of directory 3 says "f" in directory 4: "d\/e"/,
      (list) => place(list, keys.directoryKey(3), own(4, 'f')),
    ],
    'an own item of another parent': [
      /own item of directory 3 says "e" in directory 1: "d\/e"/,
      (list) => place(list, keys.directoryKey(3), own(1, 'e')),
    ],
    'an own item of the root': [
      /the root has an own item/,
      (list) => place(list, keys.directoryKey(1), own(1, 'x')),
    ],
    'an own item that is not one': [
      /directory item: length/,
      (list) => place(list, keys.directoryKey(3), new Uint8Array(4)),
    ],
    'a directory without a name': [
      /directory 4 has entries and no name/,
      (list) => place(list, entry(list, 1, 'd').key, null),
    ],
    'a directory in itself': [
      /contains itself/,
      (list) => {
        const { key, item } = entry(list, 1, 'd')
        place(list, key, null)
        place(list, keys.entryKey(3, Uint8Array.of(0x66)), items.encodeEntryItem(item, 'xxh3'))
      },
    ],
    'an orphan that is named': [
      /orphan 2, a object, is named/,
      (list) => place(list, keys.orphanKey(2), items.encodeOrphanItem({ kind: 'object', id: 2, offset: 0 })),
    ],
    'an orphan of another': [
      /orphan 6 names 5/,
      (list) => place(list, keys.orphanKey(6), items.encodeOrphanItem({ kind: 'object', id: 5, offset: 0 })),
    ],
    'a version of a later operation': [
      /version 0-1-\d+ is above the root's 0-1-\d+: "small"/,
      (list, { sequence }) => change(list, 'small', (item) => versioned(item, { sequence: sequence + 1 })),
    ],
    'a version of a later opening': [
      /version 0-2-1 is above .*: "small"/,
      (list) => change(list, 'small', (item) => versioned(item, { opening: 2, sequence: 1 })),
    ],
    'a version of a later epoch': [
      /version 1-0-0 is above .*: "small"/,
      (list) => change(list, 'small', (item) => versioned(item, { epoch: 1, opening: 0, sequence: 0 })),
    ],
    'a name of a setting': [
      /key: name is not that of a setting/,
      (list) => place(list, Uint8Array.of(6, 0x61, 0x20, 0x62), encodeSettingItem(bytesOf(1))),
    ],
    'a setting without a name': [
      /key: name is not that of a setting/,
      (list) => place(list, Uint8Array.of(6), encodeSettingItem(bytesOf(1))),
    ],
    'a setting that is not one': [
      /setting item: kind/,
      (list) => place(list, keys.settingKey('t'), object(0, 0)),
    ],
    'a time that no client can have given': [
      /modifiedSeconds is out of range .*: "small"/,
      (list) => poke(list, 'small', items.entryItemLayout.at.modifiedSeconds + 5, 0xff),
    ],
    'more nanoseconds than a second has': [
      /createdNanos is out of range .*: "small"/,
      (list) => poke(list, 'small', items.entryItemLayout.at.createdNanos + 3, 0x3c),
    ],
    'a spare byte that is used': [
      /spare is not zero: "small"/,
      (list) => poke(list, 'small', items.entryItemLayout.at.spare + 11, 1),
    ],
    'members of an extra that do not ascend': [
      /members of type 1 follow one of type 9: "small"/,
      (list) => append(list, 'small', [0x14, 1, 9, 0, 0, 0, 1, 0, 1, 0, 0x61]),
    ],
    'a member of an extra that is there twice': [
      /members of type 9 follow one of type 9: "small"/,
      (list) => append(list, 'small', [0x14, 1, 9, 0, 0, 0, 9, 0, 0, 0]),
    ],
    'a member that is longer than its extra': [
      /members end within one of type 9: "small"/,
      (list) => append(list, 'small', [0x14, 1, 9, 0, 2, 0, 0]),
    ],
    'a name that is not UTF-8': [
      /key: name is not a name: "d\/\ufffd"/,
      (list) =>
        place(list, keys.entryKey(4, Uint8Array.of(0xff)), valueOf(list, entry(list, 1, 'small').key)),
    ],
    'a value that is not one': [
      /entry item.*: "small"/,
      (list) => {
        const { key } = entry(list, 1, 'small')
        place(list, key, valueOf(list, key)!.slice(0, -20))
      },
    ],
    'a key that is not one': [
      /key: kind/,
      (list) => place(list, Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 1), object(0, 0)),
    ],
  }
  for (const [title, [expected, damage]] of Object.entries(damages))
    test(title, async () => {
      const { list, root } = await sample()
      damage(list, root)
      const { problems } = checkItems(list, root)
      expect(problems.join('\n')).toMatch(expected)
    })
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
