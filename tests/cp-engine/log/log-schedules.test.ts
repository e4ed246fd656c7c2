/** Who waits for the log: acknowledged is what a group or a CP has made durable, and a closed log has nothing on its way. */
import { expect, test } from 'bun:test'
import { IntentLog } from '../../../src/cp-engine/log/intent-log.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { explore, type Schedule } from '../../simulated/schedules.ts'
import { append, newDevice, newLog, readLog, small, startAt } from './written-log.ts'

/** One durable write at a time, which ends when the schedule says, and fails when it says so. */
class SlowLogDevice extends MemoryDevice {
  onTheWay = 0
  /** Groups that are durable. */
  groups = 0
  constructor(
    private readonly schedule: Schedule,
    blocks: number,
    private readonly mayFail = false,
  ) {
    super(blocks)
  }

  override async writeDurable(address: number, buffers: readonly Uint8Array[]): Promise<void> {
    expect(++this.onTheWay).toBe(1)
    await this.schedule.at('a group is durable')
    this.onTheWay--
    if (this.mayFail && this.schedule.pick(3) === 1) throw new Error('the write failed')
    await super.writeDurable(address, buffers)
    this.groups++
  }
}

interface Scene {
  readonly device: SlowLogDevice
  readonly log: IntentLog
  readonly start: ReturnType<typeof startAt>
  failed: boolean
  /** The next operation, applied and appended. */
  apply(): number
}

function scene(schedule: Schedule, mayFail = false): Scene {
  const device = new SlowLogDevice(schedule, newDevice().blockCount, mayFail)
  const start = startAt(0)
  let sequence = 0
  const made: Scene = {
    device,
    start,
    failed: false,
    log: newLog(start, {
      device,
      sealIdleMs: null,
      failed: () => {
        made.failed = true
        made.log.stop()
      },
    }),
    apply: () => {
      sequence++
      expect(append(made.log, small(sequence))).toBe(true)
      return sequence
    },
  }
  return made
}

const durableSequence = async ({ device, start }: Scene): Promise<number> =>
  (await readLog(device, start)).records.at(-1)?.sequence ?? 0

test.each([false, true])(
  'an operation is reached when its group is durable (writes may fail: %p)',
  async (mayFail) => {
    await explore(
      async (schedule) => {
        const made = scene(schedule, mayFail)
        const client = async () => {
          await schedule.at('an operation is applied')
          const sequence = made.apply()
          await schedule.at('its client asks')
          await made.log.reach(sequence)
          if (made.failed) return
          expect(await durableSequence(made)).toBeGreaterThanOrEqual(sequence)
        }
        await Promise.all([client(), client(), client()])
        // Nobody waits for a group of its own while another one is on its way.
        expect(made.device.groups).toBeLessThanOrEqual(3)
      },
      { runsMax: 600, ticksMax: 2 },
    )
  },
)

test('a CP that is published beside it takes what it has out of the log, and no more', async () => {
  await explore(
    async (schedule) => {
      const made = scene(schedule)
      let applied = 0
      let published = 0
      const client = async () => {
        await schedule.at('an operation is applied')
        const sequence = (applied = made.apply())
        await made.log.reach(sequence)
        if (published < sequence) expect(await durableSequence(made)).toBeGreaterThanOrEqual(sequence)
      }
      const writer = async () => {
        await schedule.at('a CP is sealed')
        const mark = made.log.mark()
        const sealed = applied
        await schedule.at('the CP is published')
        published = sealed
        made.log.published(sealed, mark)
      }
      await Promise.all([client(), client(), client(), writer()])
      expect(made.log.isFilling).toBe(false)
    },
    { runsMax: 600, ticksMax: 2 },
  )
})

test('a log that is closed has nothing on its way, whoever still waits', async () => {
  await explore(
    async (schedule) => {
      const made = scene(schedule)
      const client = async () => {
        await schedule.at('an operation is applied')
        await made.log.reach(made.apply())
      }
      const clients = Promise.all([client(), client()])
      const closer = async () => {
        await schedule.at('the server stops')
        await made.log.close()
        expect(made.device.onTheWay).toBe(0)
      }
      await Promise.all([clients, closer()])
    },
    { runsMax: 600, ticksMax: 3 },
  )
})
