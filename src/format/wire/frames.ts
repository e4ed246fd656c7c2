/**
 * Codec for frames, in which primary and mirror talk to each other. A frame is a fixed head, a body of its kind and,
 * for blocks, the bytes.
 *
 * - A frame can be checked alone: head and body have one checksum, and each run of blocks has its own. So damage to a
 *   run costs only that run, and a stream that was cut anywhere continues with the next frame of the next connection.
 * - Every frame names volume, epoch, session, cp and base. A position is (cp, root hash): equal numbers of two
 *   histories differ in the hash. The position before the first root is cp 0 with a hash of zeros.
 * - A body may travel packed (zstd). The checksum covers the bytes that travel, so a decoder unpacks only bytes that
 *   the sender has packed.
 * - Lengths are checked before bytes are taken in, and every value that a decoder returns was in range. All other
 *   values are `corrupt`.
 * - Decoders do not know how large the volume is. The writer of a run checks its addresses against the geometry.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { sha256Bytes, xxh3, xxh3Bytes } from '../../lib/checksum.ts'
import { formatUuid, parseUuid } from '../../lib/random.ts'
import { packNow, unpack } from '../../lib/zstd.ts'
import { Reader, Writer, layout } from '../fields.ts'
import { blockBytes, epochMax } from '../geometry.ts'
import { cpMax } from '../position.ts'
import {
  blocksLayout,
  decodeBody,
  encodeBody,
  errorLayout,
  helloAnswerLayout,
  helloLayout,
  offerLayout,
  pollLayout,
  runLayout,
  statusLayout,
  wantLayout,
} from './bodies.ts'
import {
  type FrameBody,
  type FrameHead,
  type FrameKind,
  type Message,
  bodyBytesMax,
  dataBytesMax,
  frameKinds,
  wireVersion,
} from './messages.ts'
import { patchLayout } from './patch-codec.ts'
import { patchedRunLayout, patchesLayout } from './patches.ts'

const wireSumSeed = 0
/** Packing pays only for a body that may be long and is not full of checksums. */
const isPackable: Readonly<Record<FrameKind, boolean>> = {
  hello: false,
  'hello-answer': false,
  blocks: false,
  offer: true,
  want: false,
  report: false,
  error: false,
  poll: false,
  patches: true,
}
const magic = 0x46_57_50_53

export const frameLayout = layout(
  'frame',
  128,
  [
    ['kind', 0, 1, 'what it is'],
    ['version', 1, 1, 'of the frame and its body'],
    ['flags', 2, 2, 'zero'],
    ['magic', 4, 4, '"SPWF"'],
    ['bodyBytes', 8, 4, 'length of the body'],
    ['dataBytes', 12, 4, 'length of the blocks behind the body'],
    ['volume', 16, 16, 'volume UUID; zeros when the sender has none'],
    ['session', 32, 16, 'of a hello: chosen for it; of all that follow: what its answer opened'],
    ['cp', 48, 8, 'the CP that it is about'],
    ['baseCp', 56, 8, 'what the mirror has published; 0 and zeros: nothing'],
    ['baseHash', 64, sha256Bytes, 'its root hash'],
    ['number', 96, 6, 'counts the frames of the session in this direction'],
    ['epoch', 102, 2, "the sender's"],
    ['epochId', 104, 8, 'its random id'],
    ['packedBytes', 112, 4, 'length of the body as it travels, in zstd; 0: it travels as it is'],
    ['reserved', 116, 4, 'zero'],
    [
      'checksum',
      120,
      xxh3Bytes,
      'XXH3-64, seed 0, of the head before this field, then the body as it travels',
    ],
  ],
  [
    ['body', 'by kind'],
    ['data', 'blocks, in the order of the runs'],
  ],
)
export const frameHeadBytes = frameLayout.bytes

export const wireLayouts = [
  frameLayout,
  helloLayout,
  helloAnswerLayout,
  statusLayout,
  blocksLayout,
  runLayout,
  patchesLayout,
  patchedRunLayout,
  patchLayout,
  offerLayout,
  wantLayout,
  pollLayout,
  errorLayout,
] as const

export const wireSumOf = (bytes: Uint8Array): Uint8Array => xxh3(bytes, wireSumSeed)

