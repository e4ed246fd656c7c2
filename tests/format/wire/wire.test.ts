import { describe, expect, test } from 'bun:test'
import { hasCode } from '../../../src/lib/errors.ts'
import { formatUuid, newUuid, seededRandom } from '../../../src/lib/random.ts'
import { blockBytes, makeGeometry } from '../../../src/format/geometry.ts'
import { structures, wireKindMin } from '../../../src/format/kinds.ts'
import { decodeFrame, encodeFrame, frameHeadBytes, wireSumOf } from '../../../src/format/wire/frames.ts'
import {
  type FrameBody,
  type Message,
  bodyBytesMax,
  frameKinds,
  nowhere,
  reservedFrameKinds,
} from '../../../src/format/wire/messages.ts'
import { FrameStream, type ReceivedFrame } from '../../../src/replica/link/frame-stream.ts'

const random = seededRandom(7)
const uuid = () => formatUuid(newUuid(random))
const head = {
  volume: uuid(),
  session: uuid(),
  epoch: { number: 3, id: random.bytes(8) },
  cp: 3e12 + 17,
  base: { cp: 3e12 + 16, hash: random.bytes(32) },
  number: 5,
}
const status = {
  side: uuid(),
  published: head.base,
  target: { cp: head.cp, hash: random.bytes(32) },
  stage: 'wanting',
  needs: 'space',
  needsBytes: 1 << 30,
  offerSeen: 4,
  receivedTo: 77,
  missing: 2,
  refused: 1,
  retained: [head.base, { cp: 3e12 + 2, hash: random.bytes(32) }, nowhere],
} as const
const blockData = [random.bytes(2 * blockBytes), random.bytes(blockBytes), random.bytes(blockBytes)]
const bodies: FrameBody[] = [
  { kind: 'hello', side: uuid(), member: uuid(), geometry: makeGeometry(2 ** 30) },
  { kind: 'hello-answer', opens: uuid(), ...status },
  { kind: 'report', ...status, retained: [] },
  { kind: 'offer', offer: 4, address: 1000, isComplete: false, blocks: 77, root: random.bytes(blockBytes) },
  {
    kind: 'want',
    round: 2,
    wanted: [
      { address: 5, blocks: 256 },
      { address: 2 ** 30, blocks: 1 },
    ],
  },
  { kind: 'error', code: 'block-in-use', detail: 'block 5 – in use' },
  { kind: 'poll', remark: 'nothing' },
  {
    kind: 'patches',
    source: 'live',
    runs: [
      {
        address: 40,
        blocks: 16,
        base: { address: 90, blocks: 17 },
        sum: { kind: 'xxh3', payloadBytes: 65_000 },
        patch: random.bytes(300),
      },
      { address: 56, blocks: 1, base: null, sum: null, patch: new Uint8Array(900).fill(7) },
      {
        address: 57,
        blocks: 1,
        base: { address: 1, blocks: 1 },
        sum: { kind: 'sha256', payloadBytes: blockBytes },
        patch: random.bytes(1),
      },
    ],
  },
  {
    kind: 'blocks',
    source: 'difference',
    runs: [
      { address: 9, blocks: 2, claim: null, wireSum: wireSumOf(blockData[0]!) },
      {
        address: 20,
        blocks: 1,
        claim: { payloadBytes: 4000, kind: 'xxh3', sum: random.bytes(8) },
        wireSum: wireSumOf(blockData[1]!),
      },
      {
        address: 30,
        blocks: 1,
        claim: { payloadBytes: 4096, kind: 'sha256', sum: random.bytes(32) },
        wireSum: wireSumOf(blockData[2]!),
      },
    ],
  },
]
const messages: Message[] = bodies.map((body) => ({ ...head, ...body }))
const bytesOf = (message: Message): Uint8Array =>
  Buffer.concat([encodeFrame(message), ...(message.kind === 'blocks' ? blockData : [])])

/** What a decoder may throw. */
function tolerant<T>(work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    if (hasCode(error, 'corrupt')) return null
    throw error
  }
}

