/**
 * Frames of every kind, and patches, for the fuzzer: how to make any of them, to bytes and back.
 *
 * They have more than one form: a body may travel packed, and a patch may be made in many ways. So a decoder is held
 * to what it returned: made into bytes and back, it is the same.
 */
import * as fc from 'fast-check'
import { readU32 } from '../../../src/lib/bytes.ts'
import { formatUuid, seededRandom } from '../../../src/lib/random.ts'
import { blockBytes, epochMax, makeGeometry } from '../../../src/format/geometry.ts'
import { applyPatch } from '../../../src/format/wire/patch-codec.ts'
import {
  decodeFrame,
  encodeFrame,
  frameHeadBytes,
  frameLayout,
  wireSumOf,
} from '../../../src/format/wire/frames.ts'
import {
  type FrameBody,
  type Message,
  type MirrorStatus,
  blockSources,
  bodyBytesMax,
  mirrorNeeds,
  mirrorStages,
  pollRemarks,
  wireErrors,
} from '../../../src/format/wire/messages.ts'
import { findPatch } from '../../../src/replica/primary/patch-finder.ts'
import type { Structure } from '../structures.ts'
import * as make from '../values.ts'

const bytesOf = (length: number) => fc.nat().map((seed): Uint8Array => seededRandom(seed).bytes(length))
const uuid = bytesOf(16).map(formatUuid)
const address = make.integer(2 ** 30, 1)
const position = fc.record({ cp: make.cp, hash: bytesOf(32) })

const status: fc.Arbitrary<MirrorStatus> = fc.record({
  side: uuid,
  published: position,
  target: position,
  stage: fc.constantFrom(...mirrorStages),
  needs: fc.constantFrom(...mirrorNeeds),
  needsBytes: make.integer(2 ** 40),
  offerSeen: make.integer(2 ** 32),
  receivedTo: address,
  missing: make.integer(2 ** 32 - 1),
  refused: make.integer(2 ** 32 - 1),
  retained: fc.array(position, { maxLength: 6 }),
})

const sum = fc.constantFrom(
  { kind: 'xxh3' as const, payloadBytes: 100 },
  { kind: 'sha256' as const, payloadBytes: blockBytes },
)
const source = fc.constantFrom(...blockSources)
const bodies: Record<FrameBody['kind'], fc.Arbitrary<FrameBody>> = {
  hello: fc.record({
    kind: fc.constant('hello' as const),
    side: uuid,
    member: uuid,
    geometry: make.integer(40, 26).map((log) => makeGeometry(2 ** log)),
  }),
  'hello-answer': fc
    .tuple(uuid, status)
    .map(([opens, of]) => ({ kind: 'hello-answer' as const, opens, ...of })),
  report: status.map((of) => ({ kind: 'report' as const, ...of })),
  offer: fc
    .record({
      kind: fc.constant('offer' as const),
      offer: make.integer(2 ** 32),
      address,
      isComplete: fc.boolean(),
      blocks: make.integer(2 ** 32),
      root: fc.oneof(bytesOf(blockBytes), fc.constant(new Uint8Array(blockBytes).fill(3))),
    })
    .map((offer) => (offer.isComplete ? { ...offer, blocks: 0 } : offer)),
  want: fc.record({
    kind: fc.constant('want' as const),
    round: make.integer(1000),
    wanted: fc.array(fc.record({ address, blocks: make.integer(256, 1) }), { maxLength: 40 }),
  }),
  error: fc.record({
    kind: fc.constant('error' as const),
    code: fc.constantFrom(...wireErrors),
    detail: make.text(200),
  }),
  poll: fc.record({ kind: fc.constant('poll' as const), remark: fc.constantFrom(...pollRemarks) }),
  patches: fc.record({
    kind: fc.constant('patches' as const),
    source,
    runs: fc.array(
      fc.record({
        address,
        blocks: make.integer(16, 1),
        base: fc.option(fc.record({ address, blocks: make.integer(16, 1) })),
        sum: fc.option(sum),
        patch: make.integer(300, 1).chain(bytesOf),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  }),
  blocks: fc.record({
    kind: fc.constant('blocks' as const),
    source,
    runs: fc.array(
      fc.record({
        address,
        blocks: make.integer(16, 1),
        claim: fc.option(
          fc.tuple(sum, bytesOf(32)).map(([of, all]) => ({
            ...of,
            sum: all.subarray(0, of.kind === 'sha256' ? 32 : 8).slice(),
          })),
        ),
        wireSum: bytesOf(8),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  }),
}

const messageOf = (body: fc.Arbitrary<FrameBody>): fc.Arbitrary<Message> =>
  fc
    .record({
      volume: uuid,
      session: uuid,
      epoch: fc.record({ number: make.integer(epochMax), id: bytesOf(8) }),
      cp: make.cp,
      base: position,
      number: make.integer(2 ** 48 - 1),
    })
    .chain((head) => body.map((of) => ({ ...head, ...of })))

/** The checksum is of what travels; the lengths stay what they are. */
function resealFrame(bytes: Uint8Array): void {
  if (bytes.length < frameHeadBytes) return
  const { checksum, bodyBytes, packedBytes } = frameLayout.at
  if (readU32(bytes, packedBytes) === 0)
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(bodyBytes, bytes.length - frameHeadBytes, true)
  const covered = Buffer.concat([bytes.subarray(0, checksum), bytes.subarray(frameHeadBytes)])
  bytes.set(wireSumOf(covered), checksum)
}

const frames: readonly Structure[] = Object.entries(bodies).map(([kind, body]) => ({
  name: `frame-${kind}`,
  values: messageOf(body),
  encode: (value) => encodeFrame(value as Message),
  decode: decodeFrame,
  reseal: resealFrame,
  hasManyForms: true,
  bytesMax: 8 * bodyBytesMax,
}))

const old = seededRandom(3).bytes(4 * blockBytes)

/** What it makes is as long as whoever applies it says. */
const patch: Structure = {
  name: 'patch',
  values: fc.tuple(fc.nat(), make.integer(900, 1)).map(([seed, length]) => {
    const random = seededRandom(seed)
    const made = old.slice()
    made.set(random.bytes(length), random.below(made.length - length))
    made.copyWithin(random.below(blockBytes), random.below(blockBytes), 2 * blockBytes)
    return made
  }),
  encode: (value) => findPatch(old, value as Uint8Array, old.length, 2 ** 20)!,
  decode: (bytes) => applyPatch(bytes, old, old.length),
  hasManyForms: true,
  bytesMax: old.length,
}

export const wireStructures: readonly Structure[] = [...frames, patch]
