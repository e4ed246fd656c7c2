/**
 * Every structure that is stored, as the tests of the format see it: how to make any value of it, to bytes and back.
 * Round trips, golden bytes and the fuzzer all run over this one list.
 */
import * as fc from 'fast-check'
import { concatBytes, readU32 } from '../../src/lib/bytes.ts'
import { sha256, xxh3 } from '../../src/lib/checksum.ts'
import { decodeEntryExtra, encodeEntryExtra, isEmptyExtra } from '../../src/format/items/entry-extra.ts'
import * as items from '../../src/format/items/items.ts'
import { decodeDirectoryItem, encodeDirectoryItem } from '../../src/format/items/directory-item.ts'
import { timeMsMax } from '../../src/format/position.ts'
import * as token from '../../src/format/items/token-setting.ts'
import { decodeSettingItem, encodeSettingItem, settingBytesMax } from '../../src/format/items/setting-item.ts'
import { decodeKey } from '../../src/format/items/item-keys.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import * as group from '../../src/format/disk/log-group.ts'
import { decodeLogRecord, encodeLogRecord } from '../../src/format/disk/log-record.ts'
import * as map from '../../src/format/disk/map-page.ts'
import { decodeRoot, encodeRoot } from '../../src/format/disk/root.ts'
import { decodeSnapshotItem, encodeSnapshotItem } from '../../src/format/disk/snapshot-item.ts'
import { decodeSuperblock, encodeSuperblock, superblockLayout } from '../../src/format/disk/superblock.ts'
import { encodeNode, verifyNode } from '../../src/format/disk/tree-node.ts'
import * as make from './values.ts'

export interface Structure<T = unknown> {
  readonly name: string
  readonly values: fc.Arbitrary<T>
  readonly encode: (value: T) => Uint8Array
  /** Throws `corrupt`, or returns null, for what is not its own. */
  readonly decode: (bytes: Uint8Array) => T | null
  /** Makes the checksums inside right again, so that a mutation reaches what is behind them. */
  readonly reseal?: (bytes: Uint8Array) => void
  /** One value may have several forms. */
  readonly hasManyForms?: boolean
  /** What a decoder may return at most; without it a small multiple of what it was given. */
  readonly bytesMax?: number
}

const mapKind = 'used' as const
const block = (): Uint8Array => new Uint8Array(blockBytes)

function structure<T>(
  name: string,
  values: fc.Arbitrary<T>,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T | null,
  reseal?: (bytes: Uint8Array) => void,
): Structure {
  // The list holds structures of many types; each is only ever fed with its own values.
  return {
    name,
    values,
    encode: encode as (value: unknown) => Uint8Array,
    decode,
    ...(reseal ? { reseal } : {}),
  }
}

function resealSuperblock(bytes: Uint8Array): void {
  const { sum, volumeUuid } = superblockLayout.at
  if (bytes.length < volumeUuid) return
  bytes.fill(0, sum, volumeUuid)
  bytes.set(sha256(bytes), sum)
}

function resealGroup(bytes: Uint8Array): void {
  const { payloadBytes, payloadSum, sum } = group.logGroupLayout.at
  if (bytes.length < group.logGroupHeadBytes) return
  const length = readU32(bytes, payloadBytes)
  const payload = bytes.subarray(group.logGroupHeadBytes, group.logGroupHeadBytes + length)
  bytes.set(xxh3(payload, readU32(bytes, group.logGroupLayout.at.nonce)), payloadSum)
  bytes.set(sha256(bytes.subarray(0, sum)), sum)
}

/** In a buffer that holds something else before. */
function groupOf({ head, records }: make.GroupValue): Uint8Array {
  const payload = concatBytes(...records.map((record) => encodeLogRecord(record, 'xxh3')))
  const bytes = new Uint8Array(group.logGroupBytes(payload.length)).fill(0xa5)
  bytes.set(payload, group.logGroupHeadBytes)
  const end = group.logGroupHeadBytes + payload.length
  group.sealLogGroup(bytes, end, { ...head, recordCount: records.length })
  return bytes
}

