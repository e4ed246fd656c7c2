/** Holds over a restart of the primary: what a mirror may have published is still held. */
import { expect, test } from 'bun:test'
import { formatUuid, newUuid } from '../../../src/lib/random.ts'
import type { PublishedRoot } from '../../../src/cp-engine/contract.ts'
import { EngineVolume } from '../../../src/cp-engine/primary-volume.ts'
import { superblockAddress } from '../../../src/format/geometry.ts'
import { Workload } from '../../cp-engine/workload.ts'
import { Pair, mirrorUrl } from '../pair.ts'

const cps = (roots: readonly PublishedRoot[]): number[] => roots.map(({ root }) => root.cp)

test('a CP that is offered while the next superblock is written is held after a restart', async () => {
  const pair = await Pair.create({ seed: 1 })
  const workload = new Workload(1)
  const member = formatUuid(newUuid(pair.random))
  await new EngineVolume(pair.engine).addMember({ uuid: member, url: mirrorUrl })
  await workload.step(pair.engine)
  const offered = await pair.engine.requestCp('requested')
  const copies = [superblockAddress(0, 0), superblockAddress(1, 0)]
  let isOffered = false
  pair.onMutation = (side, { kind, address }) => {
    if (side !== 'primary' || kind !== 'write' || !copies.includes(address) || isOffered) return
    isOffered = true
    pair.engine.volume.setHolds(member, [offered])
  }
  await workload.step(pair.engine)
  const next = await pair.engine.requestCp('requested')
  expect(isOffered).toBeTrue()
  expect(pair.engine.volume.superblock.holds).toEqual([])

  pair.mirrors.close()
  await pair.openPrimary(pair.device('primary', { image: pair.primaryDevice.image(() => true) }))
  expect(cps(pair.engine.volume.holdsOf(member))).toEqual(cps([offered, next]))
})
