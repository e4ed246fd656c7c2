import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { compareBytes } from '../../src/lib/bytes.ts'
import { sha256, sha256Bytes } from '../../src/lib/checksum.ts'
import { hasCode } from '../../src/lib/errors.ts'
import { extraProblem, noExtra } from '../../src/format/items/entry-extra.ts'
import { layout } from '../../src/format/fields.ts'
import {
  entryKey,
  entryRange,
  kindRange,
  recordKey,
  recordRange,
  rootEntryKey,
} from '../../src/format/items/item-keys.ts'
import * as g from '../../src/format/geometry.ts'
import { blocksPerMapPage, mapIndexFanout, mapLevels } from '../../src/format/disk/map-page.ts'
import { noNode } from '../../src/format/pointer.ts'
import { cpMax } from '../../src/format/position.ts'
import { type Root, decodeRoot, encodeRoot, rootLayout } from '../../src/format/disk/root.ts'
import {
  type Superblock,
  decodeSuperblock,
  encodeSuperblock,
  memberLayout,
  superblockLayout,
} from '../../src/format/disk/superblock.ts'

const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const root: Root = {
  features: { incompat: 0, readOnlyCompat: 6, compat: 2 ** 32 - 1 },
  volumeUuid: fill(16, 1),
  cp: 2e12 + 7,
  blockCount: 20_000,
  blocksMax: 20_001,
  sums: { kind: 'xxh3', seed: 1 },
  fileTree: { pointer: { address: 10_000, sum: fill(32, 2) }, level: 1 },
  snapshotsTree: { pointer: noNode, level: 0 },
  liveMap: { address: 10_001, sum: fill(32, 3) },
  usedMap: { address: 10_002, sum: fill(32, 4) },
  epochs: [
    { number: 0, id: fill(8, 1), firstCp: 1, rootHashBefore: fill(32, 0) },
    { number: 2, id: fill(8, 2), firstCp: 2e12 + 5, rootHashBefore: fill(32, 9) },
  ],
  counters: [0, 1, 2, 3, 4, 5, 6, Number.MAX_SAFE_INTEGER],
  committedAtMs: 1,
  sequence: 9,
  opening: 2,
  previousHash: fill(32, 8),
  snapshotName: 'before',
}
const superblock: Superblock = {
  features: { incompat: 0, readOnlyCompat: 2 ** 31, compat: 5 },
  volumeUuid: fill(16, 1),
  sideUuid: fill(16, 2),
  generation: 5,
  role: 'primary',
  epoch: { number: 2, id: fill(8, 2) },
  fenced: true,
  outdated: true,
  opening: 3,
  firstCp: cpMax,
  root: { address: 10_003, bytes: encodeRoot(root) },
  holds: Array.from({ length: g.holdsMax }, (_, i) => ({
    memberUuid: fill(16, 255),
    cp: cpMax,
    root: { address: 50_000 + i * 256 + 4, sum: fill(32, 255) },
  })),
  members: Array.from({ length: g.membersMax }, (_, i) => ({
    uuid: fill(16, 10 + i),
    url: `http://${'m'.repeat(g.memberUrlBytesMax - 7)}`,
  })),
  log: { nonce: fill(8, 1), position: 8192, chain: fill(32, 1) },
  geometry: g.fixedPart(g.makeGeometry()),
  goingBack: true,
}

describe('field tables', () => {
  test('are contiguous, without overlap, of the stated size', () => {
    expect(() =>
      layout('gap', 3, [
        ['a', 0, 1, ''],
        ['b', 2, 1, ''],
      ]),
    ).toThrow('begins at 2')
    expect(() =>
      layout('overlap', 3, [
        ['a', 0, 2, ''],
        ['b', 1, 2, ''],
      ]),
    ).toThrow('begins at 1')
    expect(() => layout('size', 4, [['a', 0, 2, '']])).toThrow('take 2 bytes')
    expect(() =>
      layout('twice', 2, [
        ['a', 0, 1, ''],
        ['a', 1, 1, ''],
      ]),
    ).toThrow('once')
  })
})

