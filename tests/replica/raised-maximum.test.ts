/** A primary that may grow further: its mirrors follow, whatever they had when it was raised. */
import { describe, expect, test } from 'bun:test'
import { toHex } from '../../src/lib/bytes.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { blocksPerMapPage, mapIndexFanout } from '../../src/format/disk/map-page.ts'
import { Workload, expectModel, putRecord, smallGeometry } from '../cp-engine/workload.ts'
import { Pair } from './pair.ts'

const smallMax = smallGeometry().blocksMax
const sizes = [
  ['some blocks more', 4 * smallMax],
  ['a level of the maps more', mapIndexFanout * blocksPerMapPage + 1],
  ['two levels more', mapIndexFanout ** 2 * blocksPerMapPage + 1],
] as const

async function follow(pair: Pair): Promise<void> {
  expect(await pair.clock.until(() => pair.isEqual, 10_000)).toBeTrue()
  const current = pair.mirrorVolume.current()
  expect(toHex(current.hash)).toBe(toHex(pair.engine.current().hash))
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
}

async function reopen(pair: Pair, blocks: number | null): Promise<void> {
  pair.mirrors.close()
  await pair.engine.close()
  await pair.openPrimary(pair.primaryDevice, { raiseVolumeTo: blocks && blocks * blockBytes })
}

/** More than the volume had room for. */
async function fill(pair: Pair, workload: Workload): Promise<void> {
  for (let i = 0; i < 1500; i++) {
    const n = 20_000 + i
    await putRecord(pair.engine, n, n)
    workload.model.set(n, n)
    if (i % 100 === 0) await pair.engine.requestCp('requested')
  }
  await pair.engine.requestCp('requested')
}

describe('a mirror', () => {
  for (const [name, blocks] of sizes)
    for (const was of ['there', 'away', 'new'] as const)
      test(`that was ${was} follows: ${name}`, async () => {
        const pair = await Pair.create({ seed: 5 })
        const workload = new Workload(5)
        for (let i = 0; i < 20; i++) await workload.step(pair.engine)
        await pair.engine.requestCp('requested')
        if (was !== 'new') {
          await pair.join()
          await follow(pair)
          expect(pair.mirrorVolume.geometry.blocksMax).toBe(smallMax)
        }
        if (was === 'away') pair.network.attach(null)
        await reopen(pair, blocks)
        await fill(pair, workload)
        expect(pair.engine.space().used).toBeGreaterThan(smallMax)
        if (was === 'away') pair.network.attach(pair.applier)
        if (was === 'new') await pair.join()
        await follow(pair)
        expect(pair.mirrorVolume.geometry.blocksMax).toBe(blocks)
        const view = pair.mirrorVolume.view(pair.mirrorVolume.current())
        await expectModel(view, workload.model)
        view.release()
        // What only few change travels as a difference, over maps with more levels than before, too.
        await pair.openMirror()
        await reopen(pair, null)
        await putRecord(pair.engine, 1, 1)
        await pair.engine.requestCp('requested')
        await follow(pair)
        expect(pair.mirrorVolume.geometry.blocksMax).toBe(blocks)
        expect(await pair.mirrors.list()).toMatchObject([{ needs: null }])
        expect(pair.failures).toEqual([])
        pair.mirrors.close()
      }, 30_000)
})
