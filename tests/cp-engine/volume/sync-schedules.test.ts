/**
 * Who asks while something runs: a sync that began before a write is not the end of that write's wait, a superblock is
 * never written from what was there before another one, and a fence is up for later opens when it says so.
 */
import { describe, expect, test } from 'bun:test'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import type { BlockDevice, WriteRun } from '../../../src/blockdev/block-device.ts'
import type { FenceReason } from '../../../src/cp-engine/contract.ts'
import { DataSync } from '../../../src/cp-engine/volume/data-sync.ts'
import { Fence } from '../../../src/cp-engine/volume/fence.ts'
import { SuperblockStore } from '../../../src/cp-engine/volume/superblock-store.ts'
import { explore, type Schedule } from '../../simulated/schedules.ts'
import { blockCount, first } from './superblocks.ts'

/** Counts writes, and how many of them are durable. Syncs end when the schedule says, and fail when it says so. */
class CountingDevice {
  written = 0
  durable = 0
  private failed = false

  constructor(
    private readonly schedule: Schedule,
    private readonly mayFail: boolean,
  ) {}

  async sync(): Promise<void> {
    if (this.failed) throw new Error('the device is no longer used')
    const covered = this.written
    await this.schedule.at('a sync ends')
    if (this.mayFail && this.schedule.pick(3) === 1) {
      this.failed = true
      throw new Error('the sync failed')
    }
    this.durable = Math.max(this.durable, covered)
  }
}

describe.each([false, true])('a shared sync (which may fail: %p)', (mayFail) => {
  test('is over for who asked when what was written before is durable, else it fails', async () => {
    const { runs } = await explore(
      async (schedule) => {
        const device = new CountingDevice(schedule, mayFail)
        const dataSync = new DataSync(device as unknown as BlockDevice)
        const caller = async (rounds: number) => {
          for (let i = 0; i < rounds; i++) {
            await schedule.at('a write ends')
            const mine = ++device.written
            try {
              await dataSync.sync()
            } catch (error) {
              if (mayFail) return
              throw error
            }
            expect(device.durable).toBeGreaterThanOrEqual(mine)
          }
        }
        await Promise.all([caller(2), caller(1), caller(1)])
      },
      { runsMax: 1000, ticksMax: 3 },
    )
    expect(runs).toBeGreaterThan(900)
  })
})

test('callers share: however many ask while one runs, there is one more', async () => {
  let begun = 0
  await explore(async (schedule) => {
    begun = 0
    const device = {
      sync() {
        begun++
        return schedule.at('a sync ends')
      },
    }
    const dataSync = new DataSync(device as unknown as BlockDevice)
    await Promise.all(Array.from({ length: 10 }, () => dataSync.sync()))
    expect(begun).toBe(2)
  })
})

/** Each write and each sync takes as long as the schedule says. */
class SlowDevice extends MemoryDevice {
  schedule: Schedule | null = null
  private writing = 0

  override async write(runs: readonly WriteRun[]): Promise<void> {
    expect(++this.writing).toBe(1)
    await this.schedule?.at('a write ends')
    this.writing--
    await super.write(runs)
  }
  override async sync(): Promise<void> {
    await this.schedule?.at('a sync ends')
    await super.sync()
  }
}

test('superblocks that several ask for are written one by one, and each keeps what the others said', async () => {
  await explore(
    async (schedule) => {
      const device = new SlowDevice(blockCount)
      await SuperblockStore.create(device, first)
      const store = await SuperblockStore.open(device)
      device.schedule = schedule
      const seen: number[] = []
      const onSlot = (_slot: number, { generation }: { readonly generation: number }) =>
        void seen.push(generation)
      const before = store.newest.generation
      const caller = async (change: Parameters<SuperblockStore['write']>[0]) => {
        await schedule.at('a caller comes')
        await store.write(change, onSlot)
      }
      await Promise.all([
        caller({ fenced: true }),
        caller(({ firstCp }) => ({ firstCp: firstCp + 10 })),
        caller(({ firstCp }) => ({ firstCp: firstCp + 100 })),
        caller({ opening: 7 }),
      ])
      expect(seen).toEqual([1, 2, 3, 4].map((n) => before + n))
      device.schedule = null
      for (const { newest } of [store, await SuperblockStore.open(device)])
        expect([newest.fenced, newest.firstCp, newest.opening]).toEqual([true, first.firstCp + 110, 7])
    },
    { runsMax: 300, ticksMax: 1 },
  )
})

describe('a fence that several raise', () => {
  const reasons: readonly FenceReason[] = ['another primary', 'an older copy']
  test.each([
    [0, 0],
    [1, 1],
    [0, 1],
    [1, 0],
  ])('for reasons %d and %d: none of them is told before a later open would know', async (one, other) => {
    await explore(
      async (schedule) => {
        let durable = { fenced: false, outdated: false }
        let isBroken = false
        const fence = new Fence({ ...first }, async (change) => {
          await schedule.at('the superblock is written')
          isBroken ||= schedule.pick(3) === 1
          if (isBroken) throw new Error('the write failed')
          durable = { ...durable, ...change }
        })
        const raise = async (reason: FenceReason) => {
          await schedule.at('word comes')
          const raised = await fence.raise(reason).then(
            () => true,
            () => false,
          )
          expect(fence.isUp).toBe(true)
          // Either of them closes the volume for every later open.
          if (raised) expect(durable.fenced || durable.outdated).toBe(true)
          else expect(isBroken).toBe(true)
        }
        await Promise.all([raise(reasons[one]!), raise(reasons[other]!), raise(reasons[one]!)])
      },
      { runsMax: 400, ticksMax: 2 },
    )
  })
})