describe('frames', () => {
  test('what is encoded is decoded', () => {
    for (const message of messages) expect(decodeFrame(encodeFrame(message))).toEqual(message)
  })

  test('kinds lie in the range of frames and are given once', () => {
    const kinds = [...Object.values(frameKinds), ...Object.values(reservedFrameKinds)]
    expect(new Set(kinds).size).toBe(kinds.length)
    expect(Math.min(...kinds)).toBe(wireKindMin)
    expect(Math.max(...Object.values(structures).map(({ kind }) => kind))).toBeLessThan(wireKindMin)
  })

  test('any flipped bit of head or body is noticed', () => {
    for (const message of messages) {
      const frame = encodeFrame(message)
      for (let bit = 0; bit < frame.length * 8; bit += frame.length > 1000 ? 13 : 1) {
        const damaged = frame.slice()
        damaged[bit >>> 3]! ^= 1 << (bit & 7)
        expect(tolerant(() => decodeFrame(damaged))).toBeNull()
      }
    }
  })

  test('fuzzed bodies under a right checksum are decoded or refused', () => {
    for (const message of messages)
      for (let i = 0; i < 400; i++) {
        const frame = encodeFrame(message)
        for (let n = random.below(4); n >= 0; n--) frame[random.below(frame.length)] = random.below(256)
        const covered = Buffer.concat([frame.subarray(0, frameHeadBytes - 8), frame.subarray(frameHeadBytes)])
        frame.set(wireSumOf(covered), frameHeadBytes - 8)
        const decoded = tolerant(() => decodeFrame(frame))
        if (decoded) expect(decodeFrame(encodeFrame(decoded))).toEqual(decoded)
      }
  })
})

describe('a stream of frames', () => {
  const stream = Buffer.concat(messages.map(bytesOf))
  const summary = (frames: ReceivedFrame[]) =>
    frames.map(({ message, runs }) => [message.kind, ...runs.map((run) => Bun.hash(run.bytes))])
  const whole = summary([...new FrameStream().push(stream)])

  test('does not depend on how it was cut into chunks', () => {
    expect(whole.map(([kind]) => kind as string)).toEqual(messages.map(({ kind }) => kind))
    for (let i = 0; i < 50; i++) {
      const decoder = new FrameStream()
      const frames: ReceivedFrame[] = []
      for (let at = 0; at < stream.length;) {
        const length = 1 + random.below(i < 25 ? 300 : 9000)
        frames.push(...decoder.push(stream.subarray(at, at + length)))
        at += length
      }
      expect(summary(frames)).toEqual(whole)
      expect(decoder.isAtBoundary).toBeTrue()
    }
  })

  test('a cut leaves whole frames only', () => {
    for (let cut = 0; cut < stream.length; cut += 61) {
      const frames = [...new FrameStream().push(stream.subarray(0, cut))]
      expect(summary(frames)).toEqual(whole.slice(0, frames.length))
    }
  })

  test('a damaged run is left out alone', () => {
    const bytes = bytesOf(messages.at(-1)!)
    bytes[bytes.length - 2 * blockBytes - 1]! ^= 1
    const [frame] = [...new FrameStream().push(bytes)]
    expect(frame!.damaged).toBe(1)
    expect(frame!.runs.map(({ address }) => address)).toEqual([20, 30])
  })

  test('frames of an unknown kind are passed over', () => {
    const frame = encodeFrame(messages[6]!)
    frame[0] = reservedFrameKinds.relay
    const sumAt = frameHeadBytes - 8
    frame.set(wireSumOf(Buffer.concat([frame.subarray(0, sumAt), frame.subarray(frameHeadBytes)])), sumAt)
    const known = encodeFrame(messages[5]!)
    const frames = [...new FrameStream().push(Buffer.concat([frame, known]))]
    expect(frames.map(({ message }) => message.kind)).toEqual(['error'])
  })

  test('a length beyond the limit is refused before anything is taken in', () => {
    const frame = encodeFrame(messages[6]!)
    new DataView(frame.buffer).setUint32(8, bodyBytesMax + 1, true)
    expect(tolerant(() => [...new FrameStream().push(frame)])).toBeNull()
  })
})
