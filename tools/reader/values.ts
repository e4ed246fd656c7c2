import { Bytes, greatest } from './bytes.ts'
import {
  type BlockPointer,
  blockPointer,
  blockPointerBytes,
  type NodePointer,
  nodePointer,
} from './pointers.ts'

const secondsMax = 315_569_520_000

export interface Entry {
  readonly entryKind: 'file' | 'directory' | 'link'
  readonly mode: number
  readonly version: { readonly epoch: number; readonly opening: number; readonly sequence: number }
  readonly created: string
  readonly modified: string
  readonly size: number
  readonly id: number
  readonly content: BlockPointer | undefined
  /** Where the extra is: a record, bytes behind the entry, or nowhere. */
  readonly extra: BlockPointer | Uint8Array | undefined
}

export interface RecordItem {
  readonly span: number
  readonly rawBytes: number
  readonly pointer: BlockPointer
}

export interface ObjectItem {
  readonly span: number
  readonly entries: number
  readonly size: number
  readonly base: number
}

export interface OrphanItem {
  readonly orphanKind: 'directory' | 'object' | 'upload' | 'tail'
  readonly id: number
  readonly offset: number
}

/** Splits a value into the pointers in front and what is behind them. */
export function splitValue(
  value: Uint8Array,
  checksumKind: number,
): { pointers: BlockPointer[]; rest: Uint8Array } {
  const bytes = new Bytes(value, 'item')
  const count = bytes.u8(0)
  bytes.want(count <= 2, 'a value has too many pointers')
  const each = blockPointerBytes(checksumKind)
  const pointers = Array.from({ length: count }, (_, i) => blockPointer(bytes, 1 + i * each, checksumKind))
  return { pointers, rest: value.subarray(1 + count * each) }
}

export function decodeEntry(value: Uint8Array, checksumKind: number): Entry {
  const { pointers, rest } = splitValue(value, checksumKind)
  const bytes = new Bytes(rest, 'entry')
  bytes.head(16)
  const entryKind = (['file', 'directory', 'link'] as const)[bytes.u8(2) - 1]
  const flags = bytes.u8(3)
  bytes.want(flags < 4, 'a flag of an entry is unknown')
  bytes.want(pointers.length === (flags & 1) + (flags >> 1), 'the flags do not fit the pointers')
  bytes.zeros(54, 12)
  const inline = rest.subarray(66)
  bytes.want(flags < 2 || inline.length === 0, 'an entry has its extra twice')
  const entry: Entry = {
    entryKind: entryKind ?? 'file',
    mode: bytes.u16(6),
    version: { epoch: bytes.u16(4), opening: bytes.u32(8), sequence: bytes.u48(12) },
    created: time(bytes, 18),
    modified: time(bytes, 28),
    size: bytes.u64(38),
    id: bytes.u64(46),
    content: (flags & 1) === 0 ? undefined : pointers[0],
    extra: (flags & 2) === 0 ? (inline.length === 0 ? undefined : inline) : pointers.at(-1),
  }
  bytes.want(entryKind !== undefined, 'the kind of an entry is unknown')
  bytes.want(entry.mode <= 0o7777, 'a mode has other bits than permissions')
  bytes.want(entryKind === 'file' || entry.content === undefined, 'only a file has content')
  bytes.want(entry.content === undefined || entry.id === 0, 'an entry has a content pointer and an object')
  if (entryKind === 'directory')
    bytes.want(entry.size === 0 && entry.id > 0, 'a directory has a size, or no id')
  if (entryKind === 'link')
    bytes.want(entry.id === 0 && entry.extra !== undefined, 'a link has an id, or no target')
  return entry
}

/** A time as RFC 3339, with nine digits behind the point. */
function time(bytes: Bytes, offset: number): string {
  const seconds = bytes.u48(offset)
  const nanos = bytes.u32(offset + 6)
  bytes.want(seconds < secondsMax && nanos < 1e9, 'a time is out of range')
  const date = new Date((seconds - 62_167_219_200) * 1000).toISOString()
  return `${date.slice(0, 19)}.${String(nanos).padStart(9, '0')}Z`
}

