/** A page without a bit has no block: what that takes when it becomes so, and that the block of before comes back. */
import { describe, expect, test } from 'bun:test'
import { sha256 } from '../../../src/lib/checksum.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { SpaceMap } from '../../../src/cp-engine/space/space-map.ts'
import type { Run } from '../../../src/cp-engine/space/space-map.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import {
  blocksPerMapPage,
  encodeMapIndex,
  encodeMapPage,
  mapIndexFanout,
} from '../../../src/format/disk/map-page.ts'
import { rootLayout } from '../../../src/format/disk/root.ts'
import { noNode } from '../../../src/format/pointer.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { editBelowRoot } from '../volume/later-program.ts'
import { newPrimary } from '../workload.ts'
import { MapStore, blocksOf, build, sameMap } from './maps.ts'

/** More than two index nodes of the lowest level. */
const blocksMax = (2 * mapIndexFanout + 5) * blocksPerMapPage
const empty = () => [SpaceMap.empty('live', blocksMax), SpaceMap.empty('used', blocksMax)] as const
const run = (page: number, at: number, blocks = 1): Run => ({ address: page * blocksPerMapPage + at, blocks })
/** Map blocks are taken from one place after the other, so that each can be put where a test wants it. */
const from = (start: number, ...first: number[]) => {
  let next = start
  return () => first.shift() ?? next++
}
const pageOf = (address: number) => Math.floor(address / blocksPerMapPage)

describe('a page whose last bit goes', () => {
  test('is not stored any more, nor is an index node above it that has no other', async () => {
    const store = new MapStore()
    const far = run(mapIndexFanout + 3, 500, 20)
    const first = build(...empty(), { born: [run(0, 900, 3), far] }, from(100))
    store.keep(first)
    expect(first.live.pages[pageOf(far.address)]).not.toBeNull()
    expect(first.live.indexes[0]![1]).not.toBeNull()
    const oldBlocks = [...first.live.ownBlocks(), ...first.used.ownBlocks()].map(({ address }) => address)

    const second = build(first.live, first.used, { freed: [far] }, from(300))
    store.keep(second)
    for (const map of [second.live, second.used]) {
      expect(map.pages[pageOf(far.address)]).toBeNull()
      expect(map.indexes[0]![1]).toBeNull()
      expect(map.pages[0]).not.toBeNull()
      sameMap(await store.load(map), map)
    }
    // What the maps of before lay in is free, and what was taken for what is not stored, too.
    for (const address of [...oldBlocks, ...second.unused]) expect(second.used.has(address)).toBe(false)
    expect(second.unused).toHaveLength(4)
    expect(second.replaced).toBe(oldBlocks.length)
    const own = new Set(
      [...second.live.ownBlocks(), ...second.used.ownBlocks()].map(({ address }) => address),
    )
    expect(blocksOf(second.used)).toEqual(new Set([900, 901, 902, ...own]))
    expect(new Set(second.commands.map(({ address }) => address))).toEqual(own)
  })

  test('takes with it the page that only its own new block was in', () => {
    const far = run(4, 500)
    const first = build(...empty(), { born: [run(0, 900), far] }, from(100))
    // The live page of `far` gets its block in page 7, which is nobody's: 7 gets pages, and loses them again.
    const second = build(first.live, first.used, { freed: [far] }, from(300, 7 * blocksPerMapPage + 1))
    for (const map of [second.live, second.used]) {
      expect(map.pages[4]).toBeNull()
      expect(map.pages[7]).toBeNull()
    }
    expect(second.unused).toContain(7 * blocksPerMapPage + 1)
    expect(new Set(second.unused).size).toBe(second.unused.length)
  })

  test('is stored for one bit, wherever that is', () => {
    const both = [run(4, 0), run(4, blocksPerMapPage - 1)]
    for (const [gone, kept] of [both, both.toReversed()]) {
      const first = build(...empty(), { born: [run(0, 900), ...both] }, from(100))
      const second = build(first.live, first.used, { freed: [gone!] }, from(300))
      for (const map of [second.live, second.used]) {
        expect(map.has(kept!.address)).toBe(true)
        expect(map.has(gone!.address)).toBe(false)
      }
      expect(second.unused).toEqual([])
    }
  })

  test('stays where a snapshot keeps its blocks', () => {
    const far = run(4, 500)
    const first = build(...empty(), { born: [run(0, 900), far] }, from(100))
    const second = build(
      first.live,
      first.used,
      { freed: [far], keptBySnapshot: (address) => address === far.address },
      from(300),
    )
    expect(second.live.pages[4]).toBeNull()
    expect(second.used.pages[4]).not.toBeNull()
    expect(second.used.has(far.address)).toBe(true)
  })

  test('in any order of taking and freeing: no page and no node is empty, and no block is lost', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed)
      const store = new MapStore()
      const pages = [0, 1, 5, mapIndexFanout, mapIndexFanout + 1, 2 * mapIndexFanout + 4]
      let [live, used]: readonly SpaceMap[] = empty()
      const data = new Set<number>()
      const free = (address: number) => !used!.has(address) && !data.has(address)
      for (let cp = 0; cp < 40; cp++) {
        const given = new Set<number>()
        // Anywhere that is free, so that map blocks keep each other's pages alive, or do not.
        const allocate = () => {
          for (;;) {
            const address = run(pages[random.below(pages.length)]!, 600 + random.below(200)).address
            if (!free(address) || given.has(address)) continue
            given.add(address)
            return address
          }
        }
        const freed = [...data].filter(() => random.below(3) > 0)
        const born: number[] = cp === 39 ? [] : Array.from({ length: random.below(4) }, allocate)
        if (cp === 0) born.push(run(0, 10).address)
        if (born.length + freed.length === 0) continue
        const keep = run(0, 10).address
        const gone = freed.filter((address) => address !== keep)
        const asRuns = (all: readonly number[]) => all.map((address) => ({ address, blocks: 1 }))
        const built = build(live, used, { born: asRuns(born), freed: asRuns(gone) }, allocate)
        store.keep(built)
        for (const address of gone) data.delete(address)
        for (const address of born) data.add(address)
        live = built.live
        used = built.used
        const own = (map: SpaceMap) => [...map.ownBlocks()].map(({ address }) => address)
        expect(blocksOf(live)).toEqual(new Set([...data, ...own(live)]))
        expect(blocksOf(used)).toEqual(new Set([...data, ...own(live), ...own(used)]))
        // Decoders refuse what is empty.
        sameMap(await store.load(live), live)
        sameMap(await store.load(used), used)
        for (const address of built.unused) expect(given.has(address)).toBe(true)
      }
    }
  })
})

describe('an empty page that is stored all the same', () => {
  test('is refused by encoder and decoder', () => {
    const target = new Uint8Array(blockBytes)
    expect(() => encodeMapPage('live', 0, new Uint8Array(blocksPerMapPage / 8), target)).toThrow('not stored')
    expect(() => encodeMapIndex('live', 1, 0, [noNode], target)).toThrow('not stored')
  })

  test('is found by `check`', async () => {
    const device = new SimulatedDevice()
    await newPrimary(device, 1)
    const map = rootLayout.at.usedMap
    await editBelowRoot(device, [map, 16], (page) => {
      expect(sha256(page)).toHaveLength(32)
      page.fill(0, 16)
    })
    const { findings } = await checkVolume(device)
    expect(findings.some(({ message }) => message.includes('not stored'))).toBe(true)
  })
})
