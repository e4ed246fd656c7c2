/** The primary's decisions about one mirror, against scripted events: no socket, no device, no time. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { rootsHeldMax } from '../../../src/format/geometry.ts'
import { nowhere } from '../../../src/format/wire/messages.ts'
import { base as root5, first, positionOf, rootOf, uuid } from '../mirror/applier-scene.ts'
import {
  Stage,
  command,
  containing,
  cps,
  kinds,
  limits,
  mirror,
  root6,
  root7,
  root8,
} from './shipper-stage.ts'

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})

describe('the connection', () => {
  test('begins with a hello, and is given up in silence', () => {
    expect(kinds(stage.event({ kind: 'tick' }))).toEqual(['connect'])
    expect(kinds(stage.leave())).toEqual(['hello'])
    expect(stage.shipper.wakeAtMs).toBe(limits.silenceMsMax)
    stage.nowMs = limits.silenceMsMax
    expect(kinds(stage.event({ kind: 'tick' }))).toEqual(['unreached', 'stop-sending', 'disconnect'])
    expect(stage.shipper.describe(stage.nowMs).state).toBe('away')
  })

  test('is tried again later and later, with a limit', () => {
    let before = 0
    for (let i = 0; i < 12; i++) {
      stage.nowMs = Math.max(stage.nowMs, stage.shipper.wakeAtMs)
      expect(kinds(stage.event({ kind: 'tick' }))).toEqual(['connect'])
      stage.event({ kind: 'failed', reason: 'refused' })
      const delay = stage.shipper.wakeAtMs - stage.nowMs
      const whole = Math.min(limits.backoffMsMax, limits.backoffMsMin * 2 ** i)
      expect(delay).toBeGreaterThanOrEqual(whole / 2)
      expect(delay).toBeLessThanOrEqual(whole)
      before = delay
    }
    expect(before).toBeGreaterThan(limits.backoffMsMax / 2 - 1)
  })

  test('another mirror at the address is not taken for this one', () => {
    stage.connect()
    expect(kinds(stage.answer(root5, { side: uuid() }))).toEqual(['stop-sending', 'disconnect'])
    expect(stage.shipper.describe(0)).toMatchObject({ state: 'stalled' })
  })

  test('an unknown mirror is made a member before anything is offered', () => {
    stage = new Stage(root5, [root5], [], null)
    stage.connect()
    expect(stage.answer(null)).toEqual([{ kind: 'adopt', side: mirror }])
    expect(stage.leave()).toEqual([])
    expect(kinds(stage.event({ kind: 'adopted', side: mirror }))).toEqual(['hold', 'send-difference'])
    // However new what it is offered: it has nothing.
    expect(stage.shipper.describe(0)).toMatchObject({ state: 'catching-up', cp: null })
  })

  test('a higher epoch is told and ends the session', () => {
    stage.connect()
    const higher = { number: 4, id: new Uint8Array(8) }
    const actions = stage.hear({ kind: 'error', code: 'older-epoch', detail: '' }, { epoch: higher })
    expect(actions[0]).toEqual({ kind: 'met-higher-epoch', epoch: higher })
    expect(stage.shipper.describe(0).state).toBe('stalled')
  })

  test('what says that it is higher and is not, or is of another volume, is not believed', () => {
    const higher = { number: 4, id: new Uint8Array(8) }
    for (const head of [{}, { epoch: higher, volume: uuid() }]) {
      stage.connect()
      const actions = stage.hear({ kind: 'error', code: 'older-epoch', detail: '' }, head)
      expect(kinds(actions)).not.toContain('met-higher-epoch')
      stage = new Stage(root5, [root5])
    }
  })

  test('a mirror without a common CP is told so; when it has what is lost here, the primary hears of it', () => {
    stage.connect()
    expect(stage.answer(root8)).toEqual([expect.objectContaining({ kind: 'hold' }), { kind: 'stop-sending' }])
    expect(stage.shipper.describe(0)).toMatchObject({
      state: 'stalled',
      needs: containing('empty its folder'),
    })
    stage.nowMs += limits.heartbeatMs
    stage.event({ kind: 'tick' })
    expect(stage.leave()).toMatchObject([{ kind: 'poll', remark: 'no-common-cp' }])
    stage.lostCp = 8
    expect(stage.report(root8)).toContainEqual({ kind: 'met-lost-cp', cp: 8 })
    expect(stage.shipper.describe(0).needs).toContain('older copy')
  })

  test('space that is short is said as often as it is polled', () => {
    stage.connect()
    stage.answer(root5)
    stage.leave()
    const short = () => {
      stage.event({ kind: 'space-short' })
      return stage.leave()
    }
    expect(short()).toMatchObject([{ kind: 'poll', remark: 'space-short' }])
    expect(short()).toEqual([])
    stage.nowMs += limits.heartbeatMs
    expect(short()).toMatchObject([{ kind: 'poll', remark: 'space-short' }])
  })

  test('frames of another session, and reports that were overtaken, change nothing', () => {
    stage.connect()
    stage.answer(root5)
    expect(stage.report(null, {})).not.toEqual([])
    expect(stage.hear({ kind: 'report', ...stage.status(root5) }, { session: uuid() })).toEqual([])
    expect(stage.hear({ kind: 'report', ...stage.status(root5) }, { number: 0 })).toEqual([])
  })
})

describe('live', () => {
  beforeEach(() => {
    stage.connect()
    stage.answer(root5)
  })
  const write = (cp: number, ...addresses: number[]) => {
    stage.event({ kind: 'sealed', cp })
    stage.event({ kind: 'leaving', cp, commands: addresses.map(command) })
  }

  test('commands leave at once, and the root is offered without a difference', () => {
    expect(stage.shipper.describe(0).state).toBe('live')
    write(6, first, first + 1)
    expect(stage.leave()).toMatchObject([{ kind: 'blocks', source: 'live', cp: 6, base: positionOf(root5) }])
    expect(kinds(stage.publish(root6))).toEqual(['hold'])
    expect(cps(stage.held)).toEqual([5, 6])
    expect(stage.leave()).toMatchObject([{ kind: 'offer', cp: 6, isComplete: true, base: positionOf(root5) }])
  })

  test('the hold is set before the offer is sent', () => {
    write(6, first)
    stage.current = root6
    const actions = stage.shipper.handle({ kind: 'published' }, 0)
    expect(actions[0]!.kind).toBe('hold')
  })

  test('while a CP is verified the next one goes on live, and is offered when the mirror has published', () => {
    write(6, first)
    stage.publish(root6)
    write(7, first + 1)
    expect(kinds(stage.leave())).toEqual(['blocks', 'offer', 'blocks'])
    expect(stage.publish(root7)).toEqual([])
    expect(stage.leave()).toEqual([])
    expect(kinds(stage.report(root6, { offerSeen: 1, retained: [root5, root6].map(positionOf) }))).toContain(
      'mirrored',
    )
    expect(stage.leave()).toMatchObject([{ kind: 'offer', cp: 7, isComplete: true }])
    expect(cps(stage.held)).toEqual([5, 6, 7])
  })

  test('a mirror that is two CPs behind gets no commands, and then the difference', () => {
    write(6, first)
    stage.publish(root6)
    write(7, first + 1)
    stage.publish(root7)
    write(8, first + 2)
    stage.leave()
    stage.publish(root8)
    expect(stage.shipper.describe(0).state).toBe('catching-up')
    const actions = stage.report(root6, { offerSeen: 1 })
    expect(actions.find(({ kind }) => kind === 'send-difference')).toMatchObject({
      target: root8,
      base: root6,
      from: 0,
    })
    expect(stage.leave()).toMatchObject([{ kind: 'offer', cp: 8, isComplete: false }])
  })

  test('the outbox is bounded: what finds no room is refused, and sent as difference', () => {
    write(6, ...Array.from({ length: 9 }, (_, i) => first + i))
    expect(stage.shipper.outbox.bytes).toBe(0)
    expect(kinds(stage.publish(root6))).toEqual(['hold', 'send-difference'])
  })

  test('what has not left when it cannot be offered is dropped', () => {
    write(6, first)
    stage.publish(root6)
    stage.leave()
    write(7, first + 1)
    stage.publish(root7)
    expect(stage.shipper.outbox.bytes).toBe(0)
    expect(kinds(stage.report(root6, { offerSeen: 1 }))).toContain('send-difference')
  })

  test('nor is one of which commands left before the connection was cut', () => {
    stage.event({ kind: 'leaving', cp: 6, commands: [command(first)] })
    stage.leave()
    stage.event({ kind: 'failed', reason: 'cut' })
    stage.nowMs = stage.shipper.wakeAtMs
    stage.connect()
    stage.answer(root5)
    write(6, first + 1)
    expect(kinds(stage.publish(root6))).toEqual(['hold', 'send-difference'])
  })

  test('a CP of which commands left before the mirror came is not taken for whole', () => {
    stage.event({ kind: 'failed', reason: 'cut' })
    stage.event({ kind: 'leaving', cp: 6, commands: [command(first)] })
    stage.nowMs = stage.shipper.wakeAtMs
    stage.connect()
    stage.answer(root5)
    write(6, first + 1)
    expect(kinds(stage.publish(root6))).toEqual(['hold', 'send-difference'])
  })
})

describe('catching up', () => {
  beforeEach(() => {
    stage = new Stage(root7, [root6, root7], [root5])
    stage.connect()
  })

  test('an empty mirror gets everything', () => {
    expect(stage.answer(null)).toMatchObject([
      { kind: 'hold', roots: [root7] },
      { kind: 'send-difference', target: root7, base: null, from: 0 },
    ])
  })

  test('a held CP is the base; the target stays while newer CPs are published', () => {
    expect(stage.answer(root5)[1]).toMatchObject({ kind: 'mirrored' })
    expect(cps(stage.held)).toEqual([5, 7])
    stage.publish(root8)
    expect(cps(stage.held)).toEqual([5, 7])
    stage.event({ kind: 'difference-read', cp: 7 })
    expect(stage.leave()).toMatchObject([
      { kind: 'offer', cp: 7, isComplete: false },
      { kind: 'offer', cp: 7, isComplete: true },
    ])
  })

  test('without a common CP the mirror is stalled, nothing is offered, and its needs are told', () => {
    expect(kinds(stage.answer(rootOf(4, null)))).not.toContain('send-difference')
    expect(stage.leave()).toEqual([])
    expect(stage.shipper.describe(0)).toMatchObject({
      state: 'stalled',
      needs: containing('common'),
    })
    stage.nowMs = limits.troubleMs
    stage.event({ kind: 'tick' })
    expect(kinds(stage.leave())).toEqual(['poll'])
  })

  test('a connection that was cut goes on where the mirror says', () => {
    stage.answer(root5)
    stage.event({ kind: 'failed', reason: 'cut' })
    stage.publish(root8)
    stage.nowMs = stage.shipper.wakeAtMs
    stage.connect()
    const actions = stage.answer(root5, { target: positionOf(root7), stage: 'receiving', receivedTo: 4711 })
    expect(actions.find(({ kind }) => kind === 'send-difference')).toMatchObject({
      target: root7,
      from: 4711,
    })
  })

  test('a restarted primary goes on with the target that the mirror still has, when it is held', () => {
    stage.held = [root5, root6]
    const actions = stage.answer(root5, {
      target: positionOf(root6),
      stage: 'wanting',
      retained: [root5, root6].map(positionOf),
    })
    expect(kinds(actions)).not.toContain('send-difference')
    expect(stage.leave()).toMatchObject([{ kind: 'offer', cp: 6, isComplete: true }])
    expect(cps(stage.held)).toEqual([5, 6])
  })

  test('wants are answered from the target alone', () => {
    stage.answer(root5)
    stage.event({ kind: 'difference-read', cp: 7 })
    const wanted = [{ address: first, blocks: 1 }]
    expect(stage.hear({ kind: 'want', round: 1, wanted }, { cp: 6 })).toEqual([])
    expect(stage.hear({ kind: 'want', round: 1, wanted }, { cp: 7 })).toMatchObject([
      { kind: 'send-wanted', wanted },
    ])
  })

  test('a target of which a block cannot be read gives way to a newer one', () => {
    stage.answer(root5)
    stage.publish(root8)
    const actions = stage.event({ kind: 'unavailable', cp: 7, detail: 'rotten' })
    expect(actions.find(({ kind }) => kind === 'send-difference')).toMatchObject({ target: root8 })
  })

  test('when there is no newer one, it is tried again later', () => {
    stage.answer(root5)
    stage.event({ kind: 'unavailable', cp: 7, detail: 'rotten' })
    expect(stage.shipper.describe(0)).toMatchObject({ state: 'stalled', needs: 'rotten' })
    stage.nowMs = limits.troubleMs
    expect(kinds(stage.event({ kind: 'tick' }))).toContain('send-difference')
  })

  test('a refused root is not offered again at once', () => {
    stage.answer(root5)
    stage.event({ kind: 'difference-read', cp: 7 })
    stage.leave()
    stage.hear({ kind: 'error', code: 'broken-hold', detail: 'block 5' })
    expect(stage.leave()).toEqual([])
    expect(stage.shipper.describe(0)).toMatchObject({ state: 'stalled', needs: 'block 5' })
  })

  test('a mirror that does not know the format of its primary says what it needs', () => {
    stage.answer(root5)
    stage.event({ kind: 'difference-read', cp: 7 })
    stage.leave()
    stage.hear({ kind: 'error', code: 'newer-format', detail: 'root node: it has features' })
    expect(stage.leave()).toEqual([])
    expect(stage.shipper.describe(0)).toMatchObject({ state: 'stalled', needs: 'root node: it has features' })
    stage.report(root5, { needs: 'a-newer-version' })
    expect(stage.shipper.describe(0)).toMatchObject({ state: 'stalled', needs: containing('newer version') })
  })

  test('an offer that was lost is made again', () => {
    stage.answer(root5)
    stage.event({ kind: 'difference-read', cp: 7 })
    stage.leave()
    stage.nowMs = limits.offerAgainMs
    stage.report(root5, { target: nowhere, offerSeen: 1 })
    expect(stage.leave()).toMatchObject([{ kind: 'offer', cp: 7, isComplete: true, offer: 3 }])
    stage.nowMs *= 2
    stage.report(root5, { target: positionOf(root7), stage: 'verifying', offerSeen: 3 })
    expect(stage.leave()).toEqual([])
  })

  test.each([
    ['receiving', true],
    ['verifying', false],
    ['wanting', false],
    ['publishing', false],
  ] as const)('a mirror that is %s the target lacks the word that all of it has left: %p', (at, lacks) => {
    stage.answer(root5)
    stage.event({ kind: 'difference-read', cp: 7 })
    stage.leave()
    for (let round = 1; round < 4; round++) {
      stage.nowMs += limits.offerAgainMs
      stage.report(root5, { target: positionOf(root7), stage: at, offerSeen: round })
      expect(stage.leave()).toMatchObject(lacks ? [{ kind: 'offer', cp: 7, isComplete: true }] : [])
    }
  })
})

describe('holds', () => {
  test('nothing is given up before the mirror has answered this process', () => {
    stage = new Stage(root8, [root7, root8], [root5, root6])
    stage.connect()
    stage.event({ kind: 'published' })
    stage.event({ kind: 'failed', reason: 'cut' })
    expect(cps(stage.held)).toEqual([5, 6])
  })

  test('a report that was on its way while something was offered does not release it', () => {
    stage = new Stage(root6, [root5, root6])
    stage.connect()
    stage.answer(root5)
    expect(cps(stage.held)).toEqual([5, 6])
    stage.report(root5, { offerSeen: 0 })
    expect(cps(stage.held)).toEqual([5, 6])
  })

  test('an offer that was given up is held until the mirror has seen what came after it', () => {
    stage = new Stage(root7, [root6, root7], [root5])
    stage.connect()
    stage.answer(root5)
    stage.publish(root8)
    stage.event({ kind: 'unavailable', cp: 7, detail: 'rotten' })
    stage.report(root5, { offerSeen: 0 })
    expect(cps(stage.held)).toEqual([5, 7, 8])
    stage.report(root5, { offerSeen: 2, retained: [root5, root8].map(positionOf) })
    expect(cps(stage.held)).toEqual([5, 8])
  })

  test('what the mirror reports no more is released', () => {
    stage = new Stage(root6, [root5, root6])
    stage.connect()
    stage.answer(root5)
    stage.report(root6, { offerSeen: 1, retained: [root5, root6].map(positionOf) })
    expect(cps(stage.held)).toEqual([5, 6])
    stage.report(root6, { offerSeen: 1 })
    expect(cps(stage.held)).toEqual([6])
  })

  test('never more than a superblock has room for', () => {
    const many = Array.from({ length: rootsHeldMax - 1 }, (_, i) => rootOf(10 + i, null, { sequence: i }))
    stage = new Stage(many.at(-1), many)
    stage.connect()
    stage.answer(many[0]!, { retained: many.map(positionOf) })
    expect(stage.held.length).toBe(rootsHeldMax - 1)
    const more = rootOf(40, null)
    stage.publish(more)
    stage.report(many.at(-2)!, { offerSeen: 9, retained: many.map(positionOf) })
    expect(stage.held.length).toBeLessThanOrEqual(rootsHeldMax)
  })
})
