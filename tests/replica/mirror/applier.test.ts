/** The mirror's decisions, against scripted frames: no device, no socket. */
import type { ApplierAction } from '../../../src/replica/mirror/applier-events.ts'
import { beforeEach, describe, expect, test } from 'bun:test'
import { sha256 } from '../../../src/lib/checksum.ts'
import { newUuid } from '../../../src/lib/random.ts'
import { cpsPerEpoch, epochsMax } from '../../../src/format/geometry.ts'
import { noFeatures } from '../../../src/format/features.ts'
import { rootLayout } from '../../../src/format/disk/root.ts'
import type { PublishedRoot } from '../../../src/cp-engine/contract.ts'
import { type Message, nowhere } from '../../../src/format/wire/messages.ts'
import { noUuid } from '../../../src/format/wire/messages.ts'
import {
  Scene,
  base,
  block,
  epoch,
  first,
  geometry,
  kinds,
  next,
  positionOf,
  random,
  rootOf,
  tokenOf,
  uuid,
  volumeUuid,
} from './applier-scene.ts'

let scene: Scene
beforeEach(() => {
  scene = new Scene()
})

describe('sessions', () => {
  test('a hello is answered when the writes of the old session have drained', () => {
    const actions = scene.hello()
    expect(kinds(actions)).toEqual(['drain'])
    expect(kinds(scene.blocks(6, first, block(1)))).toEqual(['unknown-session'])
    expect(kinds(scene.answerDrain(actions))).toEqual(['hello-answer'])
    expect(kinds(scene.blocks(6, first, block(1)))).toEqual(['write'])
  })

  test('what only a mirror says is refused, and nothing is done', () => {
    scene.greet()
    const status = { ...scene.applier.status(), offerSeen: 0 }
    expect(kinds(scene.send(6, { kind: 'want', round: 1, wanted: [] }))).toEqual(['unsupported'])
    expect(kinds(scene.send(6, { kind: 'report', ...status }))).toEqual(['unsupported'])
    expect(kinds(scene.send(6, { kind: 'hello-answer', opens: uuid(), ...status }))).toEqual(['unsupported'])
    expect(kinds(scene.send(6, { kind: 'error', code: 'bad-root', detail: '' }))).toEqual(['unsupported'])
  })

  test('a new hello ends the old session', () => {
    scene.greet()
    const old = scene.session
    scene.greet()
    expect(kinds(scene.blocks(6, first, block(1), { session: old }))).toEqual(['unknown-session'])
  })

  test('the hello of the session is answered again with the session that it opened', () => {
    const session = uuid()
    scene.answerDrain(scene.hello({ session }))
    const opened = scene.session
    const again = scene.hello({ session })
    expect(again).toMatchObject([{ message: { kind: 'hello-answer', session, opens: opened } }])
  })

  test('an old hello that comes again opens another session, in which old frames are nothing', () => {
    const session = uuid()
    scene.answerDrain(scene.hello({ session }))
    const old = scene.session
    scene.greet()
    scene.answerDrain(scene.hello({ session }))
    expect(kinds(scene.offer(next, 1, true, { session: old }))).toEqual(['unknown-session'])
    expect(kinds(scene.offer(next, 1, true, { session }))).toEqual(['unknown-session'])
    expect(scene.applier.status().stage).toBe('idle')
  })

  test('only the last of two hellos is answered', () => {
    const one = scene.hello()
    const two = scene.hello({ session: uuid() })
    expect(kinds(scene.answerDrain(one))).toEqual([])
    expect(kinds(scene.answerDrain(two))).toEqual(['hello-answer'])
  })

  const foreign: [string, Partial<Message>, string][] = [
    ['another volume', { volume: uuid() }, 'foreign-volume'],
    ['an equal epoch with another id', { epoch: { number: 0, id: random.bytes(8) } }, 'another-epoch'],
    ['meant for another side', { member: uuid() }, 'another-side'],
  ]
  test.each(foreign)('%s is refused', (_name, head, code) => {
    expect(kinds(scene.hello(head))).toEqual([code])
  })

  test('an older epoch is refused, a higher one is made durable before it is acknowledged', () => {
    scene.epoch = { number: 2, id: random.bytes(8) }
    expect(kinds(scene.hello())).toEqual(['older-epoch'])
    const higher = { number: 3, id: random.bytes(8) }
    const actions = scene.answerDrain(scene.hello({ epoch: higher }))
    expect(kinds(actions)).toEqual(['adopt'])
    const [adopt] = actions
    scene.epoch = higher
    expect(adopt?.kind === 'adopt' && kinds(scene.event({ kind: 'adopted', token: adopt.token }))).toEqual([
      'hello-answer',
    ])
  })

  test('an empty mirror is adopted by the first hello', () => {
    scene.volume = null
    scene.published = null
    scene.kept = []
    const actions = scene.answerDrain(scene.hello({ member: noUuid }))
    expect(actions).toMatchObject([{ kind: 'adopt', adoption: { volume: volumeUuid, epoch, geometry } }])
  })

  test('after a failed write nothing is accepted', () => {
    scene.greet()
    expect(kinds(scene.event({ kind: 'failed', detail: 'gone' }))).toEqual(['device-failed'])
    expect(kinds(scene.blocks(6, first, block(1)))).toEqual(['device-failed'])
    expect(kinds(scene.hello())).toEqual(['device-failed'])
    expect(scene.applier.status().needs).toBe('another-device')
  })
})

