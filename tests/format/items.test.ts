/** A damaged item is refused with the name of the field that is wrong, at the limit of the field and not before. */
import { describe, expect, test } from 'bun:test'
import { writeU16, writeU32, writeU48, writeU64 } from '../../src/lib/bytes.ts'
import { hasCode } from '../../src/lib/errors.ts'
import { epochMax, itemBytesMax, keyBytesMax, blockBytes } from '../../src/format/geometry.ts'
import { decodeDirectoryItem, encodeDirectoryItem } from '../../src/format/items/directory-item.ts'
import {
  type EntryExtra,
  decodeEntryExtra,
  encodeEntryExtra,
  extraProblem,
  noExtra,
} from '../../src/format/items/entry-extra.ts'
import * as items from '../../src/format/items/items.ts'
import { decodeSettingItem, encodeSettingItem, settingBytesMax } from '../../src/format/items/setting-item.ts'
import { type NodePlace, VerifiedNode, encodeNode, verifyNode } from '../../src/format/disk/tree-node.ts'
import { type BlockPointer, nodePointerBytes, writeNodePointer } from '../../src/format/pointer.ts'
import { openingMax, sequenceMax, timeMsMax, timeMsMin } from '../../src/format/position.ts'

/** The field that is refused; null when the bytes are taken. */
function refused(decode: () => unknown): unknown {
  try {
    decode()
    return null
  } catch (error) {
    if (!hasCode(error, 'corrupt')) throw error
    return error.help['field']
  }
}
const changed = (bytes: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array => {
  const copy = bytes.slice()
  change(copy)
  return copy
}
const tailed = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, Uint8Array.of(65)])
const pointer: BlockPointer = {
  address: 5000,
  blocks: 1,
  payloadBytes: 100,
  encoding: 'raw',
  sum: new Uint8Array(8).fill(3),
}

