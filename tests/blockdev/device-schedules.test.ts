/** Calls of the file device that overlap: growths keep what others have grown, and a close leaves nothing behind. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { statSync, truncateSync, writeFileSync } from 'node:fs'
import { blockBytes } from '../../src/format/geometry.ts'
import { hasCode } from '../../src/lib/errors.ts'
import { systemFileCalls, type FileCalls } from '../../src/blockdev/file-calls.ts'
import { FileDevice } from '../../src/blockdev/file-device.ts'
import { explore, type Schedule } from '../simulated/schedules.ts'
import { patternBlock } from './contract.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

let folder: TempFolder
let path: string
beforeAll(() => {
  folder = tempFolder()
  path = folder.file('volume')
  writeFileSync(path, '')
})
afterAll(() => folder.remove())

/** Each call takes as long as the schedule says; zeros are not written, the file only gets as long. */
function slowCalls(
  schedule: Schedule,
  isFull: () => boolean,
): FileCalls & { readonly running: () => number } {
  let running = 0
  const slow = async <T>(name: string, result: () => T): Promise<T> => {
    running++
    await schedule.at(name)
    running--
    return result()
  }
  return {
    ...systemFileCalls,
    running: () => running,
    reserve: () => 'unsupported',
    freeBytes: () => null,
    writev: (_descriptor, buffers, position) =>
      slow('a write ends', () => {
        if (isFull()) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
        const bytes = buffers.reduce((sum, { length }) => sum + length, 0)
        if (statSync(path).size < position + bytes) truncateSync(path, position + bytes)
        return bytes
      }),
    fdatasync: () => slow('a sync ends', () => undefined),
  }
}

test('growths and extensions that overlap: the device never has blocks that the file has not', async () => {
  await explore(
    async (schedule) => {
      truncateSync(path, 4 * blockBytes)
      const calls = slowCalls(schedule, () => schedule.pick(3) === 1)
      const device = await FileDevice.open(path, { calls })
      let least = 4
      const resize = async (how: 'grow' | 'extend', blocks: number) => {
        await schedule.at('somebody needs blocks')
        try {
          await device[how](blocks)
          least = Math.max(least, blocks)
        } catch (error) {
          if (!hasCode(error, 'disk-full')) throw error
        }
        expect(device.blockCount).toBeGreaterThanOrEqual(least)
        expect(statSync(path).size).toBeGreaterThanOrEqual(device.blockCount * blockBytes)
      }
      await Promise.all([resize('grow', 8), resize('extend', 12), resize('grow', 6), resize('extend', 10)])
      await device.close()
      expect(statSync(path).size).toBe(device.blockCount * blockBytes)
    },
    { runsMax: 600, ticksMax: 1 },
  )
})

test('a close waits for what has begun, twice too, and nothing begins after it', async () => {
  await explore(
    async (schedule) => {
      truncateSync(path, 20 * blockBytes)
      const calls = slowCalls(schedule, () => false)
      const device = await FileDevice.open(path, { calls })
      let isClosed = false
      const begin = async (work: () => Promise<void>) => {
        await schedule.at('somebody begins')
        const hasBegun = !isClosed
        const outcome = await work().then(
          () => 'done',
          () => 'refused',
        )
        expect(outcome).toBe(hasBegun ? 'done' : 'refused')
      }
      const close = async () => {
        await schedule.at('the server stops')
        isClosed = true
        await device.close()
        expect(calls.running()).toBe(0)
      }
      await Promise.all([
        begin(() => device.write([{ address: 1, bytes: patternBlock(1) }])),
        begin(() => device.sync()),
        begin(() => device.sync()),
        begin(() => device.writeDurable(3, [patternBlock(3)])),
        close(),
        close(),
      ])
    },
    { runsMax: 600, ticksMax: 1 },
  )
})
