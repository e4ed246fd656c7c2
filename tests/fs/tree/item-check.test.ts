/** Every kind of damage to the items is found. The items are those of a volume; one at a time is changed. */
import { describe, expect, test } from 'bun:test'
import { equalBytes } from '../../../src/lib/bytes.ts'
import type { Item } from '../../../src/cp-engine/contract.ts'
import * as items from '../../../src/format/items/items.ts'
import * as keys from '../../../src/format/items/item-keys.ts'
import { counters } from '../../../src/fs/tree/counters.ts'
import { checkItems } from '../../../src/fs/tree/item-check.ts'
import { place, valueOf } from '../fake-items.ts'
import { FakeVolume, bytesOf, p } from '../volume.ts'

async function sample(): Promise<{ list: Item[]; values: number[] }> {
  const volume = new FakeVolume({ cutPercent: 0, missPercent: 0 })
  await volume.files.close()
  await volume.files.putFile(p('small'), bytesOf(100), {}) // no id
  await volume.files.putFile(p('large'), bytesOf(200_000), {}) // object 2
  await volume.files.makeDirectory(p('d/e'), {}) // directories 4 and 3
  await volume.files.putFile(p('gone'), bytesOf(1_000_000), {}) // object 5
  await volume.files.deleteFile(p('gone'))
  await volume.files.putLink(p('link'), 'x', {})
  const values = [0, 1, 2, 3, 4].map((index) => volume.engine.counter(index))
  return { list: volume.engine.items, values }
}

const entry = (list: Item[], directory: number, name: string) => {
  const key = keys.entryKey(directory, new TextEncoder().encode(name))
  return { key, item: items.decodeEntryItem(valueOf(list, key)!, 'xxh3') }
}
const object = (entries: number, size: number) =>
  items.encodeObjectItem({ entries, size, span: 65_536, base: 0 })

test('a sound volume has no findings', async () => {
  const { list, values } = await sample()
  const report = await checkItems(list, 'xxh3', values)
  expect(report).toMatchObject({
    problems: [],
    problemCount: 0,
    orphans: 1,
    counts: { files: 2, directories: 2, links: 1, fileBytes: 200_100 },
  })
})

describe('found', () => {
  const damages: Record<string, [expected: RegExp, (list: Item[], values: number[]) => void]> = {
    'a counter': [/counter of files is 7, there are 2/, (_, values) => void (values[counters.files] = 7)],
    'an id that is given again': [/next id is 3/, (_, values) => void (values[counters.nextId] = 3)],
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
      /directory 3 has a second name/,
      (list) => place(list, keys.entryKey(1, Uint8Array.of(0x66)), valueOf(list, entry(list, 4, 'e').key)),
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
    'a value that is not one': [
      /entry item/,
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
      const { list, values } = await sample()
      damage(list, values)
      const { problems } = await checkItems(list, 'xxh3', values)
      expect(problems.join('\n')).toMatch(expected)
    })
})

test('behind a tail everything may lie', async () => {
  const { list, values } = await sample()
  const shorter = items.encodeEntryItem({ ...entry(list, 1, 'large').item, size: 100_000 }, 'xxh3')
  place(list, entry(list, 1, 'large').key, shorter)
  place(list, keys.objectKey(2), object(1, 100_000))
  values[counters.fileBytes] = 100_100
  const before = await checkItems(list, 'xxh3', values)
  expect(before.problems.join()).toMatch(/at 65536 lies behind/)
  place(list, keys.recordKey(2, 65_536), null)
  place(list, keys.orphanKey(2), items.encodeOrphanItem({ kind: 'tail', id: 2, offset: 100_000 }))
  expect((await checkItems(list, 'xxh3', values)).problems).toEqual([])
  expect(list.some(({ key }) => equalBytes(key, keys.recordKey(2, 131_072)))).toBe(true)
})