describe('an entry', () => {
  const { at, bytes: fixed } = items.entryItemLayout
  const entry: items.EntryItem = {
    kind: 'file',
    version: { epoch: 1, opening: 2, sequence: 3 },
    mode: 0o644,
    createdMs: 1000,
    createdNanos: 5,
    modifiedMs: 2000,
    modifiedNanos: 6,
    size: 100,
    id: 7,
    content: null,
    extra: items.inlineExtra(noExtra),
  }
  const plain = items.encodeEntryItem(entry, 'xxh3')
  const full = items.encodeEntryItem({ ...entry, id: 0, content: pointer }, 'xxh3')
  const decode = (bytes: Uint8Array) => items.decodeEntryItem(bytes, 'xxh3')
  const secondsMax = Math.floor((timeMsMax - timeMsMin) / 1000)
  const writers = {
    1: (bytes: Uint8Array, from: number, n: number) => void (bytes[from] = n),
    2: writeU16,
    4: writeU32,
    6: writeU48,
    8: writeU64,
  }

  /** Least and most of what each field takes. */
  const ranges = [
    ['entryKind', 1, 1],
    ['flags', 0, 0],
    ['epoch', 0, epochMax],
    ['mode', 0, items.modeMax],
    ['opening', 0, openingMax],
    ['sequence', 0, sequenceMax],
    ['createdSeconds', 0, secondsMax],
    ['createdNanos', 0, 1e9 - 1],
    ['modifiedSeconds', 0, secondsMax],
    ['modifiedNanos', 0, 1e9 - 1],
    ['size', 0, Number.MAX_SAFE_INTEGER],
    ['id', 0, Number.MAX_SAFE_INTEGER],
  ] as const
  test.each(ranges)('%s from %p to %p', (field, min, max) => {
    const bytes = items.entryItemLayout.size[field] as keyof typeof writers
    const withValue = (value: number) => changed(plain, (copy) => writers[bytes](copy, 1 + at[field], value))
    expect([min, max].map((value) => refused(() => decode(withValue(value))))).toEqual([null, null])
    if (min > 0) expect(refused(() => decode(withValue(min - 1)))).toBe(field)
    if (max + 1 >= 256 ** bytes) return
    if (max < Number.MAX_SAFE_INTEGER) expect(refused(() => decode(withValue(max + 1)))).toBe(field)
    else
      expect(
        refused(() => decode(changed(plain, (copy) => copy.fill(255, 1 + at[field], 1 + at[field] + 8)))),
      ).toBe(field)
  })

  test('of a kind that is none, with flags that are none, or that its pointers contradict', () => {
    const byte = (of: Uint8Array, field: 'entryKind' | 'flags', value: number) =>
      refused(() => decode(changed(of, (copy) => void (copy[copy.length - fixed + at[field]] = value))))
    expect([0, 4].map((value) => byte(plain, 'entryKind', value))).toEqual(['entryKind', 'entryKind'])
    expect([1, 2, 3, 4].map((value) => byte(plain, 'flags', value))).toEqual(Array(4).fill('flags'))
    expect([0, 1, 3, 4].map((value) => byte(full, 'flags', value))).toEqual(['flags', null, 'flags', 'flags'])
  })

  test('with more pointers than a value may have, or one that is malformed', () => {
    expect(refused(() => decode(changed(full, (copy) => void (copy[0] = 3))))).toBe('pointers')
    expect(refused(() => decode(changed(full, (copy) => copy.fill(255, 1, 20))))).toBe('pointers')
    expect(refused(() => decode(new Uint8Array(0)))).toBe('pointers')
  })

  test('that is too short, at each length', () => {
    for (const whole of [plain, full])
      for (let length = 1; length < whole.length; length++)
        expect([length, refused(() => decode(whole.slice(0, length)))]).toEqual([length, 'length'])
  })

  test('with each byte of what is spare', () => {
    const { spare } = at
    for (let i = 0; i < items.entryItemLayout.size.spare; i++)
      expect(refused(() => decode(changed(plain, (copy) => void (copy[1 + spare + i] = 1))))).toBe('spare')
  })

  test('whose extra is in a record and in the item', () => {
    const record = items.encodeEntryItem({ ...entry, extra: { inline: null, record: pointer } }, 'xxh3')
    expect(refused(() => decode(record))).toBeNull()
    expect(refused(() => decode(tailed(record)))).toBe('flags')
  })

  test('is a directory when its kind says so, with an id', () => {
    const directory = items.encodeEntryItem({ ...entry, kind: 'directory', size: 0, id: 9 }, 'xxh3')
    expect(items.directoryIdOf(directory, 'xxh3')).toBe(9)
    expect(items.directoryIdOf(plain, 'xxh3')).toBeNull()
    expect(items.directoryIdOf(full, 'xxh3')).toBeNull()
    const without = changed(directory, (copy) => copy.fill(0, 1 + at.id, 1 + at.id + 8))
    expect(refused(() => items.directoryIdOf(without, 'xxh3'))).toBe('id')
    expect(items.entrySequenceOf(plain, 'xxh3')).toBe(3)
    expect(items.entrySequenceOf(full, 'xxh3')).toBe(3)
  })
})

describe('a record', () => {
  const { at } = items.recordItemLayout
  const record = items.encodeRecordItem({ pointer, span: 4096, rawBytes: 100 }, 'xxh3')
  const packed = items.encodeRecordItem(
    { pointer: { ...pointer, encoding: 'zstd' }, span: 4096, rawBytes: 4000 },
    'xxh3',
  )
  const decode = (bytes: Uint8Array) => refused(() => items.decodeRecordItem(bytes, 'xxh3'))
  const body = record.length - items.recordItemLayout.bytes
  const withByte = (of: Uint8Array, field: keyof typeof at, value: number) =>
    decode(changed(of, (copy) => void (copy[body + at[field]] = value)))

  test('has one pointer, no tail, and zeros in reserve', () => {
    expect([decode(record), decode(packed)]).toEqual([null, null])
    expect(decode(Buffer.concat([Uint8Array.of(0), record.subarray(body)]))).toBe('kind')
    const two = [Uint8Array.of(2), record.subarray(1, body), record.subarray(1, body), record.subarray(body)]
    expect(decode(Buffer.concat(two))).toBe('kind')
    expect(decode(changed(record, (copy) => void (copy[0] = 3)))).toBe('pointers')
    expect(decode(tailed(record))).toBe('length')
    expect(decode(record.slice(0, -1))).not.toBeNull()
    expect(withByte(record, 'reserved', 1)).toBe('reserved')
  })

  test.each([
    [11, 'spanLog'],
    [12, null],
    [20, null],
    [21, 'spanLog'],
  ])('a span of 2 to the power of %p', (log, field) => expect(withByte(record, 'spanLog', log)).toBe(field))

  test.each([
    [0, 'rawBytes'],
    [1, null],
    [4096, null],
    [4097, 'rawBytes'],
  ])('%p bytes before encoding', (bytes, field) =>
    expect(decode(changed(packed, (copy) => writeU32(copy, body + at.rawBytes, bytes)))).toBe(field),
  )

  test('raw bytes are as many as are stored', () => {
    for (const bytes of [99, 101])
      expect(decode(changed(record, (copy) => writeU32(copy, body + at.rawBytes, bytes)))).toBe('rawBytes')
  })

  test('spans', () => {
    const spans = [2048, 4095, 4096, 4097, 6144, 2 ** 19, 2 ** 20, 2 ** 20 + 1, 2 ** 21]
    expect(spans.filter((span) => items.isSpan(span))).toEqual([4096, 2 ** 19, 2 ** 20])
  })
})

