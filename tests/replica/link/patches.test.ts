/** Small changes are small on the wire, live and after an absence; everything that travels is counted. */
import { afterEach, describe, expect, test } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { toHex } from '../../../src/lib/bytes.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { VolumeFiles } from '../../../src/fs/file-system.ts'
import { parsePlainPath as p } from '../../../src/fs/paths.ts'
import { Pair } from '../pair.ts'

const kib = 1024
const random = seededRandom(77)
let failures: unknown[] = []
afterEach(() => {
  expect(failures).toEqual([])
  failures = []
})

/** A pair with files, equal on both sides. */
async function filled(files: number, bytes: number) {
  const pair = await Pair.create({ seed: 5, mebibytes: 64 })
  failures = pair.failures
  const volume = new VolumeFiles(pair.engine, pair.clock)
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false
    const done = () => {
      isDone = true
    }
    work.then(done, done)
    expect(await pair.clock.until(() => isDone, 60_000)).toBeTrue()
    return work
  }
  for (let i = 0; i < files; i++) await run(volume.putFile(p(`d/f${i}`), random.bytes(bytes), {}))
  await run(pair.join())
  const mirrored = async () => {
    await run(pair.engine.requestCp('requested'))
    expect(await pair.clock.until(() => pair.isEqual, 20_000)).toBeTrue()
  }
  await mirrored()
  /** What the change costs on the wire, heartbeats and all; and what the table of transfers says. */
  const costOf = async (change: () => Promise<unknown>, arrive = mirrored) => {
    await mirrored()
    const [before, rows] = [pair.network.sentBytes, pair.transfers.length]
    await run(change())
    await arrive()
    const counted = pair.transfers.slice(rows).reduce((sum, { bytes: each }) => sum + each, 0)
    expect(toHex(pair.mirrorVolume.current().hash)).toBe(toHex(pair.engine.current().hash))
    return {
      sent: pair.network.sentBytes - before,
      counted,
      kinds: pair.transfers.slice(rows).map(({ kind }) => kind),
    }
  }
  return { pair, volume, run, mirrored, costOf }
}

describe('live', () => {
  test('4 KiB of a file of 1 MiB in records of 64 KiB cost less than 8 KiB', async () => {
    const { volume, costOf } = await filled(3, 1024 * kib)
    for (const at of [0, 64 * kib * 5, 300_123]) {
      const { sent, counted } = await costOf(() => volume.patchFile(p('d/f1'), at, random.bytes(4 * kib)))
      expect(sent).toBeLessThan(8 * kib)
      // Heartbeats are not a transfer.
      expect(counted).toBeGreaterThan(4 * kib)
      expect(sent - counted).toBeGreaterThanOrEqual(0)
      expect(sent - counted).toBeLessThan(kib)
    }
  })

  test('one byte of a small file costs less than 2 KiB', async () => {
    const { volume, costOf } = await filled(200, 3 * kib)
    const { sent, kinds } = await costOf(() => volume.patchFile(p('d/f77'), 1000, random.bytes(1)))
    expect(kinds).toEqual(['live'])
    expect(sent).toBeLessThan(2 * kib)
  })

  test('a mirror whose disk is busy waits for what its patches are made from, and for nothing twice', async () => {
    const { pair, volume, costOf } = await filled(200, 3 * kib)
    pair.isBusy = (side) => side === 'mirror'
    const { sent, kinds } = await costOf(async () => {
      for (let i = 0; i < 200; i += 20) await volume.patchFile(p(`d/f${i}`), 1000, random.bytes(1))
    })
    expect(kinds).toEqual(['live'])
    expect(sent).toBeLessThan(8 * kib)
    expect(pair.applier.status().refused).toBe(0)
  })

  test('a new file of 100 bytes costs less than 2 KiB, and not its blocks', async () => {
    const { volume, costOf } = await filled(50, 3 * kib)
    const { sent } = await costOf(() => volume.putFile(p('d/new'), random.bytes(100), {}))
    expect(sent).toBeLessThan(2 * kib)
  })

  test('several writes of one record in one CP are one patch of what the mirror has', async () => {
    const { volume, costOf } = await filled(3, 256 * kib)
    const { sent } = await costOf(async () => {
      for (let i = 0; i < 5; i++) await volume.patchFile(p('d/f1'), 100 * i, random.bytes(50))
    })
    expect(sent).toBeLessThan(3 * kib)
  })
})

describe('after an absence', () => {
  test('of a few CPs, what changed in all of them is patched', async () => {
    const { pair, volume, run, costOf } = await filled(200, 16 * kib)
    const { sent, kinds } = await costOf(
      async () => {
        pair.network.attach(null)
        pair.network.cutAll()
        for (let i = 0; i < 5; i++) {
          await volume.patchFile(p('d/f50'), 1000 * i, random.bytes(100))
          await pair.engine.requestCp('requested')
        }
      },
      async () => {
        pair.network.attach(pair.applier)
        expect(await pair.clock.until(() => pair.isEqual, 20_000)).toBeTrue()
      },
    )
    expect(kinds).toEqual(['difference'])
    expect(sent).toBeLessThan(3 * kib)
    await run(pair.applier.close())
    expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
  })
})

test('a mirror whose old block has rotted wants the new one whole, and gets it right', async () => {
  const { pair, volume, costOf } = await filled(3, 64 * kib)
  const { sent } = await costOf(async () => {
    for (let i = 0; i < 3; i++) await volume.patchFile(p(`d/f${i}`), 5, random.bytes(10))
    const used = pair.mirrorVolume.retention.usedMap(pair.mirrorVolume.current())
    const bytes = new Uint8Array(blockBytes)
    for (let block = 1; block < pair.mirrorDevice.blockCount; block++) {
      if (!used.has(block)) continue
      pair.mirrorDevice.readSync(block, bytes)
      const isRecord = bytes.filter((byte) => byte === 0).length < 60
      if (!isRecord) continue
      bytes[2000]! ^= 1
      await pair.mirrorDevice.write([{ address: block, bytes }])
    }
  })
  expect(sent).toBeGreaterThan(3 * 64 * kib)
})
