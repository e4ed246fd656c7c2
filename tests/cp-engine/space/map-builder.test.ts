/**
 * The maps of a CP from those of the CP before, against plain sets: I4 for the blocks that the maps themselves live in,
 * and how few of them a change costs.
 */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { makeGeometry } from '../../../src/format/geometry.ts'
import { blocksPerMapPage } from '../../../src/format/disk/map-page.ts'
import { Allocator } from '../../../src/cp-engine/space/allocator.ts'
import { mapBlocksWorstCase } from '../../../src/cp-engine/space/map-builder.ts'
import type { BuiltMaps } from '../../../src/cp-engine/space/map-builder.ts'
import { SpaceMap } from '../../../src/cp-engine/space/space-map.ts'
import type { Run } from '../../../src/cp-engine/space/space-map.ts'
import { MapStore, blocksOf, build, sameMap } from './maps.ts'

setDefaultTimeout(60_000)

const addresses = (map: SpaceMap) => new Set([...map.ownBlocks()].map(({ address }) => address))
const union = (...sets: ReadonlySet<number>[]) => new Set(sets.flatMap((set) => [...set]))

/** Takes runs for data as the engine does, and gives back what the CP before the last one has freed. */
class Volume {
  readonly store = new MapStore()
  readonly allocator: Allocator
  readonly data = new Map<number, number>()
  maps: { live: SpaceMap; used: SpaceMap }

  constructor(
    mebibytes: number,
    readonly extent: number,
  ) {
    const geometry = makeGeometry(mebibytes * 2 ** 20, 2 ** 20, 2 ** 20)
    this.allocator = new Allocator(geometry)
    this.allocator.extend(extent)
    this.maps = {
      live: SpaceMap.empty('live', geometry.blocksMax),
      used: SpaceMap.empty('used', geometry.blocksMax),
    }
  }

  take(blocks: number): Run {
    const address = this.allocator.take('record', blocks)!
    this.data.set(address, blocks)
    return { address, blocks }
  }

  cp(born: readonly Run[], freed: readonly Run[]): BuiltMaps {
    const { live, used } = this.maps
    const built = build(live, used, { born, freed }, () => this.allocator.take('map', 1)!)
    this.store.keep(built)
    for (const { address } of freed) this.data.delete(address)
    const before = used
    this.maps = built
    for (const run of before.runsNotIn(built.used)) this.allocator.release(run)
    return built
  }

  expectRight(built: BuiltMaps): void {
    const data = new Set<number>()
    for (const [address, blocks] of this.data) for (let i = 0; i < blocks; i++) data.add(address + i)
    expect(blocksOf(built.live)).toEqual(union(data, addresses(built.live)))
    expect(blocksOf(built.used)).toEqual(union(blocksOf(built.live), addresses(built.used)))
    expect(built.used.count()).toBe(data.size + addresses(built.live).size + addresses(built.used).size)
  }
}