/** Items that have no pointers. */
describe.each([
  [
    'object',
    items.encodeObjectItem({ entries: 1, size: 5, span: 4096, base: 0 }),
    items.decodeObjectItem,
    true,
  ],
  ['orphan', items.encodeOrphanItem({ kind: 'tail', id: 4, offset: 9 }), items.decodeOrphanItem, true],
  ['directory', encodeDirectoryItem({ parent: 4, name: 'name' }), decodeDirectoryItem, false],
  ['setting', encodeSettingItem(Uint8Array.of(1, 2, 3)), decodeSettingItem, false],
] as const)('%s', (_name, bytes, decode: (bytes: Uint8Array) => unknown, isExact) => {
  test('has no pointers, and a tail where it may', () => {
    expect(bytes[0]).toBe(0)
    expect(refused(() => decode(bytes))).toBeNull()
    for (const count of [1, 2, 3, 255])
      expect(refused(() => decode(changed(bytes, (copy) => void (copy[0] = count))))).toBe('pointers')
    const pointed = Buffer.concat([
      items.encodeRecordItem({ pointer, span: 4096, rawBytes: 100 }, 'xxh3').subarray(0, -8),
      bytes.subarray(1),
    ])
    expect(refused(() => decode(pointed))).toBe('pointers')
    expect(refused(() => decode(tailed(bytes)))).toBe(isExact ? 'length' : null)
  })
})

test('a name follows a directory, of 1 to 255 bytes of text', () => {
  const head = encodeDirectoryItem({ parent: 4, name: 'x' }).subarray(0, -1)
  const withName = (name: Uint8Array) => refused(() => decodeDirectoryItem(Buffer.concat([head, name])))
  expect(withName(new Uint8Array(0))).toBe('parent')
  expect(withName(new Uint8Array(1).fill(65))).toBeNull()
  expect(withName(new Uint8Array(255).fill(65))).toBeNull()
  expect(withName(new Uint8Array(256).fill(65))).toBe('parent')
  expect(withName(Uint8Array.of(0xff))).toBe('parent')
})

test.each([-1, 0, 1])('a setting has its most bytes and %p', (more) => {
  const value = Buffer.concat([encodeSettingItem(new Uint8Array(0)), new Uint8Array(settingBytesMax + more)])
  expect(refused(() => decodeSettingItem(value))).toBe(more > 0 ? 'kind' : null)
})