export const structures: readonly Structure[] = [
  structure('root', make.root, encodeRoot, decodeRoot),
  structure(
    'superblock',
    make.superblock,
    (s) => encodeSuperblock(s, 1),
    (bytes) => decodeSuperblock(bytes, 1),
    resealSuperblock,
  ),
  structure(
    'map-page',
    make.bits,
    (value) => {
      const target = block()
      map.encodeMapPage(mapKind, 77, value, target)
      return target
    },
    (bytes) => map.decodeMapPage(bytes, mapKind, 77),
  ),
  structure(
    'map-index',
    make.mapPointers,
    (pointers) => {
      const target = block()
      map.encodeMapIndex(mapKind, 2, 5, pointers, target)
      return target
    },
    (bytes) => map.decodeMapIndex(bytes, mapKind, 2, 5),
  ),
  structure(
    'tree-leaf',
    make.leaf,
    (list) => encodeNode(0, list),
    (bytes) => {
      const node = verifyNode(bytes, { level: 0, lower: null, upper: null })
      return Array.from({ length: node.count }, (_, i) => ({ key: node.key(i), value: node.value(i) }))
    },
  ),
  structure(
    'tree-inner',
    make.inner,
    (list) => encodeNode(3, list),
    (bytes) => {
      const node = verifyNode(bytes, { level: 3, lower: null, upper: null })
      return Array.from({ length: node.count }, (_, i) => ({ key: node.key(i), value: node.value(i) }))
    },
  ),
  structure('item-key', make.itemKey, make.keyOf, decodeKey),
  ...(['xxh3', 'sha256'] as const).flatMap((sums) => [
    structure(
      `entry-item-${sums}`,
      make.entryItem(sums),
      (item) => items.encodeEntryItem(item, sums),
      (bytes) => items.decodeEntryItem(bytes, sums),
    ),
    structure(
      `record-item-${sums}`,
      make.recordItem(sums),
      (item) => items.encodeRecordItem(item, sums),
      (bytes) => items.decodeRecordItem(bytes, sums),
    ),
  ]),
  structure(
    'entry-extra',
    make.extra.filter((value) => !isEmptyExtra(value)),
    encodeEntryExtra,
    decodeEntryExtra,
  ),
  structure(
    'object-item',
    fc.record({
      entries: make.integer(2 ** 32 - 1),
      size: make.safe,
      span: make.span,
      base: make.safe,
    }),
    items.encodeObjectItem,
    items.decodeObjectItem,
  ),
  structure(
    'orphan-item',
    fc.oneof(
      fc.record({
        kind: fc.constantFrom('directory' as const, 'object' as const, 'upload' as const),
        id: make.id,
        offset: fc.constant(0),
      }),
      fc.record({ kind: fc.constant('tail' as const), id: make.id, offset: make.safe }),
    ),
    items.encodeOrphanItem,
    items.decodeOrphanItem,
  ),
  structure(
    'directory-item',
    fc.record({ parent: make.id, name: make.text(255, 1) }),
    encodeDirectoryItem,
    decodeDirectoryItem,
  ),
  structure(
    'setting-item',
    fc.uint8Array({ maxLength: settingBytesMax }),
    encodeSettingItem,
    decodeSettingItem,
  ),
  structure(
    'token-setting',
    fc.record({
      sum: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      role: fc.constantFrom(...token.tokenRoles),
      name: make.text(token.tokenNameBytesMax, 1),
      prefix: make.text(token.tokenPrefixBytesMax),
      createdMs: make.integer(timeMsMax),
      expiresMs: fc.oneof(fc.constant(null), make.integer(timeMsMax, 1)),
    }),
    token.encodeTokenSetting,
    token.decodeTokenSetting,
  ),
  structure(
    'access-mark',
    fc.uint8Array({ minLength: token.accessMarkBytes, maxLength: token.accessMarkBytes }),
    token.encodeAccessMark,
    token.decodeAccessMark,
  ),
  structure(
    'snapshot-item',
    fc.record({ cp: make.cp, root: make.someNode, name: make.text(255, 1) }),
    (item) => {
      const { key, value: body } = encodeSnapshotItem(item)
      return concatBytes(key, body)
    },
    (bytes) => decodeSnapshotItem(bytes.subarray(0, 8), bytes.subarray(8)),
  ),
  structure(
    'log-record',
    make.logRecord,
    (record) => encodeLogRecord(record, 'xxh3'),
    (bytes) => decodeLogRecord(bytes, 'xxh3'),
  ),
  structure('log-group', make.logGroup, groupOf, decodeGroup, resealGroup),
]

function decodeGroup(bytes: Uint8Array): make.GroupValue | null {
  const head = group.decodeLogGroupHead(bytes)
  const records = group.decodeLogGroup(head, bytes, 'xxh3')
  // Nothing is lost by other padding, and a group has one form.
  if (!group.hasZerosBehind(head, bytes)) return null
  const { volumeUuid, nonce, position, chain, synced, firstSequence, flags } = head
  return { head: { volumeUuid, nonce, position, chain, synced, firstSequence, flags }, records }
}
