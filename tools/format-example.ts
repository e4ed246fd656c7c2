/**
 * The worked example of docs/format.md: a tiny volume, made by the real engine under a clock that stands still and a
 * seeded random, and cut where a reader would cut it. What is shown is what is in the bytes: nothing is written by hand.
 */
import { MemoryDevice } from '../src/blockdev/memory-device.ts'
import { createPrimary } from '../src/cp-engine/create-volume.ts'
import { openPrimary } from '../src/cp-engine/open-primary.ts'
import {
  decodeLogGroup,
  decodeLogGroupHead,
  logGroupBytes,
  logGroupLayout,
} from '../src/format/disk/log-group.ts'
import { logRecordLayout } from '../src/format/disk/log-record.ts'
import { decodeMapIndex, mapIndexLayout, mapPageLayout } from '../src/format/disk/map-page.ts'
import { type Root, decodeRoot, epochLayout, rootLayout } from '../src/format/disk/root.ts'
import { type Superblock, decodeSuperblock, superblockLayout } from '../src/format/disk/superblock.ts'
import { VerifiedNode, treeNodeLayout } from '../src/format/disk/tree-node.ts'
import { type Layout, isZero } from '../src/format/fields.ts'
import { blockBytes, makeGeometry, superblockAddress, superblockCopyBlocks } from '../src/format/geometry.ts'
import { entryExtraLayout } from '../src/format/items/entry-extra.ts'
import { decodeKey } from '../src/format/items/item-keys.ts'
import { decodeEntryItem, entryItemLayout } from '../src/format/items/items.ts'
import { blockPointerLayout } from '../src/format/pointer-layout.ts'
import { blockPointerBytes, valueBodyOffset, valuePointers } from '../src/format/pointer.ts'
import { VolumeFiles } from '../src/fs/file-system.ts'
import { parsePlainPath } from '../src/fs/paths.ts'
import { decodeUtf8, encodeUtf8, toHex } from '../src/lib/bytes.ts'
import type { Clock } from '../src/lib/clock.ts'
import { seededRandom } from '../src/lib/random.ts'

const mebibyte = 2 ** 20
const exampleTime = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const path = parsePlainPath('letters/hello.txt')
const text = 'hello, world\n'
const loggedText = 'logged\n'

/** Time stands still, so no consistency point comes by itself and every label is the same. */
const stoppedClock: Clock = {
  now: () => exampleTime,
  monotonic: () => 0,
  after: () => () => {},
  sleep: () => new Promise(() => {}),
  yield: () => new Promise((resolve) => setImmediate(resolve)),
}

/** A volume with one published file and, in the log alone, a second one; as a killed process leaves it. */
export async function exampleVolume(): Promise<MemoryDevice> {
  const device = new MemoryDevice()
  const random = seededRandom(2026)
  const clock = stoppedClock
  await createPrimary(device, {
    clock,
    random,
    geometry: makeGeometry(64 * mebibyte, mebibyte, 2 * mebibyte),
    recordChecksum: 'xxh3',
  })
  const engine = await openPrimary(device, {
    clock,
    random,
    nodeCacheBytesMax: mebibyte,
    cpIntervalMs: 1e9,
    queueBytesMax: 8 * mebibyte,
    packing: null,
  })
  const files = new VolumeFiles(engine, clock)
  files.start()
  await files.putFile(path, encodeUtf8(text), { contentType: 'text/plain' })
  await engine.requestCp('requested')
  const { applied } = await files.putFile(parsePlainPath('b'), encodeUtf8(loggedText), {})
  await engine.reach(applied, 'logged')
  return device
}

const hexOf = (bytes: Uint8Array): string =>
  bytes.length > 32 ? `${toHex(bytes.subarray(0, 24))} … (${bytes.length} bytes)` : toHex(bytes)

const tableOf = (rows: readonly (readonly [at: number, bytes: Uint8Array, what: string])[]): string =>
  [
    '| offset | bytes, in hexadecimal | what |',
    '| --: | --- | --- |',
    ...rows.map(([at, bytes, what]) => `| ${at} | \`${hexOf(bytes)}\` | ${what} |`),
  ].join('\n')

type Row = readonly [at: number, bytes: Uint8Array, what: string]

