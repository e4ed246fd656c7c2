/** Any value of every stored structure, within its limits. */
import * as fc from 'fast-check'
import { unreachable } from '../../src/lib/assert.ts'
import { concatBytes, encodeUtf8 } from '../../src/lib/bytes.ts'
import type { EntryExtra } from '../../src/format/items/entry-extra.ts'
import type * as items from '../../src/format/items/items.ts'
import { hasControl } from '../../src/format/fields.ts'
import * as keys from '../../src/format/items/item-keys.ts'
import * as g from '../../src/format/geometry.ts'
import type { LogGroupHead } from '../../src/format/disk/log-group.ts'
import { type LogRecord } from '../../src/format/disk/log-record.ts'
import { mapIndexFanout, mapPageBitsBytes } from '../../src/format/disk/map-page.ts'
import {
  type BlockPointer,
  type ChecksumKind,
  type NodePointer,
  noNode,
  nodePointerBytes,
  valueHead,
  writeNodePointer,
} from '../../src/format/pointer.ts'
import { cpMax, openingMax, sequenceMax, timeMsMax, timeMsMin } from '../../src/format/position.ts'
import { type Root, encodeRoot, treeLevelMax } from '../../src/format/disk/root.ts'
import type { Superblock } from '../../src/format/disk/superblock.ts'
import { type NodeItem, nodeRoomBytes } from '../../src/format/disk/tree-node.ts'

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
export const integer = (max: number, min = 0) =>
  fc.maxSafeInteger().map((n) => min + (Math.abs(n) % (max - min + 1)))
export const safe = fc.maxSafeNat()
export const cp = integer(cpMax)
/** Characters that decoders, trimming and terminals treat in a way of their own; no control characters. */
export const oddCharacters: readonly string[] = [
  '\u{feff}',
  '\u{fffe}',
  '\u{ffff}',
  '\u{fffd}',
  '\u{a0}',
  '\u{2028}',
  '\u{200b}',
  '\u{10ffff}',
  'e\u{301}',
  ' ',
]
/** Well-formed, without control characters, of at most so many bytes; some begin or end with an odd character. */
export const text = (bytesMax: number, bytesMin = 0) =>
  fc
    .tuple(
      fc.constantFrom('', '', '', ...oddCharacters),
      fc.string({ unit: 'grapheme', maxLength: Math.min(bytesMax, 60) }),
      fc.constantFrom('', '', '', ...oddCharacters),
    )
    .map((parts) => parts.join(''))
    .filter((s) => !hasControl(s))
    .filter((s) => encodeUtf8(s).length <= bytesMax && encodeUtf8(s).length >= bytesMin)

const dataAddress = integer(2 ** 28 - 300, 9300).map((n) => (n % 256 < 4 ? n + 4 : n))
export const nodePointer: fc.Arbitrary<NodePointer> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(noNode) },
  { weight: 4, arbitrary: fc.record({ address: dataAddress, sum: bytesOf(32) }) },
)
export const someNode = nodePointer.filter((pointer) => pointer.address > 0)

const blockPointer = (sums: ChecksumKind, payloadMax = g.recordBytesMax): fc.Arbitrary<BlockPointer> =>
  fc
    .record({
      address: dataAddress,
      payloadBytes: integer(payloadMax, 1),
      encoding: fc.constantFrom('raw' as const, 'zstd' as const),
      sum: bytesOf(sums === 'xxh3' ? 8 : 32),
    })
    .map((p) => ({ ...p, blocks: Math.ceil(p.payloadBytes / g.blockBytes) }))

const treeRoot = fc
  .record({ pointer: nodePointer, level: integer(treeLevelMax) })
  .map(({ pointer, level }) => ({ pointer, level: pointer.address === 0 ? 0 : level }))

