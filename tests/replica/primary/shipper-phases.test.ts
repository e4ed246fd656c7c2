/**
 * Every event in every phase of the primary's machine for one mirror.
 *
 * A line of the table is `event: actions ➜ frames ➜ the parts of the state that are other ones now`. An event comes
 * some milliseconds after the phase was reached. An event that is not in the table changes nothing.
 */
import { describe, expect, test } from 'bun:test'
import { phases as expected } from './shipper-phases.ts'
import type { PublishedRoot } from '../../../src/cp-engine/contract.ts'
import type { WireErrorCode } from '../../../src/format/wire/messages.ts'
import type { ShipperAction } from '../../../src/replica/primary/shipper-events.ts'
import { base as root5, epoch, first, positionOf, rootOf, uuid } from '../mirror/applier-scene.ts'
import { Stage, command, cps, limits, mirror, root6, root7, root8 } from './shipper-stage.ts'

/** From the begin of a phase to the event. */
const laterMs = 7
const stranger = uuid()
const higher = { number: epoch.number + 1, id: new Uint8Array(8) }

/** A mirror with CP 5 of a primary with CPs 6 and 7, which goes for CP 7. */
function sending(): Stage {
  const stage = new Stage(root7, [root6, root7], [root5])
  stage.connect()
  stage.answer(root5)
  stage.leave()
  return stage
}
function short(): Stage {
  const stage = sending()
  stage.report(root5, { needs: 'space', needsBytes: 4096 })
  return stage
}

const scenes: Readonly<Record<string, () => Stage>> = {
  'never connected': () => new Stage(),
  'waiting for the next try': () => {
    const stage = new Stage()
    stage.connect()
    stage.event({ kind: 'failed', reason: 'cut' })
    return stage
  },
  greeting: () => {
    const stage = new Stage()
    stage.connect()
    return stage
  },
  'answered, not yet a member': () => {
    const stage = new Stage(root5, [root5], [], null)
    stage.connect()
    stage.answer(root5)
    return stage
  },
  'up to date': () => {
    const stage = new Stage()
    stage.connect()
    stage.answer(root5)
    return stage
  },
  sending,
  offered: () => {
    const stage = sending()
    stage.event({ kind: 'difference-read', cp: 7 })
    stage.leave()
    return stage
  },
  'short of space': short,
  asked: () => {
    const stage = short()
    stage.nowMs = limits.troubleMs
    stage.event({ kind: 'tick' })
    stage.leave()
    return stage
  },
  'without a common cp': () => {
    const stage = new Stage(root7, [root6, root7])
    stage.connect()
    stage.answer(rootOf(4, null))
    stage.leave()
    return stage
  },
  refused: () => {
    const stage = new Stage()
    stage.connect()
    stage.answer(root5)
    stage.event({ kind: 'refused', reason: 'no place' })
    return stage
  },
}

type Do = (stage: Stage) => readonly ShipperAction[]
const wanted = [{ address: first, blocks: 1 }]
const next = (stage: Stage): PublishedRoot =>
  [root6, root7, root8].find((root) => root.root.cp > stage.current.root.cp)!
const errorOf =
  (code: WireErrorCode, head = {}): Do =>
  (stage) =>
    stage.hear({ kind: 'error', code, detail: `it says ${code}` }, head)

const passing =
  (ms: number): Do =>
  (stage) => {
    stage.nowMs += ms
    return stage.event({ kind: 'tick' })
  }

