/** Small parts of the fake engine: what it remembers, its roots, and streams that remember what they added. */
import type {
  Item,
  PreparedRecord,
  PublishedRoot,
  RecordStream,
  TreeView,
  Tx,
} from '../../src/cp-engine/contract.ts'
import { noFeatures } from '../../src/format/features.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { noNode } from '../../src/format/pointer.ts'
import type { BlockPointer, ChecksumKind } from '../../src/format/pointer.ts'
import type { Root } from '../../src/format/disk/root.ts'
import { assert } from '../../src/lib/assert.ts'
import { readU64BigEndian, toHex } from '../../src/lib/bytes.ts'
import { valueOf } from './fake-items.ts'

export interface Operation {
  readonly changes: readonly { readonly key: Uint8Array; readonly value: Uint8Array | null }[]
  readonly counters: readonly number[]
}

export type Mode = 'operation' | 'hidden'

export interface Done<T> {
  readonly result: T
  readonly changed: boolean
  readonly changes: Operation['changes']
  readonly sequence: number
}

export interface Image {
  readonly published: PublishedRoot
  readonly items: readonly Item[]
}

export interface FakeEngineOptions {
  readonly seed?: number
  readonly kind?: ChecksumKind
  /** Chances out of 100. */
  readonly missPercent?: number
  readonly cutPercent?: number
  /** Published roots that stay readable. */
  readonly retainedMax?: number
  nowMs?: () => number
}

type Told = Pick<Root, 'cp' | 'sums' | 'counters' | 'committedAtMs' | 'sequence' | 'opening'>

export function fakeRoot(told: Told): Root {
  return {
    features: noFeatures,
    volumeUuid: new Uint8Array(16).fill(7),
    blockCount: 2_000_000,
    blocksMax: 2_000_000,
    fileTree: { pointer: noNode, level: 0 },
    snapshotsTree: { pointer: noNode, level: 0 },
    liveMap: noNode,
    usedMap: noNode,
    epochs: [{ number: 0, id: new Uint8Array(8), firstCp: 1, rootHashBefore: new Uint8Array(32) }],
    previousHash: new Uint8Array(32),
    snapshotName: null,
    ...told,
  }
}

type StreamAdd = (
  change: (tx: Tx) => void,
  records: readonly PreparedRecord[],
  stream: FakeStream,
) => Promise<void>

export class FakeStream implements RecordStream {
  readonly changes = new Map<string, { key: Uint8Array; value: Uint8Array | null }>()
  constructor(private readonly doAdd: StreamAdd) {}
  add(change: (tx: Tx) => void, records: readonly PreparedRecord[]): Promise<void> {
    return this.doAdd(change, records, this)
  }
}

/** As on a fragmented volume. */
export function cutAtRandom(
  bytes: number,
  recordBytes: number,
  isCut: () => boolean,
  /** Null for zeros. */
  prepare: (offset: number, length: number) => PreparedRecord | null,
): PreparedRecord[] {
  const records: PreparedRecord[] = []
  const cut = (offset: number, length: number) => {
    const blocks = Math.ceil(length / blockBytes)
    if (blocks > 1 && isCut()) {
      const first = Math.ceil(blocks / 2) * blockBytes
      cut(offset, first)
      cut(offset + first, length - first)
    } else {
      const record = prepare(offset, length)
      if (record) records.push(record)
    }
  }
  for (let at = 0; at < bytes; at += recordBytes) cut(at, Math.min(recordBytes, bytes - at))
  return records
}

/** `before`: what an operation has changed so far, by key in hexadecimal. */
export function mustBeHidden(
  items: Item[],
  key: Uint8Array,
  before: ReadonlyMap<string, { value: Uint8Array | null }>,
): void {
  assert(![1, 5, 6].includes(key[0]!), 'hidden steps touch no entry, own item or setting')
  const id = readU64BigEndian(key, 1)
  const orphan = new Uint8Array(9)
  orphan.set(key.subarray(0, 9))
  orphan[0] = 4
  const was = before.has(toHex(orphan)) ? before.get(toHex(orphan))!.value : valueOf(items, orphan)
  assert(was || valueOf(items, orphan), `object ${id} is hidden`)
}

/** What `recordRun` of a view promises, one record after the other. */
export async function recordRun(
  view: Pick<TreeView, 'record'>,
  pointers: readonly BlockPointer[],
  target: Uint8Array,
): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = []
  let at = 0
  for (const pointer of pointers) {
    const bytes = await view.record(pointer)
    target.set(bytes, at)
    parts.push(target.subarray(at, at + bytes.length))
    at += pointer.blocks * blockBytes
  }
  assert(at === target.length, 'a target is as long as the blocks')
  return parts
}
