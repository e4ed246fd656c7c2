/** Damage to the items of a sound volume, one at a time, and all that the check of the items says of each. */
import { concatBytes, encodeUtf8 } from '../../../src/lib/bytes.ts'
import { blockPointerBytes } from '../../../src/format/pointer.ts'
import type { Item } from '../../../src/cp-engine/contract.ts'
import * as items from '../../../src/format/items/items.ts'
import * as keys from '../../../src/format/items/item-keys.ts'
import { encodeDirectoryItem } from '../../../src/format/items/directory-item.ts'
import * as token from '../../../src/format/items/token-setting.ts'
import { encodeSettingItem } from '../../../src/format/items/setting-item.ts'
import { counters } from '../../../src/fs/tree/counters.ts'
import type { CheckedRoot } from '../../../src/fs/tree/item-check.ts'
import { place, valueOf } from '../fake-items.ts'
import { FakeVolume, bytesOf, p } from '../volume.ts'

const tokenOf = (prefix: string): Uint8Array =>
  token.encodeTokenSetting({
    sum: new Uint8Array(32),
    role: 'reader',
    name: 'n',
    prefix,
    createdMs: 1,
    expiresMs: null,
  })

/** All problems, and the change that brings them about. */
type Damage = readonly [expected: readonly string[], damage: (list: Item[], root: Facts) => void]

const rootKey = keys.entryKey(0, new Uint8Array(0))

type Facts = CheckedRoot & { counters: number[] }