const epochs = fc
  .uniqueArray(
    fc.record({
      number: integer(g.epochMax),
      n: integer(g.cpsPerEpoch - 1),
      id: bytesOf(8),
      rootHashBefore: bytesOf(32),
    }),
    { minLength: 1, maxLength: g.epochsMax, selector: (epoch) => epoch.number },
  )
  .map((list) =>
    list
      .toSorted((a, b) => a.number - b.number)
      .map(({ number, n, id, rootHashBefore }) => ({
        number,
        id,
        firstCp: number * g.cpsPerEpoch + n,
        rootHashBefore,
      })),
  )

const word = integer(2 ** 32 - 1)
/** Unknown bits that do not keep anybody from reading. */
const features = fc.record({ incompat: fc.constant(0), readOnlyCompat: word, compat: word })

export const root: fc.Arbitrary<Root> = fc
  .record({
    features,
    volumeUuid: bytesOf(16),
    after: integer(1e6),
    blockCount: fc.constant(2 ** 28),
    blocksMax: integer(g.volumeBlocksLimit, 2 ** 28),
    sums: fc.record({
      kind: fc.constantFrom('xxh3' as const, 'sha256' as const),
      seed: integer(2 ** 32 - 1),
    }),
    fileTree: treeRoot,
    snapshotsTree: treeRoot,
    liveMap: nodePointer,
    usedMap: nodePointer,
    epochs,
    counters: fc.array(fc.maxSafeNat(), { minLength: g.countersMax, maxLength: g.countersMax }),
    committedAtMs: integer(timeMsMax),
    sequence: integer(sequenceMax),
    opening: integer(openingMax),
    previousHash: bytesOf(32),
    snapshotName: fc.option(text(g.snapshotNameBytesMax, 1)),
  })
  .map(({ after, ...rest }) => {
    const current = rest.epochs.at(-1)!
    const cpEnd = (current.number + 1) * g.cpsPerEpoch - 1
    return { ...rest, cp: Math.min(current.firstCp + after, cpEnd) }
  })

export const superblock: fc.Arbitrary<Superblock> = fc
  .record({
    features,
    volumeUuid: bytesOf(16),
    sideUuid: bytesOf(16),
    generation: fc.maxSafeNat(),
    role: fc.constantFrom('primary' as const, 'mirror' as const),
    epoch: fc.record({ number: integer(g.epochMax), id: bytesOf(8) }),
    fenced: fc.boolean(),
    outdated: fc.boolean(),
    opening: integer(openingMax),
    firstCp: cp,
    root: fc.option(fc.record({ address: dataAddress, bytes: root.map(encodeRoot) })),
    holds: fc.array(fc.record({ memberUuid: bytesOf(16), cp, root: someNode }), { maxLength: g.holdsMax }),
    members: fc.uniqueArray(fc.record({ uuid: bytesOf(16), url: text(g.memberUrlBytesMax, 1) }), {
      maxLength: g.membersMax,
      selector: (member) => member.uuid.toHex(),
    }),
    log: fc.record({
      nonce: bytesOf(8),
      position: integer(2 ** 40).map((n) => n * 4096),
      chain: bytesOf(32),
    }),
    geometry: fc.constant(g.fixedPart(g.makeGeometry())),
    goingBack: fc.boolean(),
  })
  .map((s) => (s.root ? s : { ...s, role: 'mirror' as const }))

export const extra: fc.Arbitrary<EntryExtra> = fc.record({
  contentType: fc.option(text(255, 1)),
  meta: fc
    .uniqueArray(fc.tuple(fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9a-z]{1,64}$/), text(20)), {
      maxLength: 20,
      selector: ([name]) => name,
    })
    .map((pairs) => pairs.toSorted(([a], [b]) => (a < b ? -1 : 1))),
  target: fc.option(text(4096, 1)),
  unknown: fc
    .uniqueArray(fc.record({ type: integer(0xffff, 4), bytes: fc.uint8Array({ maxLength: 40 }) }), {
      maxLength: 3,
      selector: ({ type }) => type,
    })
    .map((members) => members.toSorted((a, b) => a.type - b.type)),
})