/** Fields that are zero are left out: zeros need no reading. */
function rowsOf(of: Layout, bytes: Uint8Array, base: number): Row[] {
  return of.fields
    .map(({ name, offset, size }): Row => [
      base + offset,
      bytes.subarray(base + offset, base + offset + size),
      name,
    ])
    .filter(([, part]) => !isZero(part, 0, part.length))
}

interface Example {
  readonly superblock: Superblock
  readonly root: Root
  readonly block: (address: number) => Uint8Array
}

async function readExample(
  device: MemoryDevice,
): Promise<Example & { readonly bytes: Uint8Array; readonly at: number }> {
  const whole = new Uint8Array(device.blockCount * blockBytes)
  await device.read(0, whole)
  const found = [0, 1].map((slot) => {
    const at = superblockAddress(slot, 0) * blockBytes
    const bytes = whole.subarray(at, at + superblockCopyBlocks * blockBytes)
    return { slot, bytes, superblock: decodeSuperblock(bytes, slot) }
  })
  const newest = found.toSorted(
    (a, b) => (b.superblock?.generation ?? 0) - (a.superblock?.generation ?? 0),
  )[0]!
  const superblock = newest.superblock!
  return {
    superblock,
    root: decodeRoot(superblock.root!.bytes),
    bytes: newest.bytes,
    at: superblockAddress(newest.slot, 0),
    block: (address) => whole.subarray(address * blockBytes, (address + 1) * blockBytes),
  }
}

function superblockPart({ bytes, at }: { bytes: Uint8Array; at: number }): string {
  const rows = rowsOf(superblockLayout, bytes, 0)
  return `**Blocks ${at} … ${at + superblockCopyBlocks - 1}, the newest slot.** An open reads four copies and takes the newest slot that is right.\n\n${tableOf(rows)}`
}

function rootPart({ superblock, root, block }: Example): string {
  const { address } = superblock.root!
  const bytes = block(address)
  const rows = [
    ...rowsOf(rootLayout, bytes, 0).filter(([, , name]) => name !== 'epochs'),
    ...rowsOf(epochLayout, bytes, rootLayout.at.epochs).map(([at, part, name]): Row => [
      at,
      part,
      `epoch: ${name}`,
    ]),
  ]
  return `**Block ${address}, the root node of CP ${root.cp}.** The superblock has the same bytes inside.\n\n${tableOf(rows)}`
}

function leafPart({ root, block }: Example): string {
  const { address } = root.fileTree.pointer
  const bytes = block(address)
  const node = new VerifiedNode(bytes)
  const { kind } = root.sums
  const rows: Row[] = rowsOf(treeNodeLayout, bytes, 0)
  for (let i = 0; i < node.count; i++) {
    const slot = treeNodeLayout.bytes + 2 * i
    rows.push([slot, bytes.subarray(slot, slot + 2), `slot ${i}: where item ${i} begins`])
  }
  for (let i = 0; i < node.count; i++) {
    const key = node.key(i)
    const value = node.value(i)
    const item = new DataView(bytes.buffer, bytes.byteOffset).getUint16(treeNodeLayout.bytes + 2 * i, true)
    rows.push([item, bytes.subarray(item, item + 4), `item ${i}: lengths of key and value`])
    rows.push([item + 4, key, `item ${i}: key, ${JSON.stringify(decodeKey(key)).replaceAll('"', '')}`])
    const from = item + 4 + key.length
    rows.push([from, value.subarray(0, 1), `item ${i}: block pointers in front of the value`])
    const pointers = valuePointers(value, kind)!
    for (let p = 0; p < pointers.length; p++) {
      const at = from + 1 + p * blockPointerBytes(kind)
      rows.push(
        ...rowsOf(blockPointerLayout, bytes, at).map(([o, part, name]): Row => [
          o,
          part,
          `item ${i}: pointer, ${name}`,
        ]),
      )
      rows.push([
        at + blockPointerLayout.bytes,
        bytes.subarray(at + blockPointerLayout.bytes, at + blockPointerBytes(kind)),
        `item ${i}: pointer, checksum`,
      ])
    }
    const body = from + valueBodyOffset(value, kind)
    if (key[0] === 1) {
      rows.push(
        ...rowsOf(entryItemLayout, bytes, body).map(([o, part, name]): Row => [
          o,
          part,
          `item ${i}: ${name}`,
        ]),
      )
      const extra = body + entryItemLayout.bytes
      const end = from + value.length
      if (end > extra)
        rows.push([
          extra,
          bytes.subarray(extra, end),
          `item ${i}: entry extra (${entryExtraLayout.bytes} bytes of head, then its tail)`,
        ])
    } else rows.push([body, bytes.subarray(body, from + value.length), `item ${i}: the rest of the value`])
  }
  return `**Block ${address}, the file tree: one leaf.** Every key and value as the chapters above have them.\n\n${tableOf(rows)}`
}