describe('blocks', () => {
  beforeEach(() => void scene.greet())

  test('what is outside of the data area is refused', () => {
    for (const address of [1, geometry.logAddress, geometry.blocksMax - 1]) {
      const bytes = block(1, address === geometry.blocksMax - 1 ? 2 : 1)
      expect(kinds(scene.blocks(6, address, bytes))).toEqual(['outside-the-volume'])
    }
  })

  test('what a retained root or a reader uses is refused, also when only the end of a run touches it', () => {
    scene.used.add(first + 3)
    expect(kinds(scene.blocks(6, first, block(1, 4)))).toEqual(['block-in-use'])
    expect(kinds(scene.blocks(6, first, block(1, 3)))).toEqual(['write'])
  })

  test('older cps are dropped', () => {
    expect(kinds(scene.blocks(5, first, block(1)))).toEqual([])
    expect(kinds(scene.blocks(4, first, block(1)))).toEqual([])
    expect(scene.applier.status().refused).toBe(2)
  })

  test('a straggler of an older cp never replaces a newer write', () => {
    expect(kinds(scene.blocks(7, first, block(1)))).toEqual(['write'])
    expect(kinds(scene.blocks(6, first, block(2)))).toEqual([])
  })

  test('a doubled frame is written once', () => {
    expect(kinds(scene.blocks(6, first, block(1)))).toEqual(['write'])
    expect(kinds(scene.blocks(6, first, block(1)))).toEqual(['keep'])
  })

  test('blocks on a base that is not known here are refused', () => {
    const strange = { base: positionOf(rootOf(5, null, { sequence: 77 })) }
    expect(kinds(scene.blocks(6, first, block(1), strange))).toEqual(['wrong-base'])
    expect(kinds(scene.blocks(6, first, block(1), { base: nowhere }))).toEqual(['wrong-base'])
  })

  test('bytes behind what is claimed are zeros, or it is dropped', () => {
    const bytes = block(8)
    const claim = { payloadBytes: 4000, kind: 'sha256' as const, sum: sha256(bytes.subarray(0, 4000)) }
    const run = { address: first, blocks: 1, claim, wireSum: new Uint8Array(8) }
    const send = () => scene.send(6, { kind: 'blocks', source: 'live', runs: [run] }, {}, [bytes])
    bytes.fill(0, 4000)
    bytes[4095] = 1
    expect(kinds(send())).toEqual([])
    expect(scene.applier.status().refused).toBe(1)
    bytes[4095] = 0
    expect(kinds(send())).toEqual(['write'])
  })

  test('bytes that have not the checksum that is claimed for them are dropped', () => {
    const bytes = block(1)
    const claim = { payloadBytes: bytes.length, kind: 'xxh3' as const, sum: new Uint8Array(8) }
    const run = { address: first, blocks: 1, claim, wireSum: new Uint8Array(8) }
    expect(kinds(scene.send(6, { kind: 'blocks', source: 'live', runs: [run] }, {}, [bytes]))).toEqual([])
  })
})