describe('superblock', () => {
  test('fits its copy at its limits', () => {
    expect(decodeSuperblock(encodeSuperblock(superblock, 0), 0)).toEqual(superblock)
  })

  test('one flipped bit anywhere makes it unreadable, and so does the other slot', () => {
    const bytes = encodeSuperblock(superblock, 0)
    for (let at = 0; at < bytes.length; at += 1 + (at % 7)) {
      bytes[at] = bytes[at]! ^ (1 << (at % 8))
      expect(decodeSuperblock(bytes, 0)).toBeNull()
      bytes[at] = bytes[at]! ^ (1 << (at % 8))
    }
    expect(decodeSuperblock(bytes, 0)).not.toBeNull()
    expect(decodeSuperblock(bytes, 1)).toBeNull()
    expect(decodeSuperblock(fill(bytes.length, 0), 0)).toBeNull()
    expect(decodeSuperblock(bytes.subarray(1), 0)).toBeNull()
  })

  test('a member without a URL makes it unreadable', () => {
    const bytes = encodeSuperblock({ ...superblock, members: superblock.members.slice(0, 1) }, 0)
    const { sum, members } = superblockLayout.at
    bytes[members + memberLayout.at.urlBytes] = 0
    bytes.fill(0, members + memberLayout.at.url, members + memberLayout.bytes)
    bytes.fill(0, sum, sum + sha256Bytes)
    bytes.set(sha256(bytes), sum)
    expect(decodeSuperblock(bytes, 0)).toBeNull()
  })

  test('is not written when it could not be read', () => {
    const wrong: readonly Superblock[] = [
      { ...superblock, root: null },
      { ...superblock, root: { address: 256, bytes: fill(4096, 1) } },
      { ...superblock, log: { ...superblock.log, position: 100 } },
      { ...superblock, geometry: { ...superblock.geometry, logBlocks: 10 } },
      { ...superblock, holds: [...superblock.holds, superblock.holds[0]!] },
      { ...superblock, members: [superblock.members[0]!, superblock.members[0]!] },
      { ...superblock, members: [{ ...superblock.members[0]!, url: '' }] },
      { ...superblock, firstCp: cpMax + 1 },
      { ...superblock, generation: -1 },
    ]
    for (const each of wrong) expect(() => encodeSuperblock(each, 0)).toThrow()
  })
})

describe('root node', () => {
  const refusal = (change: (bytes: Uint8Array) => void): unknown => {
    const bytes = encodeRoot(root)
    change(bytes)
    try {
      decodeRoot(bytes)
      return null
    } catch (error) {
      if (hasCode(error, 'newer-format')) return error.code
      return hasCode(error, 'corrupt') ? error.help['field'] : error
    }
  }
  const at = rootLayout.at

  test('names the field that it refuses', () => {
    expect(refusal(() => {})).toBeNull()
    expect(refusal((b) => b.fill(0))).toBe('kind')
    expect(refusal((b) => (b[1] = 0))).toBe('version')
    expect(refusal((b) => (b[at.format] = 0))).toBe('format')
    expect(refusal((b) => (b[at.blocksMax + 1] = 1))).toBe('blockCount')
    expect(refusal((b) => (b[at.reserved2] = 1))).toBe('reserved2')
    expect(refusal((b) => b.fill(0xff, at.sequence, at.sequence + 8))).toBe('sequence')
    expect(refusal((b) => (b[at.checksumKind] = 3))).toBe('checksumKind')
    expect(refusal((b) => (b[at.checksumKind] = 0))).toBe('checksumKind')
    expect(refusal((b) => (b[at.snapshotName] = 0xff))).toBe('snapshotName')
    expect(refusal((b) => (b[at.snapshotName + 6] = 65))).toBe('snapshotName')
    expect(refusal((b) => (b[at.reserved4 + 287] = 1))).toBe('reserved4')
    expect(refusal((b) => (b[at.epochs + 150] = 1))).toBe('epochs')
    expect(refusal((b) => (b[at.epochCount] = 1))).toBe('epochs')
    expect(refusal((b) => (b[at.fileTree + 6] = 1))).toBe('fileTree')
    expect(refusal((b) => (b[at.fileTree + 3] = 1))).toBe('fileTree')
    expect(refusal((b) => (b[at.snapshotsTreeLevel] = 1))).toBe('snapshotsTreeLevel')
    expect(refusal((b) => (b[at.cp] = 0))).toBe('cp')
  })

  test('has a cp of its last epoch, from its first on', () => {
    for (const cp of [2e12 + 4, 1e12 + 7, 3e12 + 7, 7])
      expect(() => encodeRoot({ ...root, cp })).toThrow('cp')
    expect(() => encodeRoot({ ...root, epochs: root.epochs.toReversed() })).toThrow('epochs')
    expect(() => encodeRoot({ ...root, epochs: [] })).toThrow('epochs')
    expect(() => encodeRoot({ ...root, blockCount: 10_002 })).toThrow('usedMap')
  })
})

