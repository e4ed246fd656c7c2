/** Blocks on their way to a mirror's device: who waits for them hears of all that was put before, and of nothing less. */
import { expect, test } from 'bun:test'
import type { BlockDevice, WriteRun } from '../../../src/blockdev/block-device.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { WritePipeline } from '../../../src/replica/link/write-pipeline.ts'
import { explore, type Schedule } from '../../simulated/schedules.ts'

interface Scene {
  readonly pipeline: WritePipeline
  /** By address: the last tag that the device has. */
  readonly onDevice: Map<number, number>
  /** By address: the last tag that was put. What was dropped for want of space is not among them. */
  readonly newest: Map<number, number>
  dropped: number
  failed: boolean
}

function scene(schedule: Schedule, outcome: (of: number) => number): Scene {
  const inFlight = new Set<number>()
  const made: Scene = {
    onDevice: new Map(),
    newest: new Map(),
    dropped: 0,
    failed: false,
    pipeline: new WritePipeline(
      {
        async write(runs: readonly WriteRun[]) {
          for (const { address } of runs) {
            if (inFlight.has(address)) throw new Error('two writes of one block')
            inFlight.add(address)
          }
          await schedule.at('a write ends')
          for (const { address, bytes } of runs) {
            inFlight.delete(address)
            made.onDevice.set(address, bytes[0]!)
          }
          if (outcome(4) === 1) throw new Error('the write failed')
        },
      } as unknown as BlockDevice,
      2 * blockBytes,
      {
        async provide() {
          await schedule.at('space is provided')
          return outcome(4) === 2 ? blockBytes : 0
        },
        onNoSpace: () => {
          made.dropped++
          for (const [address, tag] of made.newest)
            if (made.onDevice.get(address) !== tag) made.newest.delete(address)
        },
        onFailed: () => (made.failed = true),
      },
    ),
  }
  return made
}

const run = (address: number, tag: number): WriteRun => ({
  address,
  bytes: new Uint8Array(blockBytes).fill(tag),
})

test.each([false, true])(
  'drained: everything that was put before is on the device (troubles: %p)',
  async (troubles) => {
    await explore(
      async (schedule) => {
        const made = scene(schedule, troubles ? (of) => schedule.pick(of) : () => 0)
        const { pipeline, newest, onDevice } = made
        let tag = 0
        const putter = async (address: number) => {
          for (let i = 0; i < 2; i++) {
            await schedule.at('blocks come')
            tag++
            newest.set(address, tag)
            pipeline.put([run(address, tag)])
            if (!made.failed) expect(pipeline.isPending(address, 1)).toBe(true)
            await pipeline.room()
          }
        }
        const waiter = async () => {
          await schedule.at('somebody wants them to be there')
          const expected = new Map(newest)
          const { dropped } = made
          await pipeline.drained()
          if (made.failed || made.dropped !== dropped) return
          for (const [address, at] of expected) expect(onDevice.get(address) ?? 0).toBeGreaterThanOrEqual(at)
        }
        await Promise.all([putter(10), putter(11), putter(10), waiter(), waiter()])
        await pipeline.drained()
        if (!made.failed) for (const address of [10, 11]) expect(pipeline.isPending(address, 1)).toBe(false)
        if (!made.failed) for (const [address, at] of newest) expect(onDevice.get(address)).toBe(at)
      },
      { runsMax: 1500, ticksMax: 2 },
    )
  },
)
