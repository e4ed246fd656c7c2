/**
 * What is reused is over before somebody else has it: buffers of uploads and nodes that a mirror or a reader still has, windows
 * of streams, blocks of records that a reader still points to. What is given back is poisoned (`poisoned.ts`,
 * `scribbled.ts`), so these need only the bytes to be what they were.
 */
import { describe, expect, test } from 'bun:test'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import type { WriteRun } from '../../src/blockdev/block-device.ts'
import { createPrimary } from '../../src/cp-engine/create-volume.ts'
import type { PreparedRecord, WriteCommand } from '../../src/cp-engine/contract.ts'
import { openPrimary } from '../../src/cp-engine/open-primary.ts'
import { makeGeometry, recordBytesDefault } from '../../src/format/geometry.ts'
import { putPiece } from '../../src/fs/tree/records.ts'
import { BufferPool } from '../../src/lib/buffer-pool.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { engineLimits } from '../engine-limits.ts'
import { RealVolume } from '../fs/real-volume.ts'
import { bytesOf, chunked, p, streamAll } from '../fs/volume.ts'
import { sizes } from '../routes/sizes.ts'
import { settled } from '../simulated/clock.ts'
import { poison } from './poisoned.ts'

const mebibyte = 2 ** 20
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

test('what is given back shows', () => {
  const pool = new BufferPool(mebibyte)
  const buffer = pool.take(100)
  expect(buffer[7]).toBe(poison)
  buffer.fill(1)
  pool.giveBack(buffer.subarray(3))
  expect([buffer[0], buffer[99]]).toEqual([poison, poison])
})

describe('a file that is open when it is changed', () => {
  const changes = {
    replaced: (volume: RealVolume, name: string, size: number) =>
      volume.files.putFile(p(name), bytesOf(size, 5), {}),
    patched: (volume: RealVolume, name: string, size: number) =>
      volume.files.patchFile(p(name), Math.max(0, size - 70_000), bytesOf(140_000, 6)),
    cut: (volume: RealVolume, name: string) => volume.files.resizeFile(p(name), 1),
    deleted: (volume: RealVolume, name: string) => volume.files.deleteFile(p(name)),
  }
  // Larger ones are read from a root that is pinned.
  const held = sizes.filter((size) => size > 0)
  for (const [name, change] of Object.entries(changes))
    test(`is read as it was, after it was ${name} within one consistency point and after many more`, async () => {
      const volume = await RealVolume.create({ seed: 1 })
      const { engine, files } = volume
      const opened: {
        bytes: Uint8Array
        file: Awaited<ReturnType<ReturnType<typeof files.view>['open']>>
      }[] = []
      for (const size of held) {
        const bytes = bytesOf(size, size)
        await files.putFile(p(`f${size}`), chunked(bytes, 50_000), {})
        const view = files.view()
        opened.push({ bytes, file: await view.open(p(`f${size}`)) })
        view.release()
        await change(volume, `f${size}`, size)
      }
      for (let i = 0; i < 4; i++) {
        // Whoever comes takes what was given back.
        await files.putFile(p(`other ${i}`), bytesOf(900_000, i), {})
        await engine.requestCp('requested')
      }
      for (const { bytes, file } of opened) {
        expect([bytes.length, same(await streamAll(file, 0, bytes.length), bytes)]).toEqual([
          bytes.length,
          true,
        ])
        file.close()
      }
      await volume.close()
    }, 60_000)
})

test('what a mirror has kept is never filled again: neither records of uploads, nor nodes', async () => {
  const volume = await RealVolume.create({ seed: 2 })
  const { engine, files } = volume
  const kept: { bytes: Uint8Array; copy: Uint8Array }[] = []
  engine.observe({
    sealed: () => {},
    leaving(_cp: number, commands: readonly WriteCommand[]) {
      for (const { bytes } of commands) kept.push({ bytes, copy: bytes.slice() })
      return true
    },
    published: () => {},
  })
  for (let i = 0; i < 4; i++) {
    const body = bytesOf(3 * mebibyte, i)
    await files.putFile(p(`f${i}`), chunked(body, recordBytesDefault), {}, { lengthHint: body.length })
    await engine.requestCp('requested')
  }
  expect(kept.length).toBeGreaterThan(40)
  expect(kept.filter(({ bytes, copy }) => !same(bytes, copy)).length).toBe(0)
  await volume.close()
})

/** Writes of records wait until they are let go. */
class SlowDevice extends MemoryDevice {
  private waiting: (() => void)[] | null = null

  hold(): void {
    this.waiting = []
  }
  letGo(): void {
    for (const go of this.waiting ?? []) go()
    this.waiting = null
  }
  override async write(runs: readonly WriteRun[]): Promise<void> {
    const { waiting } = this
    if (waiting) await new Promise<void>((resolve) => waiting.push(resolve))
    await super.write(runs)
  }
}

test('what a reader was given of a record that is on its way stays, when the buffer comes back', async () => {
  const device = new SlowDevice()
  const clock = systemClock
  const random = seededRandom(3)
  const geometry = makeGeometry(32 * mebibyte, mebibyte, mebibyte)
  await createPrimary(device, { clock, random, geometry, recordChecksum: 'xxh3' })
  const engine = await openPrimary(device, { ...engineLimits, clock, random, cpIntervalMs: 1e9 })
  const pool = new BufferPool(8 * mebibyte)
  for (const isRead of [true, false]) {
    const buffer = pool.take(4 * recordBytesDefault)
    buffer.set(bytesOf(buffer.length, 7))
    const copy = buffer.slice()
    device.hold()
    const told: boolean[] = []
    const onWritten = (isFree: boolean) => {
      told.push(isFree)
      if (isFree) pool.giveBack(buffer)
      else pool.giveUp(buffer)
    }
    const records: PreparedRecord[] = await engine.prepare(buffer, 'write', { leavesEarly: true, onWritten })
    const piece = { offset: 0, span: buffer.length, record: records[0]! }
    await engine.runHidden((tx) => putPiece(tx, 'xxh3', 7, piece), { records })
    const view = engine.openView()
    const found = isRead ? view.recordNow(records[0]!.pointer)! : copy
    device.letGo()
    while (told.length === 0) await settled()
    expect([told, same(found, copy), pool.lent]).toEqual([[!isRead], true, 0])
    view.release()
  }
  await engine.close()
})

test('the parts of a window stay until the last of them was sent, however slow the reader is', async () => {
  const volume = await RealVolume.create({ seed: 4 })
  const { files, engine } = volume
  const bytes = bytesOf(5 * mebibyte + 3, 1)
  // A window has several parts where the file has zeros alone.
  for (let from = 0; from < bytes.length; from += 3 * recordBytesDefault)
    bytes.fill(0, from, from + recordBytesDefault)
  await files.putFile(p('f'), chunked(bytes, recordBytesDefault), {})
  await engine.requestCp('requested')
  const view = files.view()
  const file = await view.open(p('f'))
  view.release()
  const stream = file.stream(0, bytes.length)
  let at = 0
  for (let part = await stream.next(); part; part = await stream.next()) {
    expect([at, same(part, bytes.subarray(at, at + part.length))]).toEqual([at, true])
    if (at % 3 === 0) stream.readAhead()
    stream.rest()
    await settled()
    at += part.length
  }
  expect(at).toBe(bytes.length)
  stream.close()
  file.close()
  await volume.close()
})
