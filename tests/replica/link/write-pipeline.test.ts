/** What happens to received blocks when there is no space for them. */
import type { BlockRun } from '../../../src/lib/block-run.ts'
import { expect, test } from 'bun:test'
import { StillpointError } from '../../../src/lib/errors.ts'
import type { BlockDevice, WriteRun } from '../../../src/blockdev/block-device.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { WritePipeline } from '../../../src/replica/link/write-pipeline.ts'

/** Whether there is space is decided by the test, each time. */
function scene() {
  const asked: { runs: readonly BlockRun[]; answer: (bytesLacking: number) => void }[] = []
  const written: WriteRun[] = []
  const lacking: number[] = []
  const failures: unknown[] = []
  const device = {
    error: null as Error | null,
    async write(runs: readonly WriteRun[]) {
      if (device.error) throw device.error
      written.push(...runs)
    },
  }
  const pipeline = new WritePipeline(device as unknown as BlockDevice, 2 ** 20, {
    provide: (runs) => new Promise((resolve) => asked.push({ runs, answer: resolve })),
    onNoSpace: (bytesLacking) => lacking.push(bytesLacking),
    onFailed: (error) => failures.push(error),
  })
  return { pipeline, asked, written, lacking, failures, device }
}
const run = (address: number, blocks = 1): WriteRun => ({
  address,
  bytes: new Uint8Array(blocks * blockBytes),
})

test('blocks have space before they are written', async () => {
  const { pipeline, asked, written, lacking } = scene()
  pipeline.put([run(101, 2)])
  expect(asked.map(({ runs }) => runs)).toEqual([[{ address: 101, blocks: 2 }]])
  expect(written).toEqual([])
  asked[0]!.answer(0)
  await pipeline.drained()
  expect(written).toMatchObject([{ address: 101 }])
  expect(lacking).toEqual([])
})

test('without space everything that waits is dropped, what lacks is told, and later there may be some', async () => {
  const { pipeline, asked, written, lacking } = scene()
  pipeline.put([run(101, 2)])
  pipeline.put([run(7, 3)])
  expect(pipeline.isPending(8, 1)).toBeTrue()
  asked[0]!.answer(blockBytes)
  await pipeline.drained()
  expect(lacking).toEqual([4 * blockBytes])
  expect([written.length, pipeline.isPending(8, 1), pipeline.isPending(101, 2)]).toEqual([0, false, false])
  pipeline.put([run(7)])
  asked[1]!.answer(0)
  await pipeline.drained()
  expect(written).toMatchObject([{ address: 7 }])
})

test('a disk that shows only in a write that it is full has not failed; any other error is a failure', async () => {
  const { pipeline, asked, written, lacking, failures, device } = scene()
  device.error = new StillpointError('disk-full', 'the disk is full')
  pipeline.put([run(101, 2)])
  asked[0]!.answer(0)
  await pipeline.drained()
  expect([lacking, failures]).toEqual([[2 * blockBytes], []])
  device.error = null
  pipeline.put([run(101, 2)])
  asked[1]!.answer(0)
  await pipeline.drained()
  expect(written).toHaveLength(1)
  device.error = new Error('it burns')
  pipeline.put([run(1)])
  asked[2]!.answer(0)
  await pipeline.drained()
  expect(failures).toEqual([device.error])
})
