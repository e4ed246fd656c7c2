/** What the primary tells of one mirror: the answer to each refusal, reasons, needs, lag, transfers and counts. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { type MirrorNeed, type WireErrorCode, wireErrors } from '../../../src/format/wire/messages.ts'
import { base as root5, first, positionOf } from '../mirror/applier-scene.ts'
import { Stage, command, cps, kinds, limits, root6, root7, root8 } from './shipper-stage.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
  stage.connect()
})
const shown = () => stage.shipper.describe(stage.nowMs)
const tick = (ms: number) => {
  stage.nowMs += ms
  return stage.event({ kind: 'tick' })
}

describe('a refusal', () => {
  /** What becomes of an offered target: it goes on, is given up, ends the session, or the session begins again. */
  const reactions: Readonly<Record<WireErrorCode, 'again' | 'end' | 'give up' | 'ask' | 'go on'>> = {
    'unknown-session': 'again',
    'foreign-volume': 'end',
    'another-side': 'end',
    'older-epoch': 'end',
    'another-epoch': 'end',
    unsupported: 'end',
    'device-failed': 'end',
    'bad-root': 'give up',
    'broken-hold': 'give up',
    'damaged-base': 'give up',
    'newer-format': 'give up',
    'wrong-base': 'ask',
    'outside-the-volume': 'go on',
    'block-in-use': 'go on',
  }
  test.each(wireErrors)('%s', (code) => {
    stage.answer(root5)
    stage.publish(root6)
    stage.event({ kind: 'difference-read', cp: 6 })
    stage.leave()
    stage.shipper.outbox.runs('difference', 6, positionOf(root5), [
      { address: first, bytes: new Uint8Array(4096), claim: null },
    ])
    const actions = kinds(stage.hear({ kind: 'error', code, detail: 'so it is' }))
    const frames = kinds(stage.leave())
    const isOffered = kinds(stage.hear({ kind: 'want', round: 1, wanted: [] }, { cp: 6 })).length > 0
    const { state, needs } = shown()
    const trouble = { frames: [], isOffered: false, state: 'stalled', needs: 'so it is' } as const
    const goesOn = { actions: [], isOffered: true, state: 'live', needs: null } as const
    const outcomes = {
      again: { ...trouble, actions: ['unreached', 'stop-sending', 'disconnect'], state: 'away' },
      end: { ...trouble, actions: ['stop-sending', 'disconnect'] },
      'give up': { ...trouble, actions: ['stop-sending'] },
      ask: { ...goesOn, frames: ['blocks', 'poll'] },
      'go on': { ...goesOn, frames: ['blocks'] },
    }
    expect({ actions, frames, isOffered, state, needs }).toMatchObject(outcomes[reactions[code]])
  })
})

describe('a need', () => {
  const words: Readonly<Record<MirrorNeed, string | null>> = {
    nothing: null,
    space: '12288 bytes of space',
    'another-device': 'another device: a write failed',
    'a-common-cp': null,
    'sound-blocks': null,
    'a-newer-version': 'a newer version of Stillpoint: it does not know the format of this volume',
  }
  test.each(Object.entries(words) as [MirrorNeed, string | null][])(
    '%s of a mirror without target',
    (needs, said) => {
      stage.answer(root5, { needs, needsBytes: 12_288 })
      expect(shown()).toMatchObject({ state: said ? 'stalled' : 'live', needs: said })
    },
  )

  test('of space that is repeated does not delay the next try; what is short is asked again, until a cp is reached', () => {
    stage = new Stage(root7, [root6, root7], [root5])
    stage.connect()
    stage.answer(root5)
    stage.leave()
    for (const needsBytes of [4096, 8192]) {
      expect(kinds(stage.report(root5, { needs: 'space', needsBytes }))).toEqual(['hold', 'stop-sending'])
      expect(shown().needs).toBe(`${needsBytes} bytes of space`)
      stage.nowMs += limits.troubleMs / 2
    }
    for (let round = 0; round < 2; round++) {
      tick(0)
      expect(stage.leave()).toMatchObject(
        round === 0 ? [{ kind: 'poll' }, { kind: 'offer', isComplete: false }] : [],
      )
    }
    tick(limits.offerAgainMs)
    expect(stage.leave()).toMatchObject([{ kind: 'poll' }, { kind: 'offer', isComplete: false, blocks: 2 }])
    for (const [offerSeen, next] of [
      [1, ['hold']],
      [2, ['hold', 'send-difference']],
      [3, ['hold']],
    ] as const)
      expect(kinds(stage.report(root5, { offerSeen }))).toEqual([...next])
    stage.report(root7)
    expect(kinds(stage.publish(root8))).toEqual(['hold', 'send-difference'])
  })
})

