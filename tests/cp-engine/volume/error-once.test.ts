/**
 * A primary on a real file, under a kernel that fails one write or sync and then goes on as if nothing had been: at every
 * call of a fixed workload, nothing is acknowledged that a power cut takes back.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { copyFileSync } from 'node:fs'
import { FileDevice } from '../../../src/blockdev/file-device.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { FickleKernel, type Trouble } from '../../blockdev/fickle-kernel.ts'
import { tempFolder } from '../../blockdev/temp-folder.ts'
import { Workload, keyOf, newPrimary, open } from '../workload.ts'
import { valueHead } from '../../../src/format/pointer.ts'

setDefaultTimeout(60_000)

const folder = tempFolder()
afterAll(() => folder.remove())
const path = folder.file('volume')

/** A new volume, to begin each story with. */
async function makeVolume(): Promise<string> {
  const fresh = folder.file('fresh')
  const device = await FileDevice.create(fresh, 1)
  await newPrimary(device, 1, 6)
  await device.close()
  return fresh
}
const fresh = makeVolume()

/** A record that leaves at once, named by an operation that is logged: its sync is beside those of superblocks. */
async function putLarge(engine: CpEngine, n: number): Promise<void> {
  const records = await engine.prepare(new Uint8Array(100_000).fill(n + 1), 'write', { leavesEarly: true })
  const applied = await engine.run(
    (tx) =>
      tx.put(
        keyOf(50_000 + n),
        valueHead(
          records.map((record) => tx.use(record)),
          'xxh3',
        ),
      ),
    { records },
  )
  await engine.reach(applied, 'logged')
}

interface Story {
  readonly kernel: FickleKernel
  readonly workload: Workload
  readonly large: readonly number[]
  readonly committedCp: number
  readonly error: unknown
}

async function tell(trouble: Trouble): Promise<Story> {
  copyFileSync(await fresh, path)
  const kernel = new FickleKernel(path, trouble)
  kernel.settle()
  const workload = new Workload(7, 30)
  workload.history.set(0, new Map())
  const large: number[] = []
  let committedCp = 0
  const device = await FileDevice.open(path, { calls: kernel.calls })
  const work = async (): Promise<void> => {
    const engine = await open(device, 1)
    workload.watch(engine)
    const put = async (n: number) => {
      await putLarge(engine, n)
      large.push(n)
    }
    for (let round = 0; round < 2; round++) {
      await workload.step(engine, 'logged')
      const cp = async () => {
        await engine.requestCp('requested')
        committedCp = engine.current().root.cp
      }
      // Each of them syncs the file: the records, the CP, and the superblock.
      const beside = [put(2 * round), cp(), engine.writeSuperblock(), put(2 * round + 1)]
      const failed = (await Promise.allSettled(beside)).find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') throw failed.reason
      await workload.step(engine, 'committed')
    }
    await engine.close()
  }
  const error: unknown = await work().then(
    () => null,
    (reason: unknown) => reason,
  )
  await device.close()
  return { kernel, workload, large, committedCp, error }
}

/** What the next process finds after a power cut. */
async function expectNothingLost({ kernel, workload, large, committedCp }: Story): Promise<void> {
  const left = folder.file('left')
  kernel.powerCut(left)
  const device = await FileDevice.open(left)
  const engine = await open(device, 2)
  const { cp, sequence } = engine.current().root
  expect(cp).toBeGreaterThanOrEqual(committedCp)
  expect(sequence).toBeGreaterThanOrEqual(workload.acknowledged)
  const view = engine.openView()
  for (const n of large) expect(await view.read((items) => items.get(keyOf(50_000 + n)))).not.toBeNull()
  view.release()
  expect((await checkVolume(device)).findings).toEqual([])
  await engine.close()
  await device.close()
}

describe('an error that the kernel tells once', () => {
  test('the workload itself loses nothing', async () => {
    const story = await tell(() => null)
    expect(story.error).toBeNull()
    expect(story.large).toHaveLength(4)
    await expectNothingLost(story)
  })

  test.each(['EIO', 'EINTR', 'ENOSPC'])('%s at each write and each sync', async (code) => {
    const { kernel } = await tell(() => null)
    let failures = 0
    // Every call meets its error with one of the codes.
    const first = ['EIO', 'EINTR', 'ENOSPC'].indexOf(code)
    for (let nth = first; nth < kernel.made; nth += 3) {
      const story = await tell((_call, at) => (at === nth ? code : null))
      try {
        if (story.error !== null) failures++
        expect(story.kernel.untold).toBe(0)
        await expectNothingLost(story)
      } catch (cause) {
        throw new Error(`call ${nth}`, { cause })
      }
    }
    expect(failures).toBeGreaterThan(kernel.made / 3 - 4)
  })
})
