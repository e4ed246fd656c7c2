/**
 * Small workloads, all of them: every one- and two-operation sequence of the file API, each operation at each level, and
 * samples of three. The power goes out at every device operation, with every subset of up to eight un-synced writes
 * (samples beyond that, and torn ones), and some images lose their power again while they are opened.
 *
 * After each: the volume opens and is sound, the files are a prefix of what was asked for, and everything that had been
 * acknowledged by then is in it.
 */
import { hasCode } from '../../src/lib/errors.ts'
import {
  type CrashChoice,
  type CrashState,
  type Image,
  crashImage,
  randomChoice,
  subset,
} from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Chance } from './chance.ts'
import { forecast, mustBeForecast } from './checks.ts'
import { EventLoop, ProcessClock } from './event-loop.ts'
import type { FileOperation } from './file-operations.ts'
import { History, type Reached } from './history.ts'
import { zstdInTurn } from './packing.ts'
import { SmallPair } from './small-pair.ts'
import {
  type Asked,
  SmallProcess,
  type SmallVolumes,
  openSmall,
  put,
  verifyOpened,
  writeAgain,
} from './small-volume.ts'

export type SmallWorkload = readonly Asked[]

const levels: readonly Reached[] = ['buffered', 'logged', 'committed', 'mirrored']
const subsetBitsMax = 8
const samplesBeyond = 64

/** What the volume has before anything is asked for. */
export const before: readonly FileOperation[] = [
  put('small', 100),
  put('large', 140_000, 50_000),
  put('d/f', 5000),
  put('d/sub/g', 10),
  { op: 'mkdir', path: ['e'] },
  // Too large for one operation to unlink with its records, and nearly empty.
  put('sparse', 70_000, 30_000),
  { op: 'resize', path: ['sparse'], size: 600_000, when: 'always' },
  { op: 'settings', changes: [{ name: 'kept', content: { length: 40, seed: 5 } }] },
]

export const alphabet: Readonly<Record<string, FileOperation>> = {
  'put small': put('new', 500),
  'put large': put('n/big', 150_000, 60_000),
  replace: put('small', 70_000),
  'replace an object': put('sparse', 300),
  patch: {
    op: 'patch',
    path: ['large'],
    offset: 66_000,
    content: { length: 3000, seed: 7 },
    when: 'always',
  },
  append: { op: 'patch', path: ['small'], offset: 'end', content: { length: 5000, seed: 8 }, when: 'always' },
  truncate: { op: 'resize', path: ['large'], size: 65_000, when: 'always' },
  extend: { op: 'resize', path: ['small'], size: 300_000, when: 'always' },
  'put a link': { op: 'link', path: ['to', 'small'], target: '../small', when: 'always' },
  delete: { op: 'deleteFile', path: ['large'], when: 'always' },
  mkdir: { op: 'mkdir', path: ['n', 'm'] },
  'remove an empty directory': { op: 'deleteDirectory', path: ['e'], recursive: false },
  'remove a tree': { op: 'deleteDirectory', path: ['d'], recursive: true },
  'move a file': { op: 'move', from: ['small'], to: ['e', 'small'], overwrite: false },
  'move over a file': { op: 'move', from: ['large'], to: ['d', 'f'], overwrite: true },
  'move a directory': { op: 'move', from: ['d'], to: ['e', 'd'], overwrite: false },
  'change settings': {
    op: 'settings',
    changes: [
      { name: 'new', content: { length: 700, seed: 6 } },
      { name: 'kept', content: null },
    ],
  },
  batch: {
    op: 'batch',
    steps: [
      { op: 'put', path: ['x'], content: { length: 300, seed: 9 }, when: 'always' },
      { op: 'delete', path: ['small'], recursive: false, when: 'always' },
      { op: 'mkdir', path: ['y', 'z'] },
      { op: 'move', from: ['large'], to: ['y', 'large'], overwrite: false },
    ],
  },
}

const steps: readonly Asked[] = Object.values(alphabet).flatMap((operation) =>
  levels.map((level) => ({ operation, level })),
)

export function* workloads(length: 1 | 2): Generator<SmallWorkload> {
  for (const first of steps) {
    if (length === 1) yield [first]
    else for (const second of steps) yield [first, second]
  }
}

export function sampled(length: number, chance: Chance): SmallWorkload {
  return Array.from({ length }, () => chance.pick(steps))
}

export const nameOf = (workload: SmallWorkload): string => {
  const names = Object.entries(alphabet)
  const nameOfOne = ({ operation, level }: Asked) =>
    `${names.find(([, other]) => other === operation)?.[0] ?? operation.op} (${level})`
  return workload.map(nameOfOne).join(', ')
}

