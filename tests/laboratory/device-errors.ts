/**
 * A fixed workload over files, and an I/O error at its n-th device operation: once, or from then on. No false
 * acknowledgement; and after a loss of power, or a restart on the same page cache, nothing acknowledged is missing.
 */
import { AssertionError } from '../../src/lib/assert.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { crashImage, everythingSurvives, randomChoice } from '../simulated/crash-image.ts'
import { type Fault, type FaultPlan, type OperationKind, faultAt, noFaults } from '../simulated/faults.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Chance } from './chance.ts'
import { EventLoop, ProcessClock } from './event-loop.ts'
import { alphabet } from './exhaustive.ts'
import type { FileOperation } from './file-operations.ts'
import { History, type Reached } from './history.ts'
import { SmallProcess, type SmallVolumes, openSmall, put, verifyOpened, writeAgain } from './small-volume.ts'

const asked: readonly (readonly [FileOperation, Reached])[] = [
  [put('small', 100), 'logged'],
  [put('large', 140_000, 50_000), 'logged'],
  [put('d/f', 5000), 'committed'],
  [put('d/sub/g', 10), 'buffered'],
  [{ op: 'mkdir', path: ['e'] }, 'logged'],
  [alphabet['patch']!, 'logged'],
  [alphabet['batch']!, 'committed'],
  [alphabet['remove a tree']!, 'logged'],
  [put('large', 70_000), 'logged'],
  [put('last', 20), 'logged'],
]

export interface Trouble {
  readonly nth: number
  readonly fault: Fault
  readonly of: OperationKind | 'any'
  readonly isSticky: boolean
}

/** Answers how many device operations there were, and how the next process found the disk. */
export async function runWithTrouble(volumes: SmallVolumes, trouble: Trouble | null): Promise<number> {
  const history = new History()
  let plan: FaultPlan = noFaults
  const device = new SimulatedDevice({ image: volumes.primary, faults: (operation) => plan(operation) })
  const loop = new EventLoop()
  const process = await SmallProcess.open(device, history, 'opening', {}, loop)
  const before = device.operations
  if (trouble) {
    const { nth, fault, of, isSticky } = trouble
    plan = faultAt(before + nth, fault, 'any', isSticky)
    if (of !== 'any') plan = faultAt(nth, fault, of, isSticky)
  }
  for (const [operation, level] of asked) await tolerate(process.finished(process.ask({ operation, level })))
  await tolerate(process.end())
  plan = noFaults
  const operations = device.operations - before
  await afterwards(device, history, `${JSON.stringify(trouble)}`)
  return operations
}

/** The same errors while a volume with a log to replay is opened. Answers how many device operations an open has. */
export async function openWithTrouble(volumes: SmallVolumes, trouble: Trouble | null): Promise<number> {
  const history = new History()
  const device = new SimulatedDevice({ image: volumes.primary })
  const process = await SmallProcess.open(device, history, 'opening')
  for (const [operation, level] of asked) await process.finished(process.ask({ operation, level }))
  const image = device.image(everythingSurvives)
  const plan = trouble ? faultAt(trouble.nth, trouble.fault, trouble.of, trouble.isSticky) : noFaults
  const disk = new SimulatedDevice({ image, faults: plan })
  await tolerate(openSmall(disk, new ProcessClock(new EventLoop()), 'the opening in trouble'))
  const { operations } = disk
  await afterwards(disk, history, `open ${JSON.stringify(trouble)}`)
  return operations
}

/** The process has ended with 70 where it was poisoned; the machine may have lost its power besides. */
async function afterwards(device: SimulatedDevice, history: History, name: string): Promise<void> {
  const clock = new ProcessClock(new EventLoop())
  const chance = new Chance(name)
  const state = device.crashState()
  const disks = [
    device.reopened({}),
    new SimulatedDevice({ image: crashImage(state, randomChoice(chance)) }),
    new SimulatedDevice({ image: crashImage(state, () => false) }),
  ]
  for (const disk of disks) {
    const engine = await openSmall(disk, clock, 'the opening after')
    await verifyOpened(engine, disk, history, history.durable)
    await writeAgain(engine, clock, history)
    await engine.close()
  }
}

async function tolerate(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    const isExpected = error instanceof StillpointError || error instanceof DeviceError
    if (error instanceof AssertionError || !isExpected) throw error
    if (error instanceof StillpointError && ['corrupt', 'internal'].includes(error.code)) throw error
  }
}