const events: Readonly<Record<string, Do>> = {
  'commands leave': (stage) => {
    const cp = stage.current.root.cp + 1
    return [
      ...stage.event({ kind: 'sealed', cp }),
      ...stage.event({ kind: 'leaving', cp, commands: [command(first)] }),
    ]
  },
  'the next cp is published': (stage) => stage.publish(next(stage)),
  'a batch is received': (stage) => stage.event({ kind: 'received' }),
  'the connection fails': (stage) => stage.event({ kind: 'failed', reason: 'broken' }),
  'the difference is read': (stage) => stage.event({ kind: 'difference-read', cp: 7 }),
  'another difference is read': (stage) => stage.event({ kind: 'difference-read', cp: 6 }),
  'a block is unavailable': (stage) => stage.event({ kind: 'unavailable', cp: 7, detail: 'rotten' }),
  'a block of another cp is unavailable': (stage) =>
    stage.event({ kind: 'unavailable', cp: 6, detail: 'rotten' }),
  'made a member': (stage) => stage.event({ kind: 'adopted', side: mirror }),
  'made a member: another one': (stage) => stage.event({ kind: 'adopted', side: stranger }),
  'no place for a member': (stage) => stage.event({ kind: 'refused', reason: 'no place' }),
  'space is short': (stage) => stage.event({ kind: 'space-short' }),
  'a moment passes': passing(0),
  'almost a heartbeat passes': passing(limits.heartbeatMs - laterMs - 1),
  'a heartbeat passes': passing(limits.heartbeatMs - laterMs),
  'the time of a trouble passes almost': passing(limits.troubleMs - laterMs - 1),
  'the time of a trouble passes': passing(limits.troubleMs - laterMs),
  'the longest silence passes almost': passing(limits.silenceMsMax - laterMs - 1),
  'the longest silence passes': passing(limits.silenceMsMax - laterMs),
  'it answers the hello': (stage) => stage.answer(root5),
  'another one answers the hello': (stage) => stage.answer(root5, { side: stranger }),
  'it reports the same': (stage) => stage.report(root5),
  'it reports of earlier offers': (stage) => stage.report(root5, { offerSeen: 0 }),
  'it reports the newest cp': (stage) => stage.report(stage.current),
  'it lacks space': (stage) => stage.report(root5, { needs: 'space', needsBytes: 8192 }),
  'it lacked space before this target': (stage) =>
    stage.report(root5, { needs: 'space', needsBytes: 8192, offerSeen: 0 }),
  'it lacks a device': (stage) => stage.report(root5, { needs: 'another-device' }),
  'it lacks sound blocks': (stage) => stage.report(root5, { needs: 'sound-blocks' }),
  'it retains too many roots': (stage) =>
    stage.report(root5, { retained: Array.from({ length: 99 }, () => positionOf(root5)) }),
  'it wants blocks': (stage) => stage.hear({ kind: 'want', round: 1, wanted }, { cp: 7 }),
  'it wants blocks of another cp': (stage) => stage.hear({ kind: 'want', round: 1, wanted }, { cp: 6 }),
  'another volume reports': (stage) =>
    stage.hear({ kind: 'report', ...stage.status(root6) }, { volume: stranger }),
  'another session reports': (stage) =>
    stage.hear({ kind: 'report', ...stage.status(root6) }, { session: stranger }),
  'a frame of a primary comes': (stage) => stage.hear({ kind: 'poll', remark: 'nothing' }),
  'an error: the session is unknown': errorOf('unknown-session'),
  'an error: the device has failed': errorOf('device-failed'),
  'an error: the epoch is older': errorOf('older-epoch', { epoch: higher }),
  'an error: the epoch is older, of another volume': errorOf('older-epoch', {
    epoch: higher,
    volume: stranger,
  }),
  'an error: the epoch is another one': errorOf('another-epoch', { epoch: higher }),
  'an error: the root is bad': errorOf('bad-root'),
  'an error: the base is wrong': errorOf('wrong-base'),
  'an error: a block is in use': errorOf('block-in-use'),
}

function actionInWords(action: ShipperAction): string {
  switch (action.kind) {
    case 'hold':
      return `hold ${cps(action.roots).join('+')}`
    case 'send-difference':
      return `send-difference ${action.base?.root.cp ?? '-'}→${action.target.root.cp} from ${action.from}`
    case 'send-wanted':
      return `send-wanted ${action.base?.root.cp ?? '-'}→${action.target.root.cp}`
    case 'unreached':
      return `unreached: ${action.reason}`
    case 'met-lost-cp':
      return `met-lost-cp ${action.cp}`
    default:
      return action.kind
  }
}
function framesOf(stage: Stage): string[] {
  return stage.leave().map((message) => {
    if (message.kind === 'offer')
      return `offer ${message.offer} of ${message.cp}${message.isComplete ? '' : `, ${message.blocks} blocks`}`
    if (message.kind === 'poll') return `poll ${message.remark}`
    if (message.kind === 'blocks') return `${message.source} blocks of ${message.cp}`
    return message.kind
  })
}
function stateOf({ shipper, nowMs }: Stage): string[] {
  const { state, cp, lagCps, needs } = shipper.describe(nowMs)
  return [
    `${state} with ${cp}, lacks ${lagCps}`,
    `wakes at ${Math.floor(shipper.wakeAtMs)}`,
    `needs ${needs?.replace(/[,:(].*/, '') ?? 'nothing'}`,
  ]
}

function outcome(make: () => Stage, happens: Do): string {
  const stage = make()
  stage.nowMs += laterMs
  const before = stateOf(stage)
  const actions = happens(stage).map(actionInWords)
  const frames = framesOf(stage)
  const after = stateOf(stage).filter((part) => !before.includes(part))
  const parts = [actions, frames, after]
  return parts.every((part) => part.length === 0) ? '' : parts.map((part) => part.join(', ')).join(' ➜ ')
}

const frames = Object.entries(events).filter(([name]) =>
  /^it |^another one |^a frame |^an error|volume reports/.test(name),
)

test('every frame of the session is a sign of life, in each phase with a connection', () => {
  expect(frames.length).toBeGreaterThan(20)
  for (const [phase, make] of Object.entries(scenes)) {
    const heardAt = ({ shipper, nowMs }: Stage) => {
      const { silentMs } = shipper.describe(nowMs)
      return silentMs === null ? null : nowMs - silentMs
    }
    const isConnected = !['never connected', 'waiting for the next try', 'refused'].includes(phase)
    for (const [name, happens] of Object.entries(events)) {
      const stage = make()
      const before = heardAt(stage)
      stage.nowMs += laterMs
      const { nowMs } = stage
      happens(stage)
      const isHeard = isConnected && frames.some(([frame]) => frame === name)
      expect([phase, name, heardAt(stage)]).toEqual([phase, name, isHeard ? nowMs : before])
    }
  }
})
describe.each(Object.entries(scenes))('%s', (phase, make) => {
  const { shows, lines } = expected[phase]!

  test('shows itself', () => expect(stateOf(make()).join(', ')).toBe(shows))

  test.each(Object.entries(events))('%s', (name, happens) => {
    expect(outcome(make, happens)).toBe(lines[name] ?? '')
  })
})