/** Encodes head and body in one buffer. The blocks of a `blocks` frame follow that buffer unchanged. */
export function encodeFrame(message: Message): Uint8Array {
  const plain = encodeBody(message)
  const packed = isPackable[message.kind] ? packNow(plain) : plain
  const isPacked = packed.length < plain.length
  const body = isPacked ? packed : plain
  const bytes = new Uint8Array(frameHeadBytes + body.length)
  const w = new Writer(frameLayout, bytes)
  w.number('kind', frameKinds[message.kind])
  w.number('version', wireVersion)
  w.number('magic', magic)
  w.number('bodyBytes', plain.length, bodyBytesMax)
  w.number('packedBytes', isPacked ? packed.length : 0)
  w.number('dataBytes', dataBytesOf(message), dataBytesMax)
  w.put('volume', parseUuid(message.volume))
  w.put('session', parseUuid(message.session))
  w.number('cp', message.cp, cpMax)
  w.number('baseCp', message.base.cp, cpMax)
  w.put('baseHash', message.base.hash)
  w.number('number', message.number)
  w.number('epoch', message.epoch.number, epochMax)
  w.put('epochId', message.epoch.id)
  bytes.set(body, frameHeadBytes)
  bytes.set(frameSum(bytes), frameLayout.at.checksum)
  return bytes
}

function dataBytesOf(message: FrameBody): number {
  if (message.kind !== 'blocks') return 0
  return message.runs.reduce((sum, run) => sum + run.blocks * blockBytes, 0)
}

/** Checksum of the head up to the checksum field and the body behind the head, as one text. */
function frameSum(frame: Uint8Array): Uint8Array {
  const covered = new Uint8Array(frame.length - xxh3Bytes)
  covered.set(frame.subarray(0, frameLayout.at.checksum))
  covered.set(frame.subarray(frameHeadBytes), frameLayout.at.checksum)
  return wireSumOf(covered)
}

/**
 * Bytes that must arrive after a head: the body as it travels, and the blocks. The lengths are in range, but may be
 * wrong: the checksum cannot be verified before the body is there. Throws `corrupt`.
 */
export function frameLengths(head: Uint8Array): { readonly body: number; readonly data: number } {
  const r = new Reader(frameLayout, head)
  if (r.number('magic') !== magic) throw r.problem('magic', 'is not that of a frame')
  if (r.number('version') !== wireVersion) throw r.problem('version', 'is not known here')
  const data = r.number('dataBytes', dataBytesMax)
  if (data % blockBytes !== 0) throw r.problem('dataBytes', 'is not a whole number of blocks')
  const bytes = r.number('bodyBytes', bodyBytesMax)
  return { body: r.number('packedBytes', Math.max(0, bytes - 1)) || bytes, data }
}

/** Decodes head and body as they arrived. Returns null for a sound frame of an unknown kind. Throws `corrupt`. */
export function decodeFrame(frame: Uint8Array): Message | null {
  const r = new Reader(frameLayout, frame)
  const lengths = frameLengths(frame)
  if (lengths.body !== frame.length - frameHeadBytes)
    throw r.problem('bodyBytes', 'is not the length of the body')
  if (!equalBytes(r.copy('checksum'), frameSum(frame))) throw r.problem('checksum', 'does not match')
  r.zero('flags')
  r.zero('reserved')
  const head: FrameHead = {
    volume: formatUuid(r.copy('volume')),
    session: formatUuid(r.copy('session')),
    epoch: { number: r.number('epoch', epochMax), id: r.copy('epochId') },
    cp: r.number('cp', cpMax),
    base: { cp: r.number('baseCp', cpMax), hash: r.copy('baseHash') },
    number: r.number('number'),
  }
  const number = r.number('kind')
  const kind = (Object.keys(frameKinds) as FrameKind[]).find((name) => frameKinds[name] === number)
  if (!kind) return null
  const body = decodeBody(kind, bodyOf(r, frame.subarray(frameHeadBytes)))
  if (dataBytesOf(body) !== lengths.data) throw r.problem('dataBytes', 'is not what the runs need')
  return { ...head, ...body }
}

function bodyOf(r: Reader<keyof typeof frameLayout.at>, travelled: Uint8Array): Uint8Array {
  if (r.number('packedBytes') === 0) return travelled
  const body = unpack(travelled, r.number('bodyBytes', bodyBytesMax))
  if (!body) throw r.problem('packedBytes', 'is not what the body makes')
  return body
}
