/** A mirror becomes a member once, whatever happens to the connection meanwhile. */
import { expect, test } from 'bun:test'
import { formatUuid } from '../../src/lib/random.ts'
import { Workload } from '../cp-engine/workload.ts'
import { Pair } from './pair.ts'

test('a connection that ends during the adoption does not cost the membership', async () => {
  const pair = await Pair.create({ seed: 3 })
  const workload = new Workload(3)
  workload.watch(pair.engine)
  const side = formatUuid(pair.mirrorVolume.superblock.sideUuid)
  const idsSeen = new Set<string>()
  const members = () => pair.engine.volume.superblock.members.map(({ uuid }) => formatUuid(uuid))
  let isCut = false
  pair.onMutation = (which) => {
    if (which !== 'primary') return
    idsSeen.add(members().join())
    // The mirror has answered, and the primary writes it down.
    if (isCut || pair.network.counts.frames < 2) return
    isCut = true
    pair.network.cutAll()
  }
  await pair.join()
  for (let round = 0; round < 5; round++) {
    await workload.step(pair.engine)
    await pair.engine.requestCp('requested')
    await pair.clock.until(() => pair.isEqual, 2000)
    expect(pair.isEqual).toBeTrue()
    expect(members()).toEqual([side])
  }
  expect(isCut).toBeTrue()
  // Never two at one address, and never none again: a crash may show any of these.
  for (const ids of idsSeen) expect(ids.split(',')).toHaveLength(1)
  expect(await pair.mirrors.list()).toMatchObject([{ id: side, state: 'live' }])
  pair.mirrors.close()
})