export function decodeRecord(value: Uint8Array, checksumKind: number): RecordItem {
  const { pointers, rest } = splitValue(value, checksumKind)
  const bytes = new Bytes(rest, 'record')
  bytes.head(17)
  bytes.want(bytes.length === 8, 'a record item has another length')
  bytes.zeros(3, 1)
  const span = spanOf(bytes)
  const rawBytes = bytes.u32(4)
  const [pointer, second] = pointers
  bytes.want(second === undefined, 'a record has two pointers')
  if (pointer === undefined) throw new Error('a record has no pointer')
  bytes.want(rawBytes >= 1 && rawBytes <= span, 'a record is longer than its span')
  return { span, rawBytes, pointer }
}

function spanOf(bytes: Bytes): number {
  const log = bytes.u8(2)
  bytes.want(log >= 12 && log <= 20, 'a span is out of range')
  return 2 ** log
}

/** The bytes of a value that has no pointers. */
function plain(value: Uint8Array, kind: string): Bytes {
  const bytes = new Bytes(value.subarray(1), kind)
  bytes.want(value[0] === 0, 'a value has pointers that it must not have')
  return bytes
}

export function decodeObject(value: Uint8Array): ObjectItem {
  const bytes = plain(value, 'object')
  bytes.head(18)
  bytes.want(bytes.length === 24, 'an object item has another length')
  bytes.zeros(3, 1)
  return { span: spanOf(bytes), entries: bytes.u32(4), size: bytes.u64(8), base: bytes.u64(16) }
}

export function decodeOrphan(value: Uint8Array): OrphanItem {
  const bytes = plain(value, 'orphan')
  bytes.head(19)
  bytes.want(bytes.length === 20, 'an orphan item has another length')
  bytes.zeros(3, 1)
  const orphanKind = (['directory', 'object', 'upload', 'tail'] as const)[bytes.u8(2) - 1]
  const offset = bytes.u64(12)
  bytes.want(orphanKind !== undefined, 'the kind of an orphan is unknown')
  bytes.want(orphanKind === 'tail' || offset === 0, 'an orphan that is no tail has an offset')
  return { orphanKind: orphanKind ?? 'tail', id: bytes.u64(4), offset }
}

export function decodeDirectory(value: Uint8Array): { parent: number; name: string } {
  const bytes = plain(value, 'directory')
  bytes.head(22)
  bytes.want(bytes.length > 10 && bytes.length <= 265, 'the name of a directory item has a bad length')
  return { parent: bytes.u64(2), name: bytes.text(10, bytes.length - 10) }
}

export function checkSetting(name: string, value: Uint8Array): void {
  const bytes = plain(value, 'setting')
  bytes.head(23)
  if (name === 'access-mark') {
    const mark = bytes.part(2, bytes.length - 2, 'access mark')
    mark.head(25)
    mark.want(mark.length === 18, 'an access mark has another length')
  }
  if (name.startsWith('token/')) checkToken(bytes.part(2, bytes.length - 2, 'token'))
}

function checkToken(token: Bytes): void {
  token.head(24)
  const [role, nameBytes, prefixBytes] = [token.u8(2), token.u8(3), token.u16(4)]
  token.want(role >= 1 && role <= 4, 'the role of a token is unknown')
  token.want(nameBytes >= 1 && nameBytes <= 64 && prefixBytes <= 512, 'a text of a token has a bad length')
  token.want(token.length === 54 + nameBytes + prefixBytes, 'a token has another length')
  token.upTo(6, greatest.ms)
  token.upTo(14, greatest.ms)
  token.text(54, nameBytes)
  token.text(54 + nameBytes, prefixBytes)
}

export function decodeSnapshot(value: Uint8Array): { name: string; root: NodePointer } {
  const bytes = plain(value, 'snapshot')
  bytes.head(21)
  bytes.zeros(3, 1)
  const nameBytes = bytes.u8(2)
  bytes.want(nameBytes > 0 && bytes.length === 44 + nameBytes, 'the name of a snapshot has a bad length')
  return { root: nodePointer(bytes, 4), name: bytes.text(44, nameBytes) }
}