// --- One workload ---

interface Moment {
  readonly state: CrashState
  /** Acknowledged as durable by then. */
  readonly durable: number
}

interface Recorded {
  readonly history: History
  readonly moments: readonly Moment[]
}

/** What the second of two may find. */
const nothingToDo = ['not-found', 'exists', 'directory-not-empty'] as const

/** Does the workload once, and keeps what a loss of power at each device operation would leave. */
async function record(volumes: SmallVolumes, workload: SmallWorkload): Promise<Recorded> {
  const history = new History()
  const moments: Moment[] = []
  let isRecording = false
  const loop = new EventLoop()
  const chance = new Chance(`chances of ${nameOf(workload)}`)
  const device = new SimulatedDevice({
    image: volumes.primary,
    // What is answered too early is answered while the write is still on its way.
    scheduler: { schedule: (_operation, done) => void loop.after(chance.below(3), done) },
    onMutation: () => {
      if (isRecording) moments.push({ state: device.crashState(), durable: history.durable })
    },
  })
  const packing = chance.below(3) === 0 ? zstdInTurn : null
  const process = await SmallProcess.open(device, history, 'opening', { packing }, loop)
  const { clock, engine } = process
  const isMirrored = workload.some(({ level }) => level === 'mirrored')
  const pair = isMirrored ? await SmallPair.make(loop, clock, engine, volumes.mirror) : null
  const run = async () => {
    for (const operation of before) await process.ask({ operation, level: 'buffered' })
    await engine.requestCp('requested')
    isRecording = true
    for (const asked of workload) {
      await process.ask(asked, pair).catch((error: unknown) => {
        if (!nothingToDo.some((code) => hasCode(error, code))) throw error
      })
      // Sometimes the reaper comes first.
      await clock.sleep(chance.pick([0, 20]))
    }
  }
  await process.finished(run())
  await process.end()
  pair?.close()
  return { history, moments }
}

/** Answers how many images were opened. */
export async function crashEverywhere(
  volumes: SmallVolumes,
  workload: SmallWorkload,
  subsetsMax = 2 ** subsetBitsMax,
): Promise<number> {
  const { history, moments } = await record(volumes, workload)
  const chance = new Chance(nameOf(workload))
  const seen = new Set<string>()
  let images = 0
  // The last moment of an image asks most of it: what was acknowledged by then.
  for (const { state, durable } of moments.toReversed()) {
    for (const choice of choicesOf(state, chance, subsetsMax)) {
      const image = crashImage(state, choice)
      const name = nameOfImage(image)
      if (seen.has(name)) continue
      seen.add(name)
      await verify(await maybeCrashedAgain(image, chance), history, durable, chance.below(8) === 0)
      images++
    }
  }
  return images
}

function* choicesOf(state: CrashState, chance: Chance, subsetsMax: number): Generator<CrashChoice> {
  const { length } = state.pending
  yield randomChoice(chance)
  if (length <= subsetBitsMax && 2 ** length <= subsetsMax)
    for (let mask = 0; mask < 2 ** length; mask++) yield subset(mask)
  else for (let i = 0; i < Math.min(samplesBeyond, subsetsMax); i++) yield randomChoice(chance)
}

const sums = new WeakMap<Uint8Array, bigint>()

function nameOfImage({ blocks, blockCount }: Image): string {
  let hash = BigInt(blockCount)
  for (const address of blocks.addresses()) {
    const block = blocks.get(address)
    let sum = sums.get(block)
    if (sum === undefined) sums.set(block, (sum = Bun.hash.xxHash3(block)))
    hash = Bun.hash.xxHash3(`${address} ${sum}`, hash)
  }
  return hash.toString(16)
}

const stillClock = (): ProcessClock => new ProcessClock(new EventLoop())

/** Recovery may lose its power as well. */
async function maybeCrashedAgain(image: Image, chance: Chance): Promise<Image> {
  if (chance.below(8) > 0) return image
  const states: CrashState[] = []
  const device = new SimulatedDevice({ image, onMutation: () => void states.push(device.crashState()) })
  await openSmall(device, stillClock(), 'a recovery that fails')
  return states.length > 0 ? crashImage(chance.pick(states), randomChoice(chance)) : image
}

async function verify(image: Image, history: History, durable: number, goesOn: boolean): Promise<void> {
  const report = await forecast(new SimulatedDevice({ image }), 'a crash image')
  const device = new SimulatedDevice({ image })
  const clock = stillClock()
  const engine = await openSmall(device, clock, 'the opening after')
  mustBeForecast(report, engine, 'a crash image')
  await verifyOpened(engine, device, history, durable)
  if (goesOn) await writeAgain(engine, clock, history)
}