export const entryItem = (sums: ChecksumKind): fc.Arbitrary<items.EntryItem> =>
  fc
    .record({
      kind: fc.constantFrom('file' as const, 'directory' as const, 'link' as const),
      version: fc.record({
        epoch: integer(g.epochMax),
        opening: integer(openingMax),
        sequence: integer(sequenceMax),
      }),
      mode: integer(0o7777),
      createdMs: integer(timeMsMax, timeMsMin),
      createdNanos: integer(999_999),
      modifiedMs: integer(timeMsMax, timeMsMin),
      modifiedNanos: integer(999_999),
      size: fc.maxSafeNat(),
      id: integer(Number.MAX_SAFE_INTEGER, 1),
      content: fc.option(blockPointer(sums)),
      inline: extra,
      record: fc.option(blockPointer(sums)),
      target: text(200, 1),
    })
    .map(({ inline, record, target, ...item }) => {
      const isLink = item.kind === 'link'
      const stored = record
        ? { inline: null, record }
        : { inline: { ...inline, target: isLink ? target : null }, record: null }
      const size = isLink ? encodeUtf8(target).length : item.size
      if (item.kind !== 'file')
        return { ...item, extra: stored, content: null, size: isLink ? size : 0, id: isLink ? 0 : item.id }
      if (!item.content) return { ...item, extra: stored }
      return { ...item, extra: stored, id: 0, size: Math.max(size, item.content.payloadBytes) }
    })

export const span = integer(20, 12).map((log) => 2 ** log)
export const recordItem = (sums: ChecksumKind): fc.Arbitrary<items.RecordItem> =>
  fc
    .record({ pointer: blockPointer(sums), span, rawBytes: integer(g.recordBytesMax) })
    .map(({ pointer, span: own, rawBytes }) =>
      pointer.encoding === 'raw'
        ? {
            pointer,
            span: Math.max(own, 2 ** Math.ceil(Math.log2(pointer.payloadBytes))),
            rawBytes: pointer.payloadBytes,
          }
        : { pointer, span: own, rawBytes: 1 + (rawBytes % own) },
    )

export const keyOf = (key: keys.ItemKey): Uint8Array => {
  if (key.kind === 'entry') {
    return key.directory === 0 ? keys.rootEntryKey() : keys.entryKey(key.directory, encodeUtf8(key.name))
  }
  switch (key.kind) {
    case 'record':
      return keys.recordKey(key.object, key.offset)
    case 'object':
      return keys.objectKey(key.object)
    case 'orphan':
      return keys.orphanKey(key.orphan)
    case 'directory':
      return keys.directoryKey(key.directory)
    case 'setting':
      return keys.settingKey(key.name)
    default:
      return unreachable(key)
  }
}
export const id = integer(2 ** 53 - 2, 1)
export const itemKey: fc.Arbitrary<keys.ItemKey> = fc.oneof(
  fc.constant({ kind: 'entry' as const, directory: 0, name: '' }),
  fc.record({ kind: fc.constant('entry' as const), directory: id, name: text(255, 1) }),
  fc.record({ kind: fc.constant('record' as const), object: id, offset: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('object' as const), object: id }),
  fc.record({ kind: fc.constant('orphan' as const), orphan: id }),
  fc.record({ kind: fc.constant('directory' as const), directory: id }),
  fc.record({ kind: fc.constant('setting' as const), name: fc.stringMatching(/^[!-~]{1,255}$/) }),
)

const sortedByKey = <T extends { readonly key: Uint8Array }>(list: readonly T[]): T[] =>
  list.toSorted((a, b) => Buffer.compare(a.key, b.key))
const uniqueKey = { selector: (item: { readonly key: Uint8Array }) => item.key.toHex() }
const value = fc
  .tuple(fc.array(blockPointer('xxh3'), { maxLength: 2 }), fc.uint8Array({ maxLength: 80 }))
  .map(([pointers, body]) => concatBytes(valueHead(pointers, 'xxh3'), body))