describe('offers', () => {
  beforeEach(() => void scene.greet())

  /** Offers the next root and brings it to the verification. */
  const verifying = (): number => {
    const actions = scene.offer(next, 1)
    expect(kinds(actions)).toEqual(['write', 'drain'])
    return tokenOf(scene.answerDrain(actions), 'verify')
  }

  test('verify, publish, report', () => {
    const token = verifying()
    const complete = scene.event({ kind: 'complete', token })
    expect(kinds(complete)).toEqual(['drain'])
    const publish = scene.answerDrain(complete)
    expect(kinds(publish)).toEqual(['publish'])
    scene.published = next
    scene.kept = [base, next]
    const done = scene.event({ kind: 'published', token: tokenOf(publish, 'publish') })
    expect(done).toMatchObject([
      { message: { kind: 'report', published: positionOf(next), stage: 'idle', offerSeen: 1 } },
    ])
  })

  test('the target is among the retained roots that are reported', () => {
    verifying()
    expect(scene.applier.status().retained).toEqual([positionOf(base), positionOf(next)])
  })

  test('an offer on a wrong base is refused', () => {
    const other = positionOf(rootOf(4, null))
    expect(kinds(scene.offer(next, 1, true, { base: other }))).toEqual(['wrong-base'])
    expect(kinds(scene.offer(next, 1, true, { base: nowhere }))).toEqual(['wrong-base'])
    expect(scene.applier.status().stage).toBe('idle')
  })

  test('an older root is never taken', () => {
    expect(kinds(scene.offer(rootOf(4, null), 1))).toEqual(['report'])
    expect(kinds(scene.offer(base, 2))).toEqual(['report'])
    expect(scene.applier.status().stage).toBe('idle')
  })

  const badRoots: [string, () => PublishedRoot][] = [
    ['of another volume', () => rootOf(6, base, { volumeUuid: newUuid(random) })],
    ['larger than its primary said', () => rootOf(6, base, { blocksMax: geometry.blocksMax + 1 })],
    [
      'that may grow less than its base',
      () => rootOf(6, base, { blocksMax: geometry.blocksMax - 1, blockCount: geometry.blocksMax - 1 }),
    ],
    ['that does not continue its base', () => rootOf(6, rootOf(5, null, { sequence: 1 }))],
    ['with another seed', () => rootOf(6, base, { sums: { kind: 'xxh3', seed: 1 } })],
    [
      'of another history',
      () =>
        rootOf(6, base, {
          epochs: [{ ...epoch, id: random.bytes(8), firstCp: 1, rootHashBefore: new Uint8Array(32) }],
        }),
    ],
    ['at an impossible address', () => ({ ...next, address: 1 })],
    ['that is not one', () => ({ ...next, bytes: block(3) })],
  ]
  test.each(badRoots)('a root %s is refused', (_name, root) => {
    expect(kinds(scene.offer(root(), 1))).toEqual(['bad-root'])
  })

  const ofLaterPrograms: [string, () => PublishedRoot][] = [
    ['with an incompat bit', () => rootOf(6, base, { features: { ...noFeatures, incompat: 2 ** 31 } })],
    ['that may only be read', () => rootOf(6, base, { features: { ...noFeatures, readOnlyCompat: 1 } })],
    ['of another version', () => ({ ...next, bytes: next.bytes.with(1, 2) })],
    ['of a higher format', () => ({ ...next, bytes: next.bytes.with(rootLayout.at.format, 2) })],
  ]
  test.each(ofLaterPrograms)('a root %s is refused before anything is written for it', (_name, root) => {
    for (const offer of [1, 2]) {
      expect(kinds(scene.offer(root(), offer))).toEqual(['newer-format'])
      expect(scene.applier.status()).toMatchObject({ stage: 'idle', needs: 'a-newer-version' })
    }
    // The primary has gone back to what this side knows.
    scene.offer(next, 3)
    expect(scene.applier.status()).toMatchObject({ needs: 'nothing' })
  })

  describe('the epoch of the base', () => {
    /** Of the epochs 1 to `count`; the base is of epoch 0. */
    function offerOf(count: number): readonly ApplierAction[] {
      scene.epoch = { ...epoch, number: count }
      scene.answerDrain(scene.hello({ epoch: scene.epoch }))
      const epochs = Array.from({ length: count }, (_, i) => ({
        id: new Uint8Array(8).fill(i),
        number: i + 1,
        firstCp: (i + 1) * cpsPerEpoch + 6,
        rootHashBefore: base.hash,
      }))
      const root = rootOf(count * cpsPerEpoch + 6, base, { epochs })
      return scene.offer({ ...root, address: first + 6 }, 1, true, { epoch: scene.epoch })
    }
    beforeEach(() => scene.greet())

    test('is missing in a list that is not full: another history', () => {
      expect(kinds(offerOf(epochsMax - 1))).toEqual(['bad-root'])
    })

    test('has been dropped from a full one', () => {
      expect(kinds(offerOf(epochsMax))).not.toContain('bad-root')
      expect(scene.applier.status().stage).not.toBe('idle')
    })
  })

  test('a root with bits that are compatible is taken', () => {
    scene.offer(rootOf(6, base, { features: { ...noFeatures, compat: 2 ** 32 - 1 } }), 1)
    expect(scene.applier.status().stage).not.toBe('idle')
  })

  test('what is verified is not written again, by whatever comes late', () => {
    const token = verifying()
    scene.applier.claimsOf(token)!.add(first, 2)
    expect(kinds(scene.blocks(6, first + 1, block(9)))).toEqual([])
    expect(kinds(scene.blocks(7, first + 1, block(9)))).toEqual([])
    expect(kinds(scene.blocks(7, first + 2, block(9)))).toEqual(['write'])
  })

  test('what is missing is wanted, a bounded list at a time, and verified when it has arrived', () => {
    const token = verifying()
    const wanted = Array.from({ length: 6 }, (_, i) => ({ address: first + 10 * i, blocks: 1 }))
    const [want] = scene.event({ kind: 'missing', token, wanted })
    expect(want).toMatchObject({ message: { kind: 'want', cp: 6, wanted: wanted.slice(0, 4) } })
    for (const [i, { address }] of wanted.slice(0, 4).entries()) {
      expect(kinds(scene.blocks(6, address, block(i), {}, 'want'))).toEqual(
        i < 3 ? ['write'] : ['write', 'drain'],
      )
    }
  })

  test('a want list that nobody answers is said again when the primary asks', () => {
    const token = verifying()
    scene.event({ kind: 'missing', token, wanted: [{ address: first, blocks: 1 }] })
    // It may be on its way still.
    expect(kinds(scene.send(6, { kind: 'poll', remark: 'nothing' }))).toEqual(['report'])
    expect(kinds(scene.send(6, { kind: 'poll', remark: 'nothing' }))).toEqual(['want', 'report'])
  })

  test('a block that is wanted in vain is the fault of the primary', () => {
    let token = verifying()
    for (let round = 0; round < 3; round++) {
      scene.event({ kind: 'missing', token, wanted: [{ address: first, blocks: 1 }] })
      const again = scene.blocks(6, first, block(round), {}, 'want')
      token = tokenOf(scene.answerDrain(again), 'verify')
    }
    expect(scene.applier.status().needs).toBe('sound-blocks')
    // The next target may arrive whole.
    scene.event({ kind: 'broken', token, code: 'bad-root', detail: 'x' })
    expect(scene.applier.status()).toMatchObject({ needs: 'nothing', stage: 'idle' })
  })

  test.each([
    ['a block of a retained root', 'broken-hold', 'nothing'],
    ['a root that is none', 'bad-root', 'nothing'],
    ['a format that is not known', 'newer-format', 'a-newer-version'],
  ] as const)('a target that is refused for %s leaves the right need', (_name, code, needs) => {
    const token = verifying()
    scene.event({ kind: 'broken', token, code, detail: 'x' })
    expect(scene.applier.status()).toMatchObject({ needs, stage: 'idle' })
    scene.offer(rootOf(7, base), 2)
    expect(scene.applier.status().needs).toBe('nothing')
  })

  test('what the primary has in common with it is a need that goes when the primary says so', () => {
    scene.send(6, { kind: 'poll', remark: 'no-common-cp' })
    expect(scene.applier.status().needs).toBe('a-common-cp')
    scene.send(6, { kind: 'poll', remark: 'nothing' })
    expect(scene.applier.status().needs).toBe('nothing')
  })

  test('a broken hold is said, and the root is not published', () => {
    const token = verifying()
    expect(kinds(scene.event({ kind: 'broken', token, code: 'broken-hold', detail: 'x' }))).toEqual([
      'broken-hold',
    ])
    expect(scene.applier.status().stage).toBe('idle')
    expect(kinds(scene.event({ kind: 'complete', token }))).toEqual([])
  })

  test('a newer offer takes the place of a target, but not of one that is being published', () => {
    const token = verifying()
    const newer = rootOf(8, next)
    expect(kinds(scene.offer(newer, 2))).toEqual(['write', 'drain'])
    expect(kinds(scene.event({ kind: 'complete', token }))).toEqual([])
    expect(scene.applier.status().target.cp).toBe(8)
  })

  test('an offer that comes while another root is published is taken up after it', () => {
    const token = verifying()
    const publish = scene.answerDrain(scene.event({ kind: 'complete', token }))
    const newer = rootOf(7, next)
    expect(kinds(scene.offer(newer, 2, true, { base: positionOf(base) }))).toEqual([])
    scene.published = next
    // Its base is not what is published now, so the primary has to offer it again.
    expect(kinds(scene.event({ kind: 'published', token: tokenOf(publish, 'publish') }))).toEqual(['report'])
    expect(kinds(scene.offer(newer, 3))).toEqual(['write', 'drain'])
  })

  test('an offer that comes twice counts once', () => {
    verifying()
    expect(kinds(scene.offer(next, 1))).toEqual([])
  })

  test('more roots than may be reported: readers are cut before a target is taken', () => {
    scene = new Scene(2)
    scene.greet()
    scene.kept = [rootOf(3, null), base]
    expect(kinds(scene.offer(next, 1))).toEqual(['cut-readers', 'report'])
    scene.kept = [base]
    expect(kinds(scene.offer(next, 2))).toEqual(['write', 'drain'])
  })

  test('no space: what waited is forgotten, the target dropped, the need told', () => {
    verifying()
    scene.blocks(7, first, block(1))
    expect(scene.presence.size).toBeGreaterThan(0)
    expect(kinds(scene.event({ kind: 'no-space', bytesLacking: 4096 }))).toEqual([
      'cut-long-readers',
      'report',
    ])
    expect(scene.presence.size).toBe(0)
    expect(scene.applier.status()).toMatchObject({ stage: 'idle', needs: 'space', needsBytes: 4096 })
    // A need without a target would keep the primary from offering one, for ever.
    scene.send(6, { kind: 'poll', remark: 'nothing' })
    expect(scene.applier.status().needs).toBe('nothing')
  })

  test('space that somebody made is noticed, also when a want list is out', () => {
    const prepare = (actions: readonly ApplierAction[], bytesLacking: number) => {
      const asked = actions.find((action) => action.kind === 'prepare')!
      scene.event({ kind: 'prepared', token: asked.token, bytesLacking })
    }
    scene.greet()
    prepare(scene.offer(next, 1, false), 8192)
    expect(scene.applier.status()).toMatchObject({ stage: 'receiving', needs: 'space' })
    const verify = scene.answerDrain(scene.offer(next, 2))
    const wanted = [{ address: first, blocks: 1 }]
    scene.event({ kind: 'missing', token: tokenOf(verify, 'verify'), wanted })
    expect(scene.applier.status()).toMatchObject({ stage: 'wanting', needs: 'space' })
    prepare(scene.send(6, { kind: 'poll', remark: 'nothing' }), 0)
    expect(scene.applier.status()).toMatchObject({ stage: 'wanting', needs: 'nothing' })
  })
})