describe('why a mirror is not reached', () => {
  const failing = (reason: string) => {
    stage.nowMs = Math.max(stage.nowMs, stage.shipper.wakeAtMs)
    stage.connect()
    return kinds(stage.event({ kind: 'failed', reason }))
  }
  const away = ['stop-sending', 'disconnect']

  test('is told once, until it is another reason, and again after a session', () => {
    expect(kinds(stage.event({ kind: 'failed', reason: 'a' }))).toEqual(['unreached', ...away])
    expect(failing('a')).toEqual(away)
    expect(failing('b')).toEqual(['unreached', ...away])
    expect(failing('b')).toEqual(away)
    expect(failing('a')).toEqual(['unreached', ...away])
    stage.nowMs = stage.shipper.wakeAtMs
    stage.connect()
    stage.answer(root5)
    expect(kinds(stage.event({ kind: 'failed', reason: 'a' }))).toEqual(['unreached', ...away])
  })

  test('is said to those who ask only when the mirror had proved itself', () => {
    stage.event({ kind: 'failed', reason: 'secret' })
    expect(shown().needs).not.toContain('secret')
    stage.nowMs = stage.shipper.wakeAtMs
    stage.connect()
    stage.answer(root5)
    expect(shown().needs).toBeNull()
    stage.event({ kind: 'failed', reason: 'cut' })
    expect(shown()).toMatchObject({ state: 'away', needs: 'cut' })
    failing('refused')
    expect(shown().needs).toContain('does not answer as expected')
  })
})

describe('the standing', () => {
  test('lag counts cps, and milliseconds since the first that the mirror lacks', () => {
    stage.answer(root5)
    stage.nowMs = 100
    stage.publish(root6)
    stage.nowMs = 250
    stage.publish(root7)
    stage.nowMs = 400
    expect(shown()).toMatchObject({ cp: 5, lagCps: 2, lagMs: 300 })
    stage.report(root6, { offerSeen: 1 })
    expect(shown()).toMatchObject({ cp: 6, lagCps: 1, lagMs: 150 })
    stage.report(root7, { offerSeen: 2 })
    expect(shown()).toMatchObject({ cp: 7, lagCps: 0, lagMs: 0 })
  })

  test('says when it was heard, what it refused, and what was sent', () => {
    expect(shown()).toMatchObject({ silentMs: null, refused: 0, sentBytes: 0 })
    stage.answer(root5, { refused: 3 })
    stage.nowMs = 40
    expect(shown()).toMatchObject({ silentMs: 40, refused: 3, sentBytes: 0 })
    stage.event({ kind: 'leaving', cp: 6, commands: [command(first)] })
    expect(shown().sentBytes).toBe(0)
    stage.leave()
    expect(shown().sentBytes).toBeGreaterThan(4096)
    stage.report(root5, { refused: 4 })
    expect(shown()).toMatchObject({ silentMs: 0, refused: 4 })
  })

  test('a transfer is told when its cp is reached, with what was sent and how long it took', () => {
    stage.answer(root5)
    stage.event({ kind: 'sealed', cp: 6 })
    stage.event({ kind: 'leaving', cp: 6, commands: [command(first), command(first + 1)] })
    stage.leave()
    stage.publish(root6)
    stage.leave()
    stage.nowMs = 30
    const told = stage.report(root6, { offerSeen: 1 }).filter(({ kind }) => kind === 'transfer')
    expect(told).toMatchObject([{ transfer: { cp: 6 } }])
    expect(JSON.stringify(told)).toContain('30')
    expect(kinds(stage.report(root6, { offerSeen: 1 }))).toEqual(['hold'])
  })

  test('blocks that were sent live for a reached cp are not left out of the next difference', () => {
    stage.answer(root5)
    const left = (cp: number) =>
      [...stage.shipper.outbox.sentLive.without([{ address: first, blocks: 2 }], cp)].length
    stage.event({ kind: 'sealed', cp: 6 })
    stage.event({ kind: 'leaving', cp: 6, commands: [command(first), command(first + 1)] })
    stage.leave()
    expect(left(6)).toBe(0)
    stage.publish(root6)
    stage.report(root6, { offerSeen: 1 })
    expect(left(6)).toBe(1)
  })
})

describe('a target', () => {
  const blocks = () =>
    stage.shipper.outbox.runs('difference', 7, positionOf(root5), [
      { address: first, bytes: new Uint8Array(4096), claim: null },
    ])
  beforeEach(() => {
    stage = new Stage(root7, [root6, root7], [root5])
    stage.connect()
    stage.answer(root5)
    stage.leave()
    blocks()
  })

  test.each(['reached', 'unavailable', 'refused', 'short'] as const)(
    'that is %s takes the blocks with it that were read for it',
    (how) => {
      const ends = {
        reached: () => stage.report(root7, { offerSeen: 1 }),
        unavailable: () => stage.event({ kind: 'unavailable', cp: 7, detail: '' }),
        refused: () => stage.hear({ kind: 'error', code: 'bad-root', detail: '' }),
        short: () => stage.report(root5, { needs: 'space', needsBytes: 1 }),
      }
      expect(kinds(ends[how]())).toContain('stop-sending')
      expect(stage.shipper.outbox.bytes).toBe(0)
    },
  )

  test('waits behind what was sent before it: the word that all has left does not overtake a block', () => {
    stage.event({ kind: 'difference-read', cp: 7 })
    const { outbox, head } = stage.shipper
    expect(outbox.take(head)).not.toBeNull()
    expect(outbox.take(head)).toBeNull()
    outbox.received()
    expect(outbox.take(head)).not.toBeNull()
  })

  test('is polled for only when nothing waits to leave', () => {
    tick(limits.heartbeatMs)
    expect(kinds(stage.leave())).toEqual(['blocks'])
    tick(limits.heartbeatMs)
    expect(kinds(stage.leave())).toEqual(['poll'])
  })

  test('is resumed only when it is newer than what the mirror has published', () => {
    for (const published of [root7, root8]) {
      stage = new Stage(root8, [root7, root8], [root6])
      stage.connect()
      const actions = stage.answer(published, {
        target: positionOf(root7),
        stage: 'verifying',
        retained: [positionOf(published)],
      })
      expect(stage.leave().filter(({ kind, cp }) => kind === 'offer' && cp === 7)).toEqual([])
      expect(kinds(actions)).toContain('mirrored')
    }
  })
})