export async function sample(): Promise<{ list: Item[]; root: Facts }> {
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

export const entry = (list: Item[], directory: number, name: string) => {
  const key = keys.entryKey(directory, new TextEncoder().encode(name))
  return { key, item: items.decodeEntryItem(valueOf(list, key)!, 'xxh3') }
}
export const object = (entries: number, size: number) =>
  items.encodeObjectItem({ entries, size, span: 65_536, base: 0 })

const own = (parent: number, name: string) => encodeDirectoryItem({ parent, name })
export const versioned = (item: items.EntryItem, version: Partial<items.EntryVersion>): items.EntryItem => ({
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

export const damages: Readonly<Record<string, Damage>> = {
  'a counter': [
    ['the counter of files is 7, there are 2'],
    (_, root) => void (root.counters[counters.files] = 7),
  ],
  'an id that is given again': [
    ['the next id is 3, 5 is in use'],
    (_, root) => void (root.counters[counters.nextId] = 3),
  ],
  'an object without entries': [
    ['object 2 counts 3 entries of 200000 bytes, there are 1 of 200000: "large"'],
    (list) => place(list, keys.objectKey(2), object(3, 200_000)),
  ],
  'another size': [
    ['object 2 counts 1 entries of 7 bytes, there are 1 of 200000: "large"'],
    (list) => place(list, keys.objectKey(2), object(1, 7)),
  ],
  'a missing object': [
    [
      'object 2 is named by 1 entries and missing: "large"',
      'there are records of object 2, which is missing: "large"',
    ],
    (list) => place(list, keys.objectKey(2), null),
  ],
  'a forgotten object': [
    ['object 5 has neither an entry nor an orphan'],
    (list) => place(list, keys.orphanKey(5), null),
  ],
  'records of nothing': [
    ['there are records of object 5, which is missing', 'orphan 5 has no object'],
    (list) => place(list, keys.objectKey(5), null),
  ],
  'a record behind the end': [
    ['the record of object 2 at 327680 lies behind the end of the file: "large"'],
    (list) => place(list, keys.recordKey(2, 327_680), valueOf(list, keys.recordKey(2, 0))),
  ],
  'overlapping records': [
    ['the record of object 2 at 32768 overlaps another: "large"'],
    (list) => {
      const { pointer } = items.decodeRecordItem(valueOf(list, keys.recordKey(2, 196_608))!, 'xxh3')
      const small = items.encodeRecordItem({ pointer, span: 4096, rawBytes: pointer.payloadBytes }, 'xxh3')
      place(list, keys.recordKey(2, 32_768), small)
    },
  ],
  'a record that lies across': [
    [
      'a record of object 2 at 65537 does not lie at a multiple of 65536: "large"',
      'the record of object 2 at 131072 overlaps another: "large"',
    ],
    (list) => {
      const value = valueOf(list, keys.recordKey(2, 65_536))
      place(list, keys.recordKey(2, 65_536), null)
      place(list, keys.recordKey(2, 65_537), value)
    },
  ],
  'a directory with two names': [
    ['directory 3 has a second name: "d/e"', 'the counter of directories is 2, there are 3'],
    (list) => place(list, keys.entryKey(1, Uint8Array.of(0x66)), valueOf(list, entry(list, 4, 'e').key)),
  ],
  'an own item that is missing': [
    ['directory 3 has no own item: "d/e"'],
    (list) => place(list, keys.directoryKey(3), null),
  ],
  'an own item of nothing': [
    ['directory 5 has an own item and no entry'],
    (list) => place(list, keys.directoryKey(5), own(1, 'gone')),
  ],
  'an own item of another name': [
    ['the own item of directory 3 says "f" in directory 4: "d/e"'],
    (list) => place(list, keys.directoryKey(3), own(4, 'f')),
  ],
  'an own item of another parent': [
    ['the own item of directory 3 says "e" in directory 1: "d/e"'],
    (list) => place(list, keys.directoryKey(3), own(1, 'e')),
  ],
  'an own item of the root': [
    ['the root has an own item'],
    (list) => place(list, keys.directoryKey(1), own(1, 'x')),
  ],
  'an own item that is not one': [
    ['directory item: length is too short'],
    (list) => place(list, keys.directoryKey(3), new Uint8Array(4)),
  ],
  'a directory without a name': [
    [
      'directory 4 has an own item and no entry',
      'directory 4 has entries and no name',
      'the counter of directories is 2, there are 1',
    ],
    (list) => place(list, entry(list, 1, 'd').key, null),
  ],
  'a directory in itself': [
    [
      'the own item of directory 4 says "d" in directory 1: "f" in directory 3, to which no path leads',
      'directory 4 contains itself',
    ],
    (list) => {
      const { key, item } = entry(list, 1, 'd')
      place(list, key, null)
      place(list, keys.entryKey(3, Uint8Array.of(0x66)), items.encodeEntryItem(item, 'xxh3'))
    },
  ],
  'an orphan that is named': [
    ['orphan 2, a object, is named: "large"'],
    (list) => place(list, keys.orphanKey(2), items.encodeOrphanItem({ kind: 'object', id: 2, offset: 0 })),
  ],
  'an orphan of another': [
    ['orphan 6 names 5', 'orphan 6 has no object', 'the next id is 6, 6 is in use'],
    (list) => place(list, keys.orphanKey(6), items.encodeOrphanItem({ kind: 'object', id: 5, offset: 0 })),
  ],
  'a version of a later operation': [
    ['version 0-1-9 is above the root\'s 0-1-8: "small"'],
    (list, { sequence }) => change(list, 'small', (item) => versioned(item, { sequence: sequence + 1 })),
  ],
  'a version of a later opening': [
    ['version 0-2-1 is above the root\'s 0-1-8: "small"'],
    (list) => change(list, 'small', (item) => versioned(item, { opening: 2, sequence: 1 })),
  ],
  'a version of a later epoch': [
    ['version 1-0-0 is above the root\'s 0-1-8: "small"'],
    (list) => change(list, 'small', (item) => versioned(item, { epoch: 1, opening: 0, sequence: 0 })),
  ],
  'a name of a setting': [
    ['key: name is not that of a setting'],
    (list) => place(list, Uint8Array.of(6, 0x61, 0x20, 0x62), encodeSettingItem(bytesOf(1))),
  ],
  'a setting without a name': [
    ['key: name is not that of a setting'],
    (list) => place(list, Uint8Array.of(6), encodeSettingItem(bytesOf(1))),
  ],
  'a token of no role': [
    ['token setting: role is out of range (9)'],
    (list) =>
      place(
        list,
        keys.settingKey('token/a'),
        encodeSettingItem(tokenOf('a').with(token.tokenSettingLayout.at.role, 9)),
      ),
  ],
  'a token under no id': [
    ['the setting token/A has no id of a token'],
    (list) => place(list, keys.settingKey('token/A'), encodeSettingItem(tokenOf('a'))),
  ],
  'a token whose prefix is no path': [
    ['the token a has a prefix that is no path: a segment is "." or ".."'],
    (list) => place(list, keys.settingKey('token/a'), encodeSettingItem(tokenOf('b/../c'))),
  ],
  'a mark of access that is none': [
    ['access mark: length is too short'],
    (list) => place(list, keys.settingKey('access-mark'), encodeSettingItem(Uint8Array.of(25, 1))),
  ],
  'a setting that is not one': [
    ['setting item: kind is 18'],
    (list) => place(list, keys.settingKey('t'), object(0, 0)),
  ],
  'a time that no client can have given': [
    [
      'entry item: modifiedSeconds is out of range (280439332302080): "small"',
      'the counter of files is 2, there are 1',
      'the counter of fileBytes is 200100, there are 200000',
    ],
    (list) => poke(list, 'small', items.entryItemLayout.at.modifiedSeconds + 5, 0xff),
  ],
  'more nanoseconds than a second has': [
    [
      'entry item: createdNanos is out of range (1007632960): "small"',
      'the counter of files is 2, there are 1',
      'the counter of fileBytes is 200100, there are 200000',
    ],
    (list) => poke(list, 'small', items.entryItemLayout.at.createdNanos + 3, 0x3c),
  ],
  'a spare byte that is used': [
    [
      'entry item: spare is not zero: "small"',
      'the counter of files is 2, there are 1',
      'the counter of fileBytes is 200100, there are 200000',
    ],
    (list) => poke(list, 'small', items.entryItemLayout.at.spare + 11, 1),
  ],
  'members of an extra that do not ascend': [
    [
      'entry extra: members of type 1 follow one of type 9: "small"',
      'the counter of files is 2, there are 1',
      'the counter of fileBytes is 200100, there are 200000',
    ],
    (list) => append(list, 'small', [0x14, 1, 9, 0, 0, 0, 1, 0, 1, 0, 0x61]),
  ],
  'a member of an extra that is there twice': [
    [
      'entry extra: members of type 9 follow one of type 9: "small"',
      'the counter of files is 2, there are 1',
      'the counter of fileBytes is 200100, there are 200000',
    ],
    (list) => append(list, 'small', [0x14, 1, 9, 0, 0, 0, 9, 0, 0, 0]),
  ],
  'a member that is longer than its extra': [
    [
      'entry extra: members end within one of type 9: "small"',
      'the counter of files is 2, there are 1',
      'the counter of fileBytes is 200100, there are 200000',
    ],
    (list) => append(list, 'small', [0x14, 1, 9, 0, 2, 0, 0]),
  ],
  'a name that is not UTF-8': [
    ['key: name is not a name: "d/�"'],
    (list) => place(list, keys.entryKey(4, Uint8Array.of(0xff)), valueOf(list, entry(list, 1, 'small').key)),
  ],
  'a value that is not one': [
    [
      'entry item: length is too short: "small"',
      'the counter of files is 2, there are 1',
      'the counter of fileBytes is 200100, there are 200000',
    ],
    (list) => {
      const { key } = entry(list, 1, 'small')
      place(list, key, valueOf(list, key)!.slice(0, -20))
    },
  ],
  'a key that is not one': [
    ['key: kind is 9'],
    (list) => place(list, Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 1), object(0, 0)),
  ],
  'a counter of directories': [
    ['the counter of directories is 7, there are 2'],
    (_, root) => void (root.counters[counters.directories] = 7),
  ],
  'a counter of links': [
    ['the counter of links is 0, there are 1'],
    (_, root) => void (root.counters[counters.links] = 0),
  ],
  'a counter of bytes': [
    ['the counter of fileBytes is 200099, there are 200100'],
    (_, root) => void (root.counters[counters.fileBytes] = 200_099),
  ],
  'an object with a base': [
    ['object 2 has a base, which nothing makes yet'],
    (list) =>
      place(
        list,
        keys.objectKey(2),
        items.encodeObjectItem({ entries: 1, size: 200_000, span: 65_536, base: 5 }),
      ),
  ],
  'a root that is no directory': [
    ['the entry of the root is not that of the root directory'],
    (list) => place(list, rootKey, valueOf(list, entry(list, 1, 'link').key)),
  ],
  'a root of another number': [
    ['the entry of the root is not that of the root directory'],
    (list) => place(list, rootKey, valueOf(list, entry(list, 1, 'd').key)),
  ],
  'the root below itself': [
    [
      'directory 1 has a second name: "again"',
      'directory 1 has no own item: "again"',
      'the counter of directories is 2, there are 3',
    ],
    (list) => {
      const { item } = entry(list, 1, 'd')
      place(list, keys.entryKey(1, encodeUtf8('again')), items.encodeEntryItem({ ...item, id: 1 }, 'xxh3'))
    },
  ],
  'an object that is named with two sizes': [
    [
      'object 2 is named with the sizes 200000 and 7: "second"',
      'object 2 counts 1 entries of 200000 bytes, there are 2 of 200000: "large"',
    ],
    (list, root) => {
      const { item } = entry(list, 1, 'large')
      place(list, keys.entryKey(1, encodeUtf8('second')), items.encodeEntryItem({ ...item, size: 7 }, 'xxh3'))
      root.counters[counters.files]!++
      root.counters[counters.fileBytes]! += 7
    },
  ],
  'an orphan that counts entries': [
    ['object 5 counts 2 entries, there is none'],
    (list) => place(list, keys.objectKey(5), object(2, 1_000_000)),
  ],
  'a tail of nothing': [
    ['orphan 5, a tail, is not named'],
    (list) => place(list, keys.orphanKey(5), items.encodeOrphanItem({ kind: 'tail', id: 5, offset: 0 })),
  ],
  'a directory that is an orphan and named': [
    ['orphan 3, a directory, is named: "d/e"'],
    (list) => place(list, keys.orphanKey(3), items.encodeOrphanItem({ kind: 'directory', id: 3, offset: 0 })),
  ],
  'a record behind the end, and the last one before it overlapped': [
    [
      'the record of object 2 at 196608 overlaps another: "large"',
      'the record of object 2 at 327680 lies behind the end of the file: "large"',
    ],
    (list) => {
      const { pointer, rawBytes } = items.decodeRecordItem(valueOf(list, keys.recordKey(2, 131_072))!, 'xxh3')
      const wide = items.encodeRecordItem({ pointer, span: 131_072, rawBytes }, 'xxh3')
      place(list, keys.recordKey(2, 131_072), wide)
      place(list, keys.recordKey(2, 327_680), valueOf(list, keys.recordKey(2, 0)))
    },
  ],
}
