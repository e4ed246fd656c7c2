/**
 * One flipped bit at a time, in every block that a small volume uses: superblocks, roots, tree, records, maps, the log that
 * a crash has left, and the records that the log names. Whatever is read then is right, or an error that has a name; never
 * other bytes, and never nothing at all. And whatever a flipped bit does to a primary, it never comes to a mirror.
 *
 * The check says before what an open does. It has an error for every flip that an open or a reader meets, and what was
 * acknowledged and sealed is never dropped in silence: an open refuses, and lists what is lost when that is accepted.
 */
import { AssertionError } from '../../src/lib/assert.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { hasErrors } from '../../src/cp-engine/check-findings.ts'
import type { RootSource } from '../../src/cp-engine/contract.ts'
import { LogReader } from '../../src/cp-engine/log/log-reader.ts'
import { Volume } from '../../src/cp-engine/volume/volume.ts'
import { readPublished } from '../../src/fs/read/read-view.ts'
import {
  blockBytes,
  superblockAddress,
  superblockCopies,
  superblockCopyBlocks,
  superblockSlots,
} from '../../src/format/geometry.ts'
import type { ModelTree } from '../fs/model-tree.ts'
import { type Image, everythingSurvives } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { inspect, mustBeForecast, mustBeSound } from './checks.ts'
import { compareAll } from './compare.ts'
import { EventLoop, ProcessClock } from './event-loop.ts'
import { History } from './history.ts'
import { SmallPair } from './small-pair.ts'
import { SmallProcess, type SmallVolumes, finished, openSmall, put } from './small-volume.ts'
import { must } from './violation.ts'
import { cacheLimit } from '../engine-limits.ts'

export const bitsPerBlock = 8 * blockBytes

/** A volume to flip bits in, and what it should be. */
export interface Specimen {
  readonly image: Image
  /** Every block that anything on it uses. */
  readonly blocks: readonly number[]
  readonly history: History
  /** What an open finds without any damage. */
  readonly sequence: number
  /** What it may find when only the last group of the log is gone. */
  readonly sequenceBefore: number
  readonly role: 'primary' | 'mirror'
}

export type SpecimenName = 'primary' | 'sealed primary' | 'mirror'

/** What became of a flip. */
export type Outcome = 'right' | 'partly refused' | 'refused to open' | 'loss reported'

const convergeMsMax = 3000
/** An idle log is sealed by then. */
const sealMs = 50

/** A primary that lost its power with operations in its log, before and after it sealed that, and a mirror of its last CP. */
export async function makeSpecimens(volumes: SmallVolumes): Promise<Record<SpecimenName, Specimen>> {
  const history = new History()
  const device = new SimulatedDevice({ image: volumes.primary })
  const process = await SmallProcess.open(device, history, 'opening')
  const { engine, loop, clock } = process
  const pair = await SmallPair.make(loop, clock, engine, volumes.mirror)
  await process.finished(
    (async () => {
      await process.ask({ operation: put('a', 100), level: 'buffered' })
      await process.ask({ operation: put('d/b', 6000), level: 'mirrored' }, pair)
      await process.ask({ operation: put('d/c', 200), level: 'mirrored' }, pair)
    })(),
  )
  const mirrored = pair.volume.current().root.sequence
  pair.close()
  await process.finished(
    (async () => {
      await process.ask({ operation: put('e', 300), level: 'logged' })
      await process.ask({ operation: put('d/b', 50), level: 'logged' })
      // Large enough for the log to name its records.
      await process.ask({ operation: put('g', 150_000, 60_000), level: 'logged' })
    })(),
  )
  // It is sealed: an empty group in the middle.
  await loop.pass(sealMs)
  const before = history.durable
  await process.finished(process.ask({ operation: put('f', 5000), level: 'logged' }))
  const sequences = [history.durable, before] as const
  const primary = await specimen(device, engine.volume, history, sequences, 'primary')
  await loop.pass(sealMs)
  const last = [history.durable, history.durable] as const
  const sealed = await specimen(device, engine.volume, history, last, 'primary')
  return {
    primary,
    'sealed primary': sealed,
    mirror: await specimen(pair.device, pair.volume, history, [mirrored, mirrored], 'mirror'),
  }
}

async function specimen(
  device: SimulatedDevice,
  volume: Volume,
  history: History,
  [sequence, sequenceBefore]: readonly [number, number],
  role: Specimen['role'],
): Promise<Specimen> {
  const image = device.image(everythingSurvives)
  const { geometry, retention } = volume
  const blocks = await namedBlocks(new SimulatedDevice({ image }), volume)
  must(blocks.length > 0 === (role === 'primary'), 'the log of a specimen names records')
  for (let slot = 0; slot < superblockSlots; slot++)
    for (let copy = 0; copy < superblockCopies; copy++)
      for (let i = 0; i < superblockCopyBlocks; i++) blocks.push(superblockAddress(slot, copy) + i)
  for (let block = 0; block < device.blockCount; block++) {
    const isLog = block >= geometry.logAddress && block < geometry.logAddress + geometry.logBlocks
    const isWritten = isLog && image.blocks.get(block).some((byte) => byte !== 0)
    if (retention.uses(block, 1) || isWritten) blocks.push(block)
  }
  return { image, blocks: blocks.toSorted((a, b) => a - b), history, sequence, sequenceBefore, role }
}

/** Of the records that only the log names. */
async function namedBlocks(device: SimulatedDevice, volume: Volume): Promise<number[]> {
  const { geometry, superblock } = volume
  const { volumeUuid, sums } = volume.current().root
  const place = { geometry, volumeUuid, sums: sums.kind, acceptsUnreadable: false }
  const addresses: number[] = []
  for await (const group of new LogReader(device, place).groups(superblock.log))
    for (const { namedWrites } of group.records)
      for (const { address, blocks } of namedWrites)
        for (let i = 0; i < blocks; i++) addresses.push(address + i)
  return addresses
}