describe('an entry extra', () => {
  const unknown = (...types: number[]): EntryExtra => ({
    ...noExtra,
    unknown: types.map((type) => ({ type, bytes: Uint8Array.of(1) })),
  })
  test.each([
    [[4], null],
    [[65_535], null],
    [[65_536], 'unknown type'],
    [[1], 'unknown type'],
    [[2], 'unknown type'],
    [[3], 'unknown type'],
    [[0], 'sorted'],
    [[5, 4], 'sorted'],
    [[4, 4], 'once'],
    [[4, 5, 6], null],
    [[4, 5, 65_536], 'unknown type'],
    [[4, 2, 6], 'unknown type'],
  ])('with members of types %p', (types, problem) => {
    const said = extraProblem(unknown(...types))
    if (problem === null) {
      expect(said).toBeNull()
      expect(decodeEntryExtra(encodeEntryExtra(unknown(...types)))).toEqual(unknown(...types))
    } else expect(said).toContain(problem)
  })

  test('a member with another type, length, or less of it', () => {
    const bytes = encodeEntryExtra({ ...unknown(4, 5), contentType: 'text/plain' })
    expect(refused(() => decodeEntryExtra(bytes))).toBeNull()
    expect(refused(() => decodeEntryExtra(tailed(bytes)))).toBe('members')
    for (let length = 3; length < bytes.length; length++) {
      const field = refused(() => decodeEntryExtra(bytes.slice(0, length)))
      expect(['members', null]).toContain(field as string)
    }
  })
})

describe('a node', () => {
  const leaf: NodePlace = { level: 0, lower: null, upper: null }
  const fill = (length: number, value: number) => new Uint8Array(length).fill(value)
  const verify = (bytes: Uint8Array, place = leaf) => refused(() => verifyNode(bytes, place))

  test.each([
    [keyBytesMax, 10, null],
    [keyBytesMax + 1, 10, 'items'],
    [1, itemBytesMax - 1, null],
    [1, itemBytesMax, 'items'],
    [keyBytesMax, itemBytesMax - keyBytesMax, null],
    [keyBytesMax, itemBytesMax - keyBytesMax + 1, 'items'],
    [1, 0, null],
    [0, 1, 'items'],
  ])('with a key of %p bytes and a value of %p', (key, value, field) => {
    expect(verify(encodeNode(0, [{ key: fill(key, 1), value: fill(value, 2) }]))).toBe(field)
    const small = { key: Uint8Array.of(0), value: fill(3, 3) }
    expect(verify(encodeNode(0, [small, { key: fill(key, 1), value: fill(value, 2) }]))).toBe(field)
  })

  test('says of each child where it is: between the keys, and at the ends where the node itself is', () => {
    const pointerBytes = fill(nodePointerBytes, 0)
    writeNodePointer(pointerBytes, 0, { address: 5000, sum: fill(32, 4) })
    const keys = [new Uint8Array(0), Uint8Array.of(5), Uint8Array.of(9)]
    const node = new VerifiedNode(
      encodeNode(
        2,
        keys.map((key) => ({ key, value: pointerBytes })),
      ),
    )
    for (const [lower, upper] of [
      [null, null],
      [Uint8Array.of(2), Uint8Array.of(12)],
    ] as const) {
      const place = { level: 2, lower, upper }
      expect([0, 1, 2].map((i) => node.childPlace(i, place))).toEqual([
        { level: 1, lower, upper: keys[1]! },
        { level: 1, lower: keys[1]!, upper: keys[2]! },
        { level: 1, lower: keys[2]!, upper },
      ])
    }
  })

  test('with keys outside of its place', () => {
    const bytes = encodeNode(
      0,
      [5, 7].map((key) => ({ key: Uint8Array.of(key), value: fill(1, 1) })),
    )
    const inside = (lower: number | null, upper: number | null) =>
      verify(bytes, {
        level: 0,
        lower: lower === null ? null : Uint8Array.of(lower),
        upper: upper === null ? null : Uint8Array.of(upper),
      })
    expect(inside(null, null)).toBeNull()
    expect([4, 5].map((lower) => inside(lower, null))).toEqual([null, null])
    expect(inside(6, null)).not.toBeNull()
    expect([8, 9].map((upper) => inside(null, upper))).toEqual([null, null])
    expect([6, 7].map((upper) => inside(null, upper) === null)).toEqual([false, false])
  })

  test('of another level, or of another length, or without items', () => {
    const bytes = encodeNode(0, [{ key: fill(1, 1), value: fill(1, 1) }])
    expect(verify(bytes, { ...leaf, level: 1 })).toBe('level')
    expect(verify(bytes.slice(0, blockBytes - 1))).toBe('kind')
    expect(verify(encodeNode(0, []))).toBe('count')
  })
})
