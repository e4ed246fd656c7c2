/** The sizes of records and groups of the log, at their limits: what is taken is read back, what is too large is refused. */
import { describe, expect, test } from 'bun:test'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { LogReader } from '../../../src/cp-engine/log/log-reader.ts'
import { logGroupHeadBytes } from '../../../src/format/disk/log-group.ts'
import {
  type LogRecord,
  decodeLogRecord,
  encodeLogRecord,
  logRecordBytes,
} from '../../../src/format/disk/log-record.ts'
import { makeGeometry } from '../../../src/format/geometry.ts'
import { isDone, testLimits } from '../../at-the-limit.ts'
import { append, newLog, random, small, startAt, sums } from './written-log.ts'

const mebibyte = 2 ** 20
/** Of one change beside its value: two lengths and a key of 8 bytes. */
const changeBytes = 12
const valueBytes = 500

/** A record of exactly so many bytes. */
function recordOf(bytes: number, sequence = 1): LogRecord {
  const empty = { ...small(sequence), changes: [] }
  const left = bytes - logRecordBytes(empty, sums.kind)
  const count = Math.ceil(left / (changeBytes + valueBytes))
  const changes = Array.from({ length: count }, (_, i) => {
    const key = new Uint8Array(8)
    new DataView(key.buffer).setUint32(4, i)
    const most = Math.floor(left / count) + (i < left % count ? 1 : 0)
    return { key, value: new Uint8Array(most - changeBytes).fill(i, 8) }
  })
  const record = { ...empty, changes }
  expect(logRecordBytes(record, sums.kind)).toBe(bytes)
  return record
}

/** Appends the records at once, waits for them, and reads the log again; false when one is refused. */
async function isHeld(ringMebibytes: number, records: readonly LogRecord[]): Promise<boolean> {
  const geometry = makeGeometry(1024 * mebibyte, mebibyte, ringMebibytes * mebibyte)
  const device = new MemoryDevice(geometry.logAddress + geometry.logBlocks)
  const start = startAt(0)
  const volumeUuid = random.bytes(16)
  const log = newLog(start, { device, geometry, volumeUuid, sealIdleMs: null })
  for (const record of records) {
    if (!log.canEverHold(logRecordBytes(record, sums.kind))) return false
    expect(append(log, record)).toBe(true)
  }
  await log.reach(records.at(-1)!.sequence)
  const reader = new LogReader(device, { geometry, volumeUuid, sums: sums.kind, acceptsUnreadable: false })
  const read: LogRecord[] = []
  for await (const group of reader.groups(start)) read.push(...group.records)
  expect(Bun.deepEquals(read, records)).toBe(true)
  await log.close()
  return true
}

describe('one record', () => {
  testLimits([
    ['bytes, encoded', 16 * mebibyte, (n) => isDone(() => encodeLogRecord(recordOf(n), sums.kind))],
    ['bytes in a large log', 16 * mebibyte, (n) => isHeld(128, [recordOf(n)])],
    ['bytes in a small log', 2 * mebibyte - logGroupHeadBytes, (n) => isHeld(4, [recordOf(n)])],
  ])

  test('of more bytes than the limit is refused when it is read', () => {
    const bytes = encodeLogRecord(recordOf(16 * mebibyte), sums.kind)
    expect(decodeLogRecord(bytes, sums.kind).sequence).toBe(1)
    const longer = new Uint8Array(bytes.length + 1)
    longer.set(bytes)
    new DataView(longer.buffer).setUint32(4, longer.length, true)
    expect(() => decodeLogRecord(longer, sums.kind)).toThrow('recordBytes')
  })
})

test('records that come together are cut into groups of 32 MiB, and all are there', async () => {
  const sizes = [16 * mebibyte, 16 * mebibyte, 16 * mebibyte - 1, 16 * mebibyte, 1, 16 * mebibyte].map((n) =>
    Math.max(n, 200),
  )
  expect(
    await isHeld(
      256,
      sizes.map((bytes, i) => recordOf(bytes, i + 1)),
    ),
  ).toBe(true)
})

test('whoever waits for an operation that is not there yet has nothing written, and is woken with it', async () => {
  const geometry = makeGeometry(64 * mebibyte, mebibyte, mebibyte)
  const device = new MemoryDevice(geometry.logAddress + geometry.logBlocks)
  const failures: unknown[] = []
  const groups: number[] = []
  const failed = (error: unknown): void => void failures.push(error)
  const synced = (_ms: number, bytes: number): void => void groups.push(bytes)
  const log = newLog(startAt(0), { device, geometry, sealIdleMs: null, failed, synced })
  const early = log.reach(1)
  await log.close()
  expect([failures, groups]).toEqual([[], []])
  expect(append(log, small(1))).toBe(true)
  await log.reach(1)
  await early
  expect([failures.length, groups.length]).toEqual([0, 1])
})
