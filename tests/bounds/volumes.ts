/** What is remembered of a volume that lives: roots, images that clients named, and everything else that an engine holds. */
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { Views, keptCpsMax } from '../../src/fs/read/image-leases.ts'
import type { ReadView } from '../../src/fs/contract.ts'
import type { TreeView } from '../../src/cp-engine/contract.ts'
import { VirtualClock } from '../simulated/clock.ts'
import { newPrimary, open, putRecord } from '../cp-engine/workload.ts'
import type { Bound } from './bounds.ts'

async function newEngine() {
  const device = new MemoryDevice()
  await newPrimary(device, 1, 32)
  return open(device, 2, { cpIntervalMs: 1e9 })
}

export const ofVolumes: readonly Bound[] = [
  {
    file: 'cp-engine/volume/retention.ts',
    what: 'roots that are readable, when readers come and go',
    // Two slots, and the one that the last reader keeps.
    most: 3,
    count: 60,
    make: async () => {
      const engine = await newEngine()
      let pin: { release(): void } | null = null
      const cps: number[] = []
      return {
        add: async (i) => {
          await putRecord(engine, i % 5, i)
          const published = await engine.requestCp('requested')
          cps.push(published.root.cp)
          pin?.release()
          pin = engine.pin(published)
        },
        size: () => engine.readable().length,
        knows: (i) => engine.readable().some(({ root }) => root.cp === cps[i]),
        keeps: 'newest',
        holder: engine.volume.retention,
        close: () => engine.close(),
      }
    },
  },
  {
    file: 'cp-engine/cp-engine.ts',
    what: 'bytes in the queue of an engine that takes one CP after the other',
    most: 1,
    count: 120,
    make: async () => {
      const engine = await newEngine()
      // Its own history and its nodes have bounds of their own, and the device is no memory in life.
      const { history } = engine as unknown as { history: unknown }
      return {
        add: async (i) => {
          const applied = await putRecord(engine, i % 7, i)
          if (i % 3 === 0) await putRecord(engine, i % 7, i + 1000)
          await engine.reach(applied, 'logged')
          const view = engine.openView()
          await engine.requestCp('requested')
          view.release()
          await engine.writeSuperblock()
        },
        size: () => (engine as unknown as { queue: { bytes: number } }).queue.bytes,
        knows: null,
        keeps: 'none',
        holder: engine,
        leaveOut: [history, engine.volume.device, engine.volume.nodes],
        close: () => engine.close(),
      }
    },
  },
  {
    file: 'fs/read/image-leases.ts',
    what: 'images that listings have kept and that nobody uses',
    most: keptCpsMax,
    count: 40,
    make: async () => {
      const engine = await newEngine()
      const clock = new VirtualClock()
      const view = (tree: TreeView) => ({ cp: tree.cp, release: () => tree.release() }) as ReadView
      const settle = () => engine.requestCp('requested')
      const views = new Views({ source: engine, clock, view, settle })
      const cps: number[] = []
      return {
        add: async (i) => {
          await putRecord(engine, i, i)
          const page = await views.settled(`listing ${i}`, 'c')
          cps.push(page.cp)
          views.endListing(page.cp, `listing ${i}`)
          page.release()
        },
        size: () => Math.max(views.keptCps().length, clock.timers),
        knows: (i) => views.keptCps().includes(cps[i]!),
        keeps: 'newest',
        holder: (views as unknown as { kept: object }).kept,
        leaveOut: [engine.volume, engine],
        close: async () => {
          views.close()
          await engine.close()
        },
      }
    },
  },
]