/** Opens and reads everything, with this bit flipped. */
export function readFlipped(from: Specimen, address: number, bit: number): Promise<Outcome> {
  const loop = new EventLoop()
  const device = new SimulatedDevice({ image: from.image })
  device.flipBit(address, bit)
  return finished(loop, from.role === 'primary' ? openAndRead(loop, device, from) : openMirror(device, from))
}

async function openAndRead(loop: EventLoop, device: SimulatedDevice, from: Specimen): Promise<Outcome> {
  const { history, sequence } = from
  const report = await inspect(device.reopened({}))
  const hasError = hasErrors(report.findings)
  const clock = new ProcessClock(loop)
  let engine
  try {
    engine = await openSmall(device.reopened({}), clock, 'after the flip')
  } catch (error) {
    const { open } = report
    must(hasError && open.outcome === 'refused', 'the check has said that the open is refused')
    const { waysOut } = open
    must(error instanceof StillpointError && error.message === open.message, 'the check has said why')
    if (waysOut.includes('--accept-loss=log')) await giveUp(device, clock, from)
    return named(error, 'refused to open')
  }
  mustBeForecast(report, engine, 'after the flip')
  const { root } = engine.current()
  // Only the last group of the log may be taken for one that a crash has torn, and that is said.
  const isReported = engine.recovery.log === 'torn' && root.sequence === from.sequenceBefore
  must(root.sequence === sequence || isReported, () => `only ${root.sequence} is there`)
  const outcome = await readAll(engine, history, history.stateAt(root.sequence))
  must(hasError || outcome === 'right', 'the check finds what a reader finds')
  return outcome === 'right' && root.sequence < sequence ? 'loss reported' : outcome
}

/** The operator gives up what the log has lost: all that was acknowledged is there up to it, and the rest is listed. */
async function giveUp(device: SimulatedDevice, clock: ProcessClock, from: Specimen): Promise<void> {
  const { history, sequence } = from
  const disk = device.reopened({})
  const engine = await openSmall(disk, clock, 'without what is lost', { acceptLogLoss: true })
  const { root } = engine.current()
  const { lost } = engine.recovery
  must(
    root.sequence < sequence && lost.length > 0,
    () => `${sequence - root.sequence} lost, ${lost.length} listed`,
  )
  const firsts = lost.flatMap(({ firstSequence }) => (firstSequence > 0 ? [firstSequence] : []))
  must(Math.min(...firsts) === root.sequence + 1, 'what is lost begins behind what is there')
  must((await readAll(engine, history, history.stateAt(root.sequence))) === 'right', 'what is there is right')
  await mustBeSound(disk, 'without what is lost')
}

async function openMirror(device: SimulatedDevice, from: Specimen): Promise<Outcome> {
  const report = await inspect(device.reopened({}))
  const outcome = await readMirror(device, from)
  const isRefused = outcome === 'refused to open'
  must(isRefused === (report.open.outcome === 'refused'), () => `${outcome}, ${JSON.stringify(report.open)}`)
  must(outcome === 'right' || hasErrors(report.findings), 'the check finds what a reader finds')
  return outcome
}

async function readMirror(device: SimulatedDevice, from: Specimen): Promise<Outcome> {
  try {
    const volume = await Volume.open(device, { clock: new ProcessClock(new EventLoop()), ...cacheLimit })
    const { root } = volume.current()
    must(root.sequence === from.sequence, `the mirror is at ${root.sequence}`)
    return await readAll(volume, from.history, from.history.stateAt(root.sequence))
  } catch (error) {
    return named(error, 'refused to open')
  }
}

async function readAll(source: RootSource, history: History, tree: ModelTree): Promise<Outcome> {
  let outcome: Outcome = 'right'
  const view = readPublished(source, source.current())
  const excuses = (error: unknown): boolean => {
    outcome = named(error, 'partly refused')
    return true
  }
  try {
    await compareAll(view, tree, history, 'after the flip', { excuses })
  } finally {
    view.release()
  }
  return outcome
}

function named(error: unknown, outcome: Outcome): Outcome {
  if (error instanceof AssertionError || !(error instanceof StillpointError)) throw error
  must(error.code === 'corrupt', () => `a flipped bit is called ${error.code}: ${error.message}`)
  return outcome
}

/** A fresh mirror of the damaged primary: it comes to exactly the CP that the primary has, or to none. */
export async function mirrorFlipped(
  volumes: SmallVolumes,
  from: Specimen,
  address: number,
  bit: number,
): Promise<'mirrored' | 'not mirrored'> {
  const loop = new EventLoop()
  const clock = new ProcessClock(loop)
  const device = new SimulatedDevice({ image: from.image })
  device.flipBit(address, bit)
  let engine
  try {
    engine = await finished(loop, openSmall(device, clock, 'after the flip'))
  } catch (error) {
    named(error, 'refused to open')
    return 'not mirrored'
  }
  const pair = await SmallPair.make(loop, clock, engine, volumes.mirror)
  const isThere = () => pair.volume.currentOrNull()?.root.cp === engine.current().root.cp
  await loop.until(isThere, convergeMsMax)
  pair.close()
  const published = pair.volume.currentOrNull()
  if (!published) return 'not mirrored'
  const view = readPublished(pair.volume, published)
  const { history } = from
  await finished(loop, compareAll(view, history.stateAt(published.root.sequence), history, 'the mirror'))
  view.release()
  return 'mirrored'
}
