/** A mirror's superblock is being written while its primary changes: what the superblock names stays where it is. */
import { expect, test } from 'bun:test'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { superblockRuns } from '../../../src/format/geometry.ts'
import { valueHead } from '../../../src/format/pointer.ts'
import { formatUuid, newUuid } from '../../../src/lib/random.ts'
import { keyOf } from '../../cp-engine/workload.ts'
import { SimulatedSpace } from '../../simulated/simulated-space.ts'
import { Pair } from '../pair.ts'

async function put(pair: Pair, from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++) {
    const [record] = await pair.engine.prepare(new Uint8Array(40_000).fill(n + 1))
    await pair.engine.run((tx) => tx.put(keyOf(n), valueHead([tx.use(record!)], 'xxh3')), {
      records: [record!],
    })
  }
}

/** Every write of a superblock waits until `release` is called. */
function holdSuperblocks(pair: Pair): { isHeld: () => boolean; release: () => void } {
  const device = pair.mirrorDevice
  const write = device.write.bind(device)
  const held = Promise.withResolvers<void>()
  let isHeld = false
  device.write = async (runs) => {
    if (runs.some(({ address }) => superblockRuns.some((run) => run.address === address))) {
      isHeld = true
      await held.promise
    }
    return write(runs)
  }
  return { isHeld: () => isHeld, release: held.resolve }
}

test('an epoch begins while a superblock is written, and the mirror gives space back', async () => {
  const pair = await Pair.create({ seed: 21, mebibytes: 64 })
  const space = new SimulatedSpace(Infinity)
  await put(pair, 0, 20)
  await pair.engine.requestCp('requested')
  await pair.join()
  expect(await pair.clock.until(() => pair.isEqual, 5000)).toBeTrue()

  // The mirror dies with all blocks of the next root written and no superblock that names the root.
  const dying = holdSuperblocks(pair)
  await put(pair, 100, 20)
  await pair.engine.requestCp('requested')
  expect(await pair.clock.until(dying.isHeld, 5000)).toBeTrue()
  pair.network.attach(null)
  await pair.openMirror(pair.device('mirror', { image: pair.mirrorDevice.image(() => true), space }))

  const { isHeld, release } = holdSuperblocks(pair)
  expect(await pair.clock.until(isHeld, 20_000)).toBeTrue()
  const before = pair.mirrorVolume.current().root.cp
  const { geometry } = pair.mirrorVolume
  const { volumeUuid, sideUuid, epoch } = pair.mirrorVolume.superblock
  await pair.applier.receive({
    message: {
      kind: 'hello',
      volume: formatUuid(volumeUuid),
      epoch: { number: epoch.number + 1, id: pair.random.bytes(8) },
      session: formatUuid(newUuid(pair.random)),
      cp: 1,
      number: 1,
      base: { cp: 0, hash: new Uint8Array(32) },
      side: formatUuid(newUuid(pair.random)),
      member: formatUuid(sideUuid),
      geometry,
    },
    runs: [],
    damaged: 0,
    bytes: 0,
  })
  await pair.clock.advance(10)
  expect(pair.applier['applier'].claimsOf() === null).toBeTrue()
  // As if the mirror had found all blocks on its disk and had received none.
  pair.applier['space'].forgetBefore(before + 100)
  space.blocksMax = space.used
  await pair.applier['space'].trim()
  release()
  expect(await pair.clock.until(() => pair.mirrorVolume.current().root.cp > before, 5000)).toBeTrue()
  expect((await checkVolume(pair.mirrorDevice)).findings).toEqual([])
})