test('the levels of a map follow from the largest size of the volume', () => {
  expect(mapLevels(1)).toBe(1)
  expect(mapLevels(blocksPerMapPage * mapIndexFanout)).toBe(1)
  expect(mapLevels(blocksPerMapPage * mapIndexFanout + 1)).toBe(2)
  expect(mapLevels(blocksPerMapPage * mapIndexFanout ** 2 + 1)).toBe(3)
})

describe('keys', () => {
  const id = fc.integer({ min: 1, max: 2 ** 52 })

  test('sort as their parts do', () => {
    fc.assert(
      fc.property(id, id, id, id, (a, aOffset, b, bOffset) => {
        const expected = a === b ? aOffset - bOffset : a - b
        expect(Math.sign(compareBytes(recordKey(a, aOffset), recordKey(b, bOffset)))).toBe(
          Math.sign(expected),
        )
      }),
      { seed: 1 },
    )
  })

  test('ranges hold what they say and nothing else', () => {
    const inside = (key: Uint8Array, range: { from: Uint8Array; end: Uint8Array }) =>
      compareBytes(key, range.from) >= 0 && compareBytes(key, range.end) < 0
    fc.assert(
      fc.property(id, id, fc.uint8Array({ minLength: 1, maxLength: 255 }), (a, b, name) => {
        expect(inside(entryKey(a, name), entryRange(b))).toBe(a === b)
        expect(inside(recordKey(a, Number.MAX_SAFE_INTEGER), recordRange(b))).toBe(a === b)
        expect(inside(entryKey(a, name), kindRange('entry'))).toBe(true)
        expect(inside(recordKey(a, b), kindRange('entry'))).toBe(false)
      }),
      { seed: 1 },
    )
    expect(inside(rootEntryKey(), kindRange('entry'))).toBe(true)
  })

  test('the longest name fits', () => {
    expect(entryKey(2, fill(255, 65)).length).toBe(g.keyBytesMax)
    expect(() => entryKey(2, fill(256, 65))).toThrow('255')
  })
})

test('what cannot be stored of an entry is said before it is encoded', () => {
  expect(extraProblem(noExtra)).toBeNull()
  expect(extraProblem({ ...noExtra, contentType: 'x'.repeat(256) })).toContain('content type')
  expect(extraProblem({ ...noExtra, contentType: 'a\r\nb' })).toContain('control')
  expect(extraProblem({ ...noExtra, meta: [['Upper', '']] })).toContain('lower case')
  expect(
    extraProblem({
      ...noExtra,
      meta: [
        ['b', ''],
        ['a', ''],
      ],
    }),
  ).toContain('sorted')
  expect(
    extraProblem({
      ...noExtra,
      meta: [
        ['a', ''],
        ['a', ''],
      ],
    }),
  ).toContain('once')
  expect(extraProblem({ ...noExtra, meta: [['a', 'x'.repeat(2047)]] })).toBeNull()
  expect(extraProblem({ ...noExtra, meta: [['a', 'x'.repeat(2048)]] })).toContain('2048')
  expect(extraProblem({ ...noExtra, meta: [['__proto__', 'x']] })).toBeNull()
  expect(extraProblem({ ...noExtra, target: '\ud800' })).not.toBeNull()
})