function recordPart({ root, block }: Example): string {
  const node = new VerifiedNode(block(root.fileTree.pointer.address))
  for (let i = 0; i < node.count; i++) {
    const key = decodeKey(node.key(i))
    if (key.kind !== 'entry' || key.name !== path.at(-1)) continue
    const { content } = decodeEntryItem(node.value(i), root.sums.kind)
    const bytes = block(content!.address)
    const { payloadBytes } = content!
    const shown = decodeUtf8(bytes.subarray(0, payloadBytes))
    return `**Block ${content!.address}, the record of \`${path.join('/')}\`.** ${payloadBytes} bytes of payload, zeros behind them.\n\n${tableOf([[0, bytes.subarray(0, payloadBytes), `the payload, ${JSON.stringify(shown).replaceAll('\\', '\\\\')}`]])}`
  }
  throw new Error('the example has its file')
}

function mapPart({ root, block }: Example): string {
  const { address } = root.liveMap
  const top = block(address)
  const level = top[mapIndexLayout.at.level]!
  const first = decodeMapIndex(top, 'live', level, 0)[0]!
  const page = block(first.address)
  const used: number[] = []
  for (let bit = 0; bit < (blockBytes - mapPageLayout.at.bits) * 8; bit++)
    if (page[mapPageLayout.at.bits + (bit >>> 3)]! & (1 << (bit & 7))) used.push(bit)
  return `**Block ${address}, the top of the live map, and block ${first.address}, its only page.** The blocks that are in use: ${used.join(', ')}.\n\n${tableOf(rowsOf(mapIndexLayout, top, 0))}`
}

function logPart({ superblock, root, block }: Example): string {
  const { logAddress, logBlocks } = superblock.geometry
  const { position } = superblock.log
  const address = logAddress + ((position / blockBytes) % logBlocks)
  const first = block(address)
  const head = decodeLogGroupHead(first)
  const bytes = new Uint8Array(logGroupBytes(head.payloadBytes))
  for (let at = 0; at < bytes.length; at += blockBytes) bytes.set(block(address + at / blockBytes), at)
  const [decoded] = decodeLogGroup(head, bytes, root.sums.kind)
  const rows: Row[] = [
    ...rowsOf(logGroupLayout, bytes, 0),
    ...rowsOf(logRecordLayout, bytes, logGroupLayout.bytes).map(([at, part, name]): Row => [
      at,
      part,
      `record: ${name}`,
    ]),
  ]
  let at = logGroupLayout.bytes + logRecordLayout.bytes
  for (const { key, value } of decoded!.changes) {
    const length = 4 + key.length + (value?.length ?? 0)
    rows.push([
      at,
      bytes.subarray(at, at + length),
      `record: change of ${JSON.stringify(decodeKey(key)).replaceAll('"', '')}`,
    ])
    at += length
  }
  for (const { payload } of decoded!.inlineWrites) {
    const pointer = blockPointerBytes(root.sums.kind)
    rows.push([at, bytes.subarray(at, at + pointer), 'record: block pointer of an inline write'])
    rows.push([at + pointer, payload, 'record: its payload'])
    at += pointer + payload.length
  }
  return `**Block ${address}, the first group of the log behind that root.** The PUT of \`b\`, which no consistency point has yet.\n\n${tableOf(rows)}`
}

export async function formatExample(): Promise<string> {
  const device = await exampleVolume()
  const example = await readExample(device)
  return [
    superblockPart(example),
    rootPart(example),
    leafPart(example),
    recordPart(example),
    mapPart(example),
    logPart(example),
  ].join('\n\n')
}
