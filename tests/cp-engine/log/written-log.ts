/** A log as the engine writes it, on a device of its own. */
import { stillClock } from '../../simulated/clock.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { IntentLog, type LogContext } from '../../../src/cp-engine/log/intent-log.ts'
import { type LogEnd, type LogGroup, LogReader } from '../../../src/cp-engine/log/log-reader.ts'
import { type LogGroupHead } from '../../../src/format/disk/log-group.ts'
import { type LogRecord, logRecordBytes } from '../../../src/format/disk/log-record.ts'
import type { LogStart } from '../../../src/format/disk/superblock.ts'
import { blockBytes, countersMax, makeGeometry } from '../../../src/format/geometry.ts'
import { type RecordSums, recordSum } from '../../../src/format/pointer.ts'
import { seededRandom } from '../../../src/lib/random.ts'

export const sums: RecordSums = { kind: 'xxh3', seed: 1 }
export const geometry = makeGeometry(64 * 2 ** 20, 2 ** 20, 3 * 2 ** 20)
export const ringBytes = geometry.logBlocks * blockBytes
export const random = seededRandom(5)
const volumeUuid = random.bytes(16)

/** Writes of all sizes that a record has in the log, several to an operation. */
export function record(sequence: number, sequenceCount = 1): LogRecord {
  const writes = Array.from({ length: 1 + random.below(4) }, (_, i) => {
    const payload = random.bytes(1 + random.below(64 * 1024))
    const blocks = Math.ceil(payload.length / blockBytes)
    const address = 5000 + i * 16
    const sum = recordSum(payload, sums)
    return {
      pointer: { address, blocks, payloadBytes: payload.length, encoding: 'raw', sum },
      payload,
    } as const
  })
  return { ...small(sequence, sequenceCount), inlineWrites: writes }
}

/** Takes one block. */
export function small(sequence: number, sequenceCount = 1): LogRecord {
  return {
    sequence,
    sequenceCount,
    countedOnCp: 0,
    atMs: 1000 + sequence,
    counters: Array.from({ length: countersMax }, (_, i) => i * sequence),
    changes: [
      { key: random.bytes(8 + random.below(40)), value: sequence % 5 === 0 ? null : new Uint8Array(20) },
    ],
    inlineWrites: [],
    namedWrites: [],
  }
}

export const newDevice = (): MemoryDevice => new MemoryDevice(geometry.logAddress + geometry.logBlocks)
export const startAt = (position: number): LogStart => ({
  nonce: random.bytes(8),
  position,
  chain: new Uint8Array(32),
})

export function newLog(
  start: LogStart,
  context: Partial<LogContext> & Pick<LogContext, 'device'>,
): IntentLog {
  const failed = (error: unknown) => {
    throw error
  }
  const whole: LogContext = {
    geometry,
    volumeUuid,
    sums: sums.kind,
    clock: stillClock,
    sealIdleMs: 20,
    isFenced: () => false,
    failed,
    ...context,
  }
  return new IntentLog(whole, start, 0)
}

export function append(log: IntentLog, next: LogRecord): boolean {
  const bytes = logRecordBytes(next, sums.kind)
  if (!log.hasRoom(bytes)) return false
  log.append(next, bytes)
  return true
}

export interface ReadLog {
  readonly groups: readonly LogGroup[]
  readonly records: readonly LogRecord[]
  readonly end: LogStart
  readonly atEnd: LogEnd
  readonly behind: readonly LogGroupHead[]
}

export async function readLog(device: MemoryDevice, start: LogStart): Promise<ReadLog> {
  const reader = new LogReader(device, { geometry, volumeUuid, sums: sums.kind, acceptsUnreadable: false })
  const groups: LogGroup[] = []
  for await (const group of reader.groups(start)) groups.push(group)
  const end = groups.at(-1)?.end ?? start
  const [atEnd, behind] = [await reader.endAt(end), await reader.headsBehind(end)]
  return { groups, records: groups.flatMap(({ records }) => records), end, atEnd, behind }
}

/** Changes one byte of the block at a position of the ring. */
export async function damage(device: MemoryDevice, position: number, at: number): Promise<void> {
  const address = geometry.logAddress + (position % ringBytes) / blockBytes
  const block = new Uint8Array(blockBytes)
  await device.read(address, block)
  block[at]! ^= 1
  await device.write([{ address, bytes: block }])
}