test('a new connection takes nothing over that waited, and is not believed to have it', () => {
  stage.answer(root5)
  stage.event({ kind: 'leaving', cp: 6, commands: [command(first)] })
  stage.event({ kind: 'failed', reason: 'cut' })
  expect([stage.shipper.outbox.bytes, stage.shipper.outbox.isEmpty]).toEqual([0, true])
  stage.event({ kind: 'unavailable', cp: 5, detail: '' })
  stage.nowMs = stage.shipper.wakeAtMs
  stage.event({ kind: 'tick' })
  expect(kinds(stage.leave())).toEqual(['hello'])
  expect(stage.answer(root5, {})).toMatchObject([{ kind: 'hold', roots: [root5] }])
  expect(stage.hear({ kind: 'report', ...stage.status(root5) }, { number: 0 })).toEqual([])
})

test('the first report of a session may have number 0', () => {
  stage.hear(
    { kind: 'hello-answer', opens: stage.shipper.head.session, ...stage.status(null, { offerSeen: 0 }) },
    { number: 0 },
  )
  expect(shown()).toMatchObject({ state: 'catching-up', cp: null })
  expect(stage.hear({ kind: 'report', ...stage.status(root5) }, { number: 0 })).toEqual([])
  expect(kinds(stage.hear({ kind: 'report', ...stage.status(root5) }, { number: 1 }))).toContain('mirrored')
})

test('a mirror that answers is told as mirrored once for each cp', () => {
  expect(kinds(stage.answer(root5))).toContain('mirrored')
  for (let again = 0; again < 3; again++) expect(kinds(stage.report(root5))).not.toContain('mirrored')
  expect(stage.shipper.describe(0).cp).toBe(5)
  expect(cps(stage.held)).toEqual([5])
})

test('the log of live cps is asked to forget with each cp', () => {
  stage.answer(root5)
  for (const root of [root6, root7, root8]) {
    stage.event({ kind: 'sealed', cp: root.root.cp })
    stage.publish(root)
  }
  expect([...stage.shipper['live']['cps'].keys()]).toEqual([8])
})

test('an offer that comes about while nobody is connected does not leave with the next hello', () => {
  stage = new Stage(root7, [root6, root7], [root5])
  stage.connect()
  stage.answer(root5)
  stage.event({ kind: 'failed', reason: 'cut' })
  stage.event({ kind: 'difference-read', cp: 7 })
  stage.nowMs = stage.shipper.wakeAtMs
  stage.event({ kind: 'tick' })
  expect(kinds(stage.leave())).toEqual(['hello'])
})

test('a poll does not wait for what is on its way', () => {
  stage.answer(root5)
  stage.event({ kind: 'leaving', cp: 6, commands: [command(first)] })
  const { outbox, head } = stage.shipper
  expect(outbox.take(head)).not.toBeNull()
  tick(limits.heartbeatMs)
  expect(outbox.take(head)).not.toBeNull()
})

test('offers are counted from 1 on in each session, and what was offered in the one before is held no more', () => {
  stage.answer(root5)
  stage.publish(root6)
  expect(stage.leave()).toMatchObject([{ kind: 'offer', offer: 1 }])
  stage.event({ kind: 'failed', reason: 'cut' })
  expect(cps(stage.held)).toEqual([5, 6])
  stage.nowMs = stage.shipper.wakeAtMs
  stage.publish(root7)
  stage.connect()
  stage.answer(root5)
  expect(stage.leave()).toMatchObject([{ kind: 'offer', cp: 6, offer: 1 }])
  stage.event({ kind: 'unavailable', cp: 6, detail: '' })
  expect(stage.leave()).toMatchObject([{ kind: 'offer', cp: 7, offer: 2 }])
})

test('an older copy goes on with its session, and polls', () => {
  stage.lostCp = 8
  stage.answer(root8)
  expect(shown().needs).toContain('older copy')
  tick(limits.heartbeatMs)
  expect(stage.leave()).toMatchObject([{ kind: 'poll', remark: 'no-common-cp' }])
})
