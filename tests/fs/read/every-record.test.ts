/**
 * A file of several records is right only when each of them is: whichever one is damaged, whoever reads bytes of it is told,
 * and whoever reads others gets them. The volume is a real one, opened again, so that nothing is in memory.
 */
import { describe, expect, test } from 'bun:test'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { blockBytes, recordBytesDefault } from '../../../src/format/geometry.ts'
import type { BlockPointer } from '../../../src/format/pointer.ts'
import { decodeKey } from '../../../src/format/items/item-keys.ts'
import { decodeRecordItem } from '../../../src/format/items/items.ts'
import { VolumeFiles } from '../../../src/fs/file-system.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { newPrimary, open } from '../../cp-engine/workload.ts'
import { everythingSurvives } from '../../simulated/crash-image.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { bytesOf, codeOf, p, quickClock, streamAll } from '../volume.ts'

const records = 5
const content = bytesOf((records - 1) * recordBytesDefault + 5000)
const rangeOf = (n: number) =>
  [n * recordBytesDefault, Math.min(content.length, (n + 1) * recordBytesDefault)] as const

async function volumeOf(device: SimulatedDevice): Promise<{ engine: CpEngine; files: VolumeFiles }> {
  const engine = await open(device, 2, { cpIntervalMs: 1e9 })
  const files = new VolumeFiles(engine, quickClock, 64 * 1024)
  files.start()
  return { engine, files }
}

const made = await (async () => {
  const device = new SimulatedDevice()
  await newPrimary(device, 1)
  const { engine, files } = await volumeOf(device)
  await files.putFile(p('f'), content, {})
  await engine.requestCp('requested')
  await files.close()
  await engine.close()
  const image = device.image(everythingSurvives)
  const pointers: BlockPointer[] = []
  await checkVolume(new SimulatedDevice({ image }), {
    onItem: (root, { key, value }) => {
      if (decodeKey(key).kind !== 'record') return
      const { pointer } = decodeRecordItem(value, 'xxh3')
      if (root.cp > 1 && !pointers.some(({ address }) => address === pointer.address)) pointers.push(pointer)
    },
  })
  return { image, pointers }
})()

test('the file has so many records', () => expect(made.pointers).toHaveLength(records))

async function read(files: VolumeFiles, start: number, end: number): Promise<Uint8Array> {
  const view = files.view()
  const file = await view.open(p('f'))
  try {
    return await streamAll(file, start, end)
  } finally {
    file.close()
    view.release()
  }
}

describe('a record that is damaged is told, and only to those who read it', () => {
  for (let n = 0; n < records; n++)
    for (const isLast of [false, true])
      test(`record ${n}, ${isLast ? 'the last' : 'the first'} block of it`, async () => {
        const { address, blocks } = made.pointers[n]!
        const device = new SimulatedDevice({ image: made.image })
        device.flipBit(isLast ? address + blocks - 1 : address, 8 * 10)
        const { engine, files } = await volumeOf(device)
        expect(await codeOf(read(files, 0, content.length))).toBe('corrupt')
        for (let other = 0; other < records; other++) {
          const [start, end] = rangeOf(other)
          if (other === n) {
            expect(await codeOf(read(files, start, end))).toBe('corrupt')
            expect(await codeOf(read(files, Math.max(0, start - 1), Math.min(content.length, end + 1)))).toBe(
              'corrupt',
            )
          } else expect(await read(files, start, end)).toEqual(content.slice(start, end))
        }
        await files.close()
        await engine.close()
      })
})

describe('what changes a file changes all of its records', () => {
  /** Blocks that the newest root uses, and everything that the check finds. */
  async function usedAfter(change: (files: VolumeFiles) => Promise<unknown>) {
    const device = new SimulatedDevice({ image: made.image })
    const { engine, files } = await volumeOf(device)
    await change(files)
    do {
      await engine.requestCp('requested')
      await quickClock.yield()
    } while (files.pending().orphans > 0)
    await engine.requestCp('requested')
    const view = files.view()
    const stat = await view.stat(p('f')).catch(() => null)
    view.release()
    const bytes = stat ? await read(files, 0, stat.size) : null
    await files.close()
    await engine.close()
    expect((await checkVolume(device)).findings).toEqual([])
    const { volume } = engine
    return { blocks: volume.retention.usedMap(volume.current()).count(), bytes }
  }
  const of = (bytes: number) => Math.ceil(bytes / blockBytes)

  test('a deletion gives all of them back', async () => {
    const { blocks: whole } = await usedAfter((files) => files.changeSettings(() => {}))
    const { blocks } = await usedAfter((files) => files.deleteFile(p('f')))
    expect(whole - blocks).toBeGreaterThanOrEqual(of(content.length))
  })
  test('a patch across them is in each of them', async () => {
    const [from, to] = [recordBytesDefault - 3, 3 * recordBytesDefault + 3]
    const patch = bytesOf(to - from, 4)
    const { bytes } = await usedAfter((files) => files.patchFile(p('f'), from, patch))
    const wanted = content.slice()
    wanted.set(patch, from)
    expect(bytes).toEqual(wanted)
  })
  for (let n = 0; n < records; n++)
    test(`a cut within record ${n} takes what is behind it`, async () => {
      const size = rangeOf(n)[0] + 100
      const { bytes, blocks } = await usedAfter((files) => files.resizeFile(p('f'), size))
      expect(bytes).toEqual(content.slice(0, size))
      expect(blocks).toBeLessThan(of(size) + 40)
    })
})
