/**
 * Large writes that are acknowledged while a consistency point is being synced: what an acknowledgement promises lies on
 * the disk at that moment, without the cache. A sync that runs already covers nothing that was written after its start.
 */
import { expect, test } from 'bun:test'
import { largeRecordBytes } from '../../src/fs/tree/records.ts'
import { clockScheduler } from '../simulated/scheduler.ts'
import { nothingSurvives } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { Chance } from './chance.ts'
import { EventLoop, ProcessClock } from './event-loop.ts'
import { History } from './history.ts'
import { SmallProcess, makeSmallVolumes, openSmall, put, verifyOpened } from './small-volume.ts'

const runs = 4
const writers = 3
const writesEach = 3

test('what is acknowledged beside a running sync is there after a loss of power', async () => {
  const volumes = await makeSmallVolumes()
  let looks = 0
  for (let run = 0; run < runs; run++) {
    const chance = new Chance(`shared syncs ${run}`)
    const loop = new EventLoop()
    const scheduler = clockScheduler(new ProcessClock(loop), chance, 6)
    const device = new SimulatedDevice({ image: volumes.primary, scheduler })
    const history = new History()
    const process = await SmallProcess.open(device, history, 'opening', {}, loop)
    const { engine } = process

    /** The power goes now: an open finds everything that was acknowledged. */
    const look = async (durable: number): Promise<void> => {
      const disk = new SimulatedDevice({ image: device.image(nothingSurvives) })
      const opened = await openSmall(disk, new ProcessClock(new EventLoop()), 'the opening after')
      await verifyOpened(opened, disk, history, durable)
      await opened.close()
      looks++
    }
    const write = async (writer: number): Promise<void> => {
      for (let i = 0; i < writesEach; i++) {
        await loop.sleep(chance.below(12))
        const length = largeRecordBytes + 1000 * writer + i
        await process.ask({ operation: put(`f${writer}`, length, 100_000), level: 'logged' })
        await look(history.durable)
      }
    }
    const state = { isOver: false }
    const takeCps = async (): Promise<void> => {
      while (!state.isOver) {
        await engine.requestCp('requested')
        await loop.sleep(chance.below(4))
      }
    }
    const taking = takeCps()
    const writing = Promise.all(Array.from({ length: writers }, (_, i) => write(i)))
    await process.finished(
      writing.finally(() => {
        state.isOver = true
      }),
    )
    await process.finished(taking)
    await process.end()
  }
  expect(looks).toBe(runs * writers * writesEach)
}, 60_000)
