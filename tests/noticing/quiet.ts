/**
 * What an engine, its files, its door and a mirror hold for somebody: turns, reservations, pins, gates, loans, tables. When
 * nobody asks for anything all of it is nothing, and a refusal leaves nothing behind. Every suite asks here: a counter that
 * `src/` gains is added here, and all of them look at it.
 */
import { expect } from 'bun:test'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import type { Volume } from '../../src/cp-engine/volume/volume.ts'
import { logGroupBytes } from '../../src/format/disk/log-group.ts'
import type { VolumeFiles } from '../../src/fs/file-system.ts'
import type { Views } from '../../src/fs/read/image-leases.ts'
import { enterHeld, heldFilesMax, windowsOf } from '../../src/fs/read/open-file.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { ByteGate } from '../../src/lib/gates/byte-gate.ts'
import type { MirrorApplier } from '../../src/replica/mirror/mirror-applier.ts'
import type { Resources } from '../../src/routes/limits/resources.ts'
import { settled } from '../simulated/clock.ts'

/** Held of each thing; all are 0 at rest. */
export type Counts = Readonly<Record<string, number>>

interface Parts {
  readonly engine?: CpEngine
  readonly files?: VolumeFiles
  readonly views?: Views
  readonly volume?: Volume
  readonly applier?: MirrorApplier
  readonly resources?: Resources
}

export function countsOf({ engine, files, views, volume, applier, resources }: Parts): Counts {
  return {
    ...(engine ? { ...engineCounts(engine), ...volumeCounts(engine.volume, views) } : {}),
    ...(volume ? volumeCounts(volume, views) : {}),
    ...(files ? fileCounts(files) : {}),
    ...(views ? { 'waiters for a cp': views['waiters'].size } : {}),
    ...(applier ? applierCounts(applier) : {}),
    ...(resources ? resourceCounts(resources) : {}),
  }
}

const gateCounts = (name: string, gate: ByteGate): Counts => ({
  [`${name}: bytes`]: gate['heldBytes'],
  [`${name}: waiting`]: gate['waiting'].length,
})

const bytesIn = (commands: Iterable<{ readonly bytes: Uint8Array }>): number =>
  [...commands].reduce((sum, { bytes }) => sum + bytes.length, 0)

const resourceCounts = ({ uploads, answers, streaming, following }: Resources): Counts => ({
  'memory of uploads': uploads.bytes,
  'uploads that wait': uploads.waiters,
  'memory of answers': answers.bytes,
  'answers that wait': answers.waiters,
  'long answers': streaming,
  'streams of events': following,
})

function engineCounts(engine: CpEngine): Counts {
  const queue = engine['queue']
  const { intake } = engine['state']
  const log = engine['log']
  const leaving = [...queue['leaving'].values()].map(({ command }) => command)
  const counted =
    bytesIn(queue['prepared'].values()) +
    bytesIn(queue['open'].values()) +
    bytesIn(leaving) +
    bytesIn(queue['dropped'].values())
  const reserved = log['pending'].reduce((sum, { bytes }) => sum + logGroupBytes(bytes), 0)
  return {
    'prepared records': queue['prepared'].size,
    'bytes of prepared records': queue['preparedBytes'],
    'records on their way': leaving.length,
    'dropped records': queue['dropped'].size,
    'bytes of dropped records': queue['droppedBytes'],
    'bytes of the queue that nothing has': queue.bytes - counted,
    ...gateCounts('room of what leaves', queue.leavingRoom),
    'records that left before their operation': intake['leftEarly'].size,
    'writes of records': intake['writes'].size,
    'waiters for the log': log['waiters'].length,
    'bytes of the log that nothing has reserved': log['reservedBytes'] - reserved,
  }
}

/** A CP that a client has named stays pinned until its lease ends. */
function volumeCounts(volume: Volume, views?: Views): Counts {
  return {
    readers: volume.readers.count,
    'releases that wait': volume.readers['waiting'].length,
    pins: volume['pins'].size - (views?.keptCps().length ?? 0),
    'buffers of parts': volume.scratch.lent,
    'nodes kept for a look': volume.nodes.isKept ? 1 : 0,
    'looks that keep nodes': volume.loader['keeping'].isFree ? 0 : 1,
  }
}

export function fileCounts(files: VolumeFiles): Counts {
  const { preparing, buffers, turns, engine } = files['context']
  return {
    ...gateCounts('room of what is prepared', preparing),
    'buffers of uploads': buffers.lent,
    'turns of paths': turns.size,
    'windows of streams': windowsOf(engine).lent,
    'files read through held views': heldFilesOf(engine),
  }
}

/** As many as do not get in any more. */
function heldFilesOf(source: Parameters<typeof enterHeld>[0]): number {
  const leaves: (() => void)[] = []
  try {
    while (leaves.length < heldFilesMax) leaves.push(enterHeld(source))
  } catch {
    // There are enough.
  }
  for (const leave of leaves) leave()
  return heldFilesMax - leaves.length
}

function applierCounts(applier: MirrorApplier): Counts {
  const pipeline = applier['pipeline']
  return {
    'bytes that wait for the device': pipeline['waitingBytes'],
    'blocks that wait for the device': pipeline['pendingBlocks'].size,
    'frames being received': applier['receiving'].isFree ? 0 : 1,
    'work of the applier': applier['running'].size,
  }
}

/** Names of what may be held while somebody has open files or pins, and of what follows from that. */
const ofReaders: ReadonlySet<string> = new Set([
  'readers',
  'releases that wait',
  'pins',
  'dropped records',
  'bytes of dropped records',
  'files read through held views',
])

/** Empty at rest. `hasReaders`: somebody reads, and means to. */
export function heldOf(counts: Counts, hasReaders = false): Counts {
  const held = Object.entries(counts).filter(
    ([name, count]) => count !== 0 && !(hasReaders && ofReaders.has(name)),
  )
  return Object.fromEntries(held)
}

/** Turns of the event loop, and then of timers: what has not ended by then waits for something that does not come. */
const turnsMax = 5000
const sleepsMax = 200

/** False: it never holds. A machine that is busy only takes longer for the same turns. */
export async function comesTrue(condition: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < turnsMax + sleepsMax; turn++) {
    if (condition()) return true
    await (turn < turnsMax ? settled() : systemClock.sleep(10))
  }
  return false
}

/** After a refusal, and whenever nobody asks for anything. */
export async function expectQuiet(counts: () => Counts, hasReaders = false): Promise<void> {
  // Looked at once: the reaper may begin again right behind a quiet moment.
  let held: Counts = {}
  const isQuiet = () => Object.keys((held = heldOf(counts(), hasReaders))).length === 0
  await comesTrue(isQuiet)
  expect(held).toEqual({})
}