describe('map builder', () => {
  test('live is the data and itself, used is live and itself; what is encoded is loaded again', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = seededRandom(seed)
      const volume = new Volume(400, 100_000)
      for (let cp = 0; cp < 100; cp++) {
        const freed = [...volume.data]
          .filter(() => random.below(5) === 0)
          .map(([address, blocks]) => ({ address, blocks }))
        const born = Array.from({ length: random.below(30) }, () => volume.take(1 + random.below(16)))
        if (born.length + freed.length === 0) continue
        const before = volume.maps
        const built = volume.cp(born, freed)
        volume.expectRight(built)
        // Each map block of the CP is new, written once, and was free.
        const written = built.commands.map(({ address }) => address)
        expect(new Set(written).size).toBe(written.length)
        for (const address of written) expect(before.used.has(address)).toBe(false)
        expect(new Set(written)).toEqual(
          new Set([...addresses(built.live), ...addresses(built.used)].filter((a) => !before.used.has(a))),
        )
        sameMap(await volume.store.load(built.live, [before.live]), built.live)
        sameMap(await volume.store.load(built.used), built.used)
      }
    }
  })

  test('the maps of the CP before stay as they were', async () => {
    const volume = new Volume(400, 100_000)
    const first = volume.cp([volume.take(100)], [])
    const [live, used] = [blocksOf(first.live), blocksOf(first.used)]
    volume.cp([volume.take(7)], [{ address: [...live].find((a) => volume.data.has(a))!, blocks: 100 }])
    expect(blocksOf(first.live)).toEqual(live)
    expect(blocksOf(first.used)).toEqual(used)
    sameMap(await volume.store.load(first.used), first.used)
  })

  test('pages that did not change are the same objects', () => {
    const volume = new Volume(400, 100_000)
    const first = volume.cp([volume.take(16), { address: 2 * blocksPerMapPage + 500, blocks: 16 }], [])
    const second = volume.cp([volume.take(16)], [])
    expect(second.live.pages[2]).toBe(first.live.pages[2])
    expect(second.used.pages[2]).toBe(first.used.pages[2])
    expect(second.live.pages[0]).not.toBe(first.live.pages[0]!)
  })

  test('1 TiB: changing a few blocks dirties a few pages, CP after CP', () => {
    // Half full, and every page of it in use.
    const volume = new Volume(2 ** 20, 2 ** 28)
    const pages = Math.ceil(2 ** 28 / blocksPerMapPage)
    const full: Run[] = []
    for (let page = 0; page < pages - 1; page++) {
      const run = { address: page * blocksPerMapPage + 10_000, blocks: 40 }
      expect(volume.allocator.takeAt(run.address, run.blocks)).toBe(true)
      full.push(run)
    }
    const first = volume.cp(full, [])
    expect(first.commands.length).toBeLessThanOrEqual(mapBlocksWorstCase(2 ** 28))
    expect(first.commands.length).toBeGreaterThan(2 * pages - 4)
    const random = seededRandom(1)
    for (let cp = 0; cp < 100; cp++) {
      const freed = [
        full.splice(random.below(full.length), 1)[0]!,
        full.splice(random.below(full.length), 1)[0]!,
      ]
      const { commands } = volume.cp([volume.take(16)], freed)
      // A page of each map for each change, for the map blocks themselves, and the index nodes above; not all 16,000.
      expect(commands.length).toBeLessThanOrEqual(48)
    }
  })

  test('the worst case covers a CP that changes every page', () => {
    for (const extent of [1536, blocksPerMapPage + 1, 5 * blocksPerMapPage, 150 * blocksPerMapPage]) {
      const volume = new Volume(Math.ceil((150 * blocksPerMapPage) / 256), extent)
      const runs: Run[] = []
      for (let address = 2000 % extent; address < extent; address += blocksPerMapPage)
        if (volume.allocator.takeAt(address, 1)) runs.push({ address, blocks: 1 })
      const { commands } = volume.cp(runs, [])
      expect(commands.length).toBeLessThanOrEqual(mapBlocksWorstCase(extent))
    }
  })

  test('what the newest snapshot keeps leaves the live map and stays in the used map', () => {
    const volume = new Volume(400, 100_000)
    const run = volume.take(64)
    const first = volume.cp([run], [])
    const kept = new Set([run.address, run.address + 1])
    const built = build(
      first.live,
      first.used,
      { freed: [run], keptBySnapshot: (address) => kept.has(address) },
      () => volume.allocator.take('map', 1)!,
    )
    for (let i = 0; i < 64; i++) {
      expect(built.live.has(run.address + i)).toBe(false)
      expect(built.used.has(run.address + i)).toBe(i < 2)
    }
  })

  test('a block that is born twice, or freed without being live, is a bug that is noticed', () => {
    const volume = new Volume(400, 100_000)
    const run = volume.take(4)
    volume.cp([run], [])
    expect(() => volume.cp([{ address: run.address + 3, blocks: 1 }], [])).toThrow('change in the live map')
    expect(() => volume.cp([], [{ address: 90_000, blocks: 1 }])).toThrow('change in the live map')
    expect(() => volume.cp([{ address: 10 ** 7, blocks: 1 }], [])).toThrow('lies in the volume')
  })
})