/** Runs that do not overlap: each in its own stretch of the volume. */
const spread = <T>(list: readonly T[], move: (of: T, address: number) => T): T[] =>
  list.map((of, i) => move(of, 10_000 + i * 300))
export const logRecord: fc.Arbitrary<LogRecord> = fc.record({
  sequence: integer(sequenceMax, 1_000),
  sequenceCount: integer(1_000, 1),
  countedOnCp: cp,
  atMs: integer(timeMsMax),
  counters: fc.array(fc.maxSafeNat(), { minLength: 8, maxLength: 8 }),
  changes: fc
    .uniqueArray(fc.record({ key: itemKey.map(keyOf), value: fc.option(value) }), {
      maxLength: 12,
      ...uniqueKey,
    })
    .map(sortedByKey),
  inlineWrites: fc
    .array(
      blockPointer('xxh3', 300).chain((pointer) =>
        fc.record({
          pointer: fc.constant(pointer),
          payload: fc.nat(255).map((b) => new Uint8Array(pointer.payloadBytes).fill(b)),
        }),
      ),
      { maxLength: 4 },
    )
    .map((list) => spread(list, (write, address) => ({ ...write, pointer: { ...write.pointer, address } }))),
  namedWrites: fc
    .array(blockPointer('xxh3'), { maxLength: 6 })
    .map((list) => spread(list, (pointer, address) => ({ ...pointer, address }))),
})

/** One that names nothing is not stored. */
export const mapPointers = fc
  .array(nodePointer, { minLength: mapIndexFanout, maxLength: mapIndexFanout })
  .filter((pointers) => pointers.some(({ address }) => address > 0))

export interface GroupValue {
  readonly head: Pick<
    LogGroupHead,
    'volumeUuid' | 'nonce' | 'position' | 'chain' | 'synced' | 'firstSequence' | 'flags'
  >
  readonly records: readonly LogRecord[]
}
export const logGroup: fc.Arbitrary<GroupValue> = fc
  .record({
    volumeUuid: bytesOf(16),
    nonce: bytesOf(8),
    position: integer(2 ** 40).map((n) => n * 4096),
    chain: bytesOf(32),
    firstSequence: integer(sequenceMax - 2 ** 34, 1),
    flags: integer(0xffff).map((n) => n * 2 ** 16),
    records: fc.array(logRecord, { maxLength: 3 }),
  })
  .map(({ records, firstSequence, ...head }) => {
    let sequence = firstSequence - 1
    return {
      head: {
        ...head,
        synced: Math.floor(head.position / 2),
        firstSequence: records.length > 0 ? firstSequence : 0,
      },
      records: records.map((record) => ({ ...record, sequence: (sequence += record.sequenceCount) })),
    }
  })

export const leaf = fc
  .uniqueArray(fc.record({ key: itemKey.map(keyOf), value }), { minLength: 1, maxLength: 20, ...uniqueKey })
  .map((list): NodeItem[] => {
    let room = nodeRoomBytes
    return sortedByKey(list).filter((item) => (room -= item.key.length + item.value.length + 6) >= 0)
  })

export const bits = fc.nat().map((seed): Uint8Array => {
  const out = new Uint8Array(mapPageBitsBytes)
  for (let i = 0; i < 64; i++) out[(seed * (i + 1)) % out.length] = seed >>> (i % 24)
  // A page without a bit is not stored.
  out[seed % out.length]! |= 1
  return out
})

/** Of an inner node: the first key is empty, and every pointer has an address and a checksum. */
export const inner = fc
  .uniqueArray(fc.record({ key: itemKey.map(keyOf), pointer: someNode }), {
    minLength: 1,
    maxLength: 12,
    ...uniqueKey,
  })
  .map((list): NodeItem[] =>
    sortedByKey(list).map(({ key, pointer }, i) => {
      const bytes = new Uint8Array(nodePointerBytes)
      writeNodePointer(bytes, 0, pointer)
      return { key: i === 0 ? new Uint8Array(0) : key, value: bytes }
    }),
  )
