/** What is appended to the log is read back, wherever in the ring it lies; and what stands behind damage is named. */
import { expect, test } from 'bun:test'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { IntentLog } from '../../../src/cp-engine/log/intent-log.ts'
import { LogReader } from '../../../src/cp-engine/log/log-reader.ts'
import { blockBytes, makeGeometry } from '../../../src/format/geometry.ts'
import { logRecordBytes, type LogRecord } from '../../../src/format/disk/log-record.ts'
import { countersMax } from '../../../src/format/geometry.ts'
import { recordSum, type RecordSums } from '../../../src/format/pointer.ts'
import type { LogStart } from '../../../src/format/disk/superblock.ts'
import { seededRandom } from '../../../src/lib/random.ts'

const sums: RecordSums = { kind: 'xxh3', seed: 1 }
const geometry = makeGeometry(64 * 2 ** 20, 2 ** 20, 3 * 2 ** 20)
const ringBytes = geometry.logBlocks * blockBytes
const random = seededRandom(5)

/** Writes of all sizes that a record has in the log, several to an operation. */
function record(sequence: number): LogRecord {
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
  return {
    sequence,
    sequenceCount: 1,
    countedOnCp: 0,
    atMs: 1000 + sequence,
    counters: Array.from({ length: countersMax }, (_, i) => i * sequence),
    changes: [
      { key: random.bytes(8 + random.below(40)), value: sequence % 5 === 0 ? null : new Uint8Array(20) },
    ],
    inlineWrites: writes,
    namedWrites: [],
  }
}

interface Written {
  readonly device: MemoryDevice
  readonly start: LogStart
  readonly records: readonly LogRecord[]
  /** Where each group begins. */
  readonly positions: readonly number[]
}

/** Groups from a place in the ring on, until so many bytes of it are in use. */
async function write(position: number, bytes: number): Promise<Written> {
  const device = new MemoryDevice(geometry.logAddress + geometry.logBlocks)
  const start = { nonce: random.bytes(8), position, chain: new Uint8Array(32) }
  const failed = (error: unknown) => {
    throw error
  }
  const log = new IntentLog({ device, geometry, records: sums.kind, failed }, start, 0)
  const records: LogRecord[] = []
  const positions: number[] = []
  while (log.mark().position - position < bytes) {
    positions.push(log.mark().position)
    // The first goes alone, the others share the next group.
    for (let i = random.below(4); i >= 0; i--) {
      const next = record(records.length + 1)
      if (!log.hasRoom(logRecordBytes(next, sums.kind))) break
      log.append(next, logRecordBytes(next, sums.kind))
      records.push(next)
    }
    await log.reach(records.length)
  }
  return { device, start, records, positions }
}

async function read({ device, start }: Written): Promise<{ records: LogRecord[]; end: LogStart }> {
  const records: LogRecord[] = []
  let end = start
  for await (const group of new LogReader(device, geometry, sums.kind).groups(start)) {
    records.push(...group.records)
    end = group.end
  }
  return { records, end }
}

test('every record comes back, from wherever the log began in the ring', async () => {
  for (const position of [0, ringBytes - blockBytes, 7 * ringBytes + 1_130_496, ringBytes / 2]) {
    const written = await write(position, ringBytes * 0.6)
    const { records, end } = await read(written)
    expect(records).toEqual([...written.records])
    const reader = new LogReader(written.device, geometry, sums.kind)
    expect([position, await reader.lostBehind(end)]).toEqual([position, []])
    expect(await reader.isTornAt(end)).toBe(false)
  }
})

test('nothing behind damage is believed, and all of it is named', async () => {
  for (const position of [0, ringBytes - 40 * blockBytes]) {
    const written = await write(position, ringBytes * 0.5)
    const damaged = written.positions.findIndex((at) => at > position + ringBytes / 6)
    const at = written.positions[damaged]!
    const address = geometry.logAddress + (at % ringBytes) / blockBytes
    const block = new Uint8Array(blockBytes)
    await written.device.read(address, block)
    block[3000]! ^= 1
    await written.device.write([{ address, bytes: block }])
    const { records, end } = await read(written)
    expect(end.position).toBe(at)
    expect(records).toEqual(written.records.slice(0, records.length))
    const reader = new LogReader(written.device, geometry, sums.kind)
    expect(await reader.isTornAt(end)).toBe(true)
    const lost = await reader.lostBehind(end)
    expect(lost.length).toBeGreaterThanOrEqual(written.positions.length - damaged - 1)
    expect(lost.every((group) => group.position > at && group.firstSequence > records.length)).toBe(true)
  }
})
