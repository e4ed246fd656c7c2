/**
 * One flipped bit at a time, in every block that a small volume uses: superblocks, roots, tree, records, maps, and the
 * log that a crash has left. Whatever is read then is right, or an error that has a name; never other bytes, and never
 * nothing at all. And whatever a flipped bit does to a primary, it never comes to a mirror.
 */
import { AssertionError } from '../../src/lib/assert.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import type { RootSource } from '../../src/cp-engine/contract.ts'
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

/** What became of a flip. */
export type Outcome = 'right' | 'partly refused' | 'refused to open' | 'loss reported'

const convergeMsMax = 3000

/** A primary that lost its power with operations in its log, and a mirror of its last CP. */
export async function makeSpecimens(volumes: SmallVolumes): Promise<{ primary: Specimen; mirror: Specimen }> {
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
    })(),
  )
  const before = history.durable
  await process.finished(process.ask({ operation: put('f', 5000), level: 'logged' }))
  const primary = specimen(device, engine.volume, history, [history.durable, before], 'primary')
  return { primary, mirror: specimen(pair.device, pair.volume, history, [mirrored, mirrored], 'mirror') }
}

function specimen(
  device: SimulatedDevice,
  volume: Volume,
  history: History,
  [sequence, sequenceBefore]: readonly [number, number],
  role: Specimen['role'],
): Specimen {
  const image = device.image(everythingSurvives)
  const { geometry, retention } = volume
  const blocks: number[] = []
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

/** Opens and reads everything, with this bit flipped. */
export function readFlipped(from: Specimen, address: number, bit: number): Promise<Outcome> {
  const loop = new EventLoop()
  const device = new SimulatedDevice({ image: from.image })
  device.flipBit(address, bit)
  return finished(loop, from.role === 'primary' ? openAndRead(loop, device, from) : openMirror(device, from))
}

async function openAndRead(loop: EventLoop, device: SimulatedDevice, from: Specimen): Promise<Outcome> {
  const { history, sequence } = from
  let engine
  try {
    engine = await openSmall(device, new ProcessClock(loop), 'after the flip')
  } catch (error) {
    return named(error, 'refused to open')
  }
  const { root } = engine.current()
  // Only the last group of the log may be taken for one that a crash has torn, and that is said.
  const isReported = engine.recovery.tornTail && root.sequence === from.sequenceBefore
  must(root.sequence === sequence || isReported, () => `only ${root.sequence} is there`)
  const outcome = await readAll(engine, history, history.stateAt(root.sequence))
  return outcome === 'right' && root.sequence < sequence ? 'loss reported' : outcome
}

async function openMirror(device: SimulatedDevice, from: Specimen): Promise<Outcome> {
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
