/** How a mirror's device grows under what is written to it. */
import { expect, test } from 'bun:test'
import { StillpointError } from '../../../src/lib/errors.ts'
import type { BlockDevice, WriteRun } from '../../../src/blockdev/block-device.ts'
import { blockBytes, makeGeometry } from '../../../src/format/geometry.ts'
import { WritePipeline } from '../../../src/replica/link/write-pipeline.ts'

/** Each growth is decided by the test. */
function scene() {
  const growths: { blockCount: number; end: (isDone: boolean) => void }[] = []
  const written: WriteRun[] = []
  const lacking: number[] = []
  const device = {
    blockCount: 100,
    grow(blockCount: number) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const end = (isDone: boolean) => {
        if (isDone) device.blockCount = Math.max(device.blockCount, blockCount)
        if (isDone) resolve()
        else reject(new StillpointError('disk-full', 'the disk is full'))
      }
      growths.push({ blockCount, end })
      return promise
    },
    write(runs: readonly WriteRun[]) {
      written.push(...runs)
      return Promise.resolve()
    },
  }
  const geometry = { ...makeGeometry(2 ** 30), growBlocks: 1 }
  const pipeline = new WritePipeline(device as unknown as BlockDevice, () => geometry, 2 ** 20, {
    onNoSpace: (bytesLacking) => lacking.push(bytesLacking),
    onFailed: (error) => {
      throw error
    },
  })
  return { pipeline, growths, written, lacking }
}
const run = (address: number): WriteRun => ({ address, bytes: new Uint8Array(blockBytes) })

test('without space what waits is dropped, and what lacks is told', async () => {
  const { pipeline, growths, written, lacking } = scene()
  pipeline.put([run(101)])
  growths[0]!.end(false)
  await pipeline.drained()
  expect(lacking).toEqual([2 * blockBytes])
  expect(written).toEqual([])
})

test('a growth that fails while another one succeeds lacks nothing', async () => {
  const { pipeline, growths, written, lacking } = scene()
  pipeline.put([run(101)])
  const prepared = pipeline.growTo(110)
  expect(growths.map(({ blockCount }) => blockCount)).toEqual([102, 110])
  growths[1]!.end(true)
  growths[0]!.end(false)
  expect(await prepared).toBe(0)
  await pipeline.drained()
  expect(lacking).toEqual([])
  expect(written).toMatchObject([{ address: 101 }])
})
