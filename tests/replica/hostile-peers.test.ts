/** A peer that knows the secret and says what nobody should say: it is refused, and no process ends because of it. */
import { describe, expect, test } from 'bun:test'
import { hasCode } from '../../src/lib/errors.ts'
import { blockBytes, rootsPerMemberMax, volumeBytesLimit } from '../../src/format/geometry.ts'
import {
  decodeFrame,
  encodeFrame,
  frameHeadBytes,
  frameLayout,
  wireSumOf,
} from '../../src/format/wire/frames.ts'
import type { FrameBody, Message, Position } from '../../src/format/wire/messages.ts'
import type { PublishedRoot } from '../../src/cp-engine/contract.ts'
import {
  Scene,
  base,
  block,
  epoch,
  next,
  positionOf,
  rootOf,
  uuid,
  volumeUuid,
} from './mirror/applier-scene.ts'
import { Stage } from './primary/shipper-stage.ts'

const head = { volume: volumeUuid, session: uuid(), epoch, cp: 6, base: positionOf(base), number: 0 }
const countMax = 2 ** 48
const addressMax = volumeBytesLimit / blockBytes

function isTaken(body: FrameBody): boolean {
  try {
    return decodeFrame(encodeFrame({ ...head, ...body })) !== null
  } catch (error) {
    if (hasCode(error, 'corrupt')) return false
    throw error
  }
}

describe('what a mirror takes it can report', () => {
  /** Encodes what it answers. */
  const report = (scene: Scene): Message[] =>
    scene
      .send(6, { kind: 'poll', remark: 'nothing' })
      .flatMap((action) => (action.kind === 'answer' ? decodeFrame(encodeFrame(action.message))! : []))

  test('the number of an offer', () => {
    const scene = new Scene()
    scene.greet()
    scene.offer(next, countMax)
    expect(report(scene)).toMatchObject([{ kind: 'report', offerSeen: countMax }])
    const [address, root] = [9, block(1)]
    const offer = encodeFrame({
      ...head,
      kind: 'offer',
      offer: countMax,
      address,
      isComplete: true,
      blocks: 0,
      root,
    })
    expect(decodeFrame(offer)).toMatchObject({ offer: countMax })
    offer[frameHeadBytes]! += 1
    const summed = frameLayout.at.checksum
    offer.set(wireSumOf(Buffer.concat([offer.subarray(0, summed), offer.subarray(frameHeadBytes)])), summed)
    expect(() => decodeFrame(offer)).toThrow(/out of range/)
  })

  test('where a run ends', () => {
    const runs = (address: number, blocks: number) => ({
      address,
      blocks,
      claim: null,
      wireSum: wireSumOf(block(1)),
    })
    const patched = (address: number, blocks: number) => ({
      address,
      blocks,
      base: null,
      sum: null,
      patch: Uint8Array.of(1),
    })
    for (const blocks of [1, 256]) {
      for (const [address, expected] of [
        [addressMax - blocks, true],
        [addressMax - blocks + 1, false],
      ] as const) {
        expect(isTaken({ kind: 'blocks', source: 'difference', runs: [runs(address, blocks)] })).toBe(
          expected,
        )
        expect(isTaken({ kind: 'patches', source: 'live', runs: [patched(address, blocks)] })).toBe(expected)
        expect(isTaken({ kind: 'want', round: 1, wanted: [{ address, blocks }] })).toBe(expected)
      }
    }
    const scene = new Scene()
    scene.greet()
    scene.offer(next, 1, false)
    scene.blocks(6, addressMax - 1, block(1), {}, 'difference')
    expect(report(scene)).toMatchObject([{ kind: 'report', receivedTo: addressMax }])
  })
})

test('a mirror that reports what it was never offered costs no more holds than there are', () => {
  const roots: PublishedRoot[] = [base]
  for (let i = 0; i < 40; i++) roots.push(rootOf(6 + i, roots.at(-1)!))
  const stage = new Stage(base, [base])
  const reported = (root: PublishedRoot, others: readonly Position[] = []) => ({
    offerSeen: 0,
    retained: [positionOf(root), ...others],
  })
  let heldMax = 0
  const note = () => (heldMax = Math.max(heldMax, stage.held.length))
  stage.connect()
  stage.answer(base)
  let published = base
  for (const root of roots.slice(1, 30)) {
    stage.publish(root)
    stage.leave()
    // As if it had got there, and never seen an offer.
    if (stage.shipper.describe(0).state !== 'stalled') published = root
    stage.report(published, reported(published))
    note()
  }
  // Readers have pinned some, and another mirror's holds keep more.
  stage.retained = roots
  stage.report(published, reported(published, roots.slice(30, 40).map(positionOf)))
  note()
  expect(heldMax).toBeGreaterThan(5)
  expect(heldMax).toBeLessThanOrEqual(rootsPerMemberMax)
  expect(stage.shipper.describe(0)).toMatchObject({ state: 'stalled' })
})
