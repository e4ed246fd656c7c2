/** A volume that was filled to its floor of space through the file system, and has to become empty again. */
import { expect, test } from 'bun:test'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { createPrimary } from '../../../src/cp-engine/create-volume.ts'
import { openPrimary } from '../../../src/cp-engine/open-primary.ts'
import { makeGeometry } from '../../../src/format/geometry.ts'
import { VolumeFiles } from '../../../src/fs/file-system.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { hasCode } from '../../../src/lib/errors.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { bytesOf, p } from '../volume.ts'
import { engineLimits } from '../../engine-limits.ts'

const mebibyte = 2 ** 20

/** Puts files of so many bytes until there is no space left; how many. */
async function fill(files: VolumeFiles, folder: string, bytes: number): Promise<number> {
  const content = bytesOf(bytes)
  for (let count = 0; ; count++) {
    try {
      await files.putFile(p(`${folder}/${count}`), content, {})
    } catch (error) {
      if (hasCode(error, 'disk-full')) return count
      throw error
    }
  }
}

async function openVolume() {
  const device = new MemoryDevice()
  const random = seededRandom(1)
  const geometry = makeGeometry(24 * mebibyte, mebibyte, mebibyte)
  await createPrimary(device, { clock: systemClock, random, geometry, recordChecksum: 'xxh3' })
  const engine = await openPrimary(device, {
    ...engineLimits,
    clock: systemClock,
    random,
    cpIntervalMs: 20,
  })
  const files = new VolumeFiles(engine, systemClock)
  engine.onSpaceShort(() => files.hurry())
  files.start()
  return { device, engine, files }
}

test('what frees space, or needs no more than it gives back, goes on when writes are refused', async () => {
  const { device, engine, files } = await openVolume()
  await fill(files, 'd/large', 300_000)
  await fill(files, 'd/small', 4000)
  // Also what needs no record.
  await fill(files, 'e', 0)
  const put = (name: string) => files.putFile(p(`e/${name}`), bytesOf(0), {})
  await expect(put('another')).rejects.toMatchObject({ code: 'disk-full' })

  await files.move(p('d/small/1'), p('d/small/x'), { overwrite: false })
  await files.move(p('d/small/2'), p('d/small/x'), { overwrite: true })
  const cut = await files.resizeFile(p('d/large/0'), 100_001)
  expect(cut.stat.size).toBe(100_001)
  await files.batch([
    { op: 'delete', path: p('d/small/3') },
    { op: 'move', from: p('d/small/4'), to: p('d/small/y') },
    { op: 'delete', path: p('d/large/1') },
  ])
  // A longer name is more than there was, and has to wait.
  const longer = () => files.move(p('d/small/5'), p('d/small/a longer name'), { overwrite: false })
  await fill(files, 'd/again', 4000)
  await fill(files, 'e/again', 0)
  await expect(longer()).rejects.toMatchObject({ code: 'disk-full' })
  await files.deleteDirectory(p('d'), { recursive: true })
  await put('another')
  await files.close()
  await engine.close()
  await device.close()
}, 60_000)

test('what fills a volume can be deleted at once, and as much fits again', async () => {
  const { device, engine, files } = await openVolume()
  const counts: number[] = []
  for (let round = 0; round < 3; round++) {
    const large = await fill(files, 'd/large', 200_000)
    // With the smallest ones the last block above the floor of writes is used.
    const small = await fill(files, 'd/small', 4000)
    counts.push(large)
    expect(small).toBeGreaterThan(10)
    await files.deleteDirectory(p('d'), { recursive: true })
    const deadline = systemClock.monotonic() + 20_000
    while (files.pending().orphans > 0 && systemClock.monotonic() < deadline) {
      await engine.requestCp('requested')
      await systemClock.sleep(5)
    }
    expect(files.pending().orphans).toBe(0)
  }
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(counts[0]! - 2)
  await files.close()
  await engine.close()
  await device.close()
}, 60_000)
