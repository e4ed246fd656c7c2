/** Maps as one root has them: loading with sharing, differences, counts. */
import { describe, expect, test } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { blocksPerMapPage, mapIndexFanout } from '../../../src/format/disk/map-page.ts'
import { SpaceMap } from '../../../src/cp-engine/space/space-map.ts'
import { MapStore, blocksOf, build, sameMap } from './maps.ts'

/** Two levels of index: more pages than one node names. */
const blocksMax = (mapIndexFanout + 5) * blocksPerMapPage - 77
const empty = () => [SpaceMap.empty('live', blocksMax), SpaceMap.empty('used', blocksMax)] as const

/** Three CPs that differ in a few far places. */
function history() {
  const store = new MapStore()
  let next = 0
  const allocate = () => 100 + next++
  const at = (page: number, bit: number) => page * blocksPerMapPage + bit
  const [live, used] = empty()
  const first = build(
    live,
    used,
    {
      born: [
        { address: at(0, 5000), blocks: 300 },
        { address: at(50, 9), blocks: 2 },
      ],
    },
    allocate,
  )
  store.keep(first)
  const second = build(
    first.live,
    first.used,
    { born: [{ address: at(103, 0), blocks: 1 }], freed: [{ address: at(50, 9), blocks: 1 }] },
    allocate,
  )
  store.keep(second)
  const third = build(second.live, second.used, { born: [{ address: blocksMax - 1, blocks: 1 }] }, allocate)
  store.keep(third)
  return { store, first, second, third }
}

describe('space map', () => {
  test('what was built is loaded again', async () => {
    const { store, first, second, third } = history()
    for (const { live, used } of [first, second, third])
      for (const map of [live, used]) sameMap(await store.load(map), map)
    expect((await store.load(third.used)).has(blocksMax - 1)).toBe(true)
    expect(third.used.has(blocksMax - 2)).toBe(false)
  })

  test('pages and whole subtrees that a known map has are shared, not read', async () => {
    const { store, first, second, third } = history()
    const known = await store.load(second.used)
    store.reads = 0
    const same = await store.load(second.used, [known])
    expect(store.reads).toBe(0)
    expect(same.pages.every((page, i) => page === known.pages[i])).toBe(true)
    sameMap(same, known)

    const newer = await store.load(third.used, [await store.load(first.used), known])
    // Changed: top, the second index node, page 0 (it has the map blocks), the last page; its first index as well.
    expect(store.reads).toBeLessThanOrEqual(3 + 3 + 8)
    expect(newer.pages[50]).toBe(known.pages[50])
    sameMap(newer, third.used)
  })

  test('no top: an empty map', async () => {
    const none = { address: 0, sum: new Uint8Array(32) }
    const map = await SpaceMap.load('live', blocksMax, none, () =>
      Promise.reject(new Error('nothing to read')),
    )
    expect(map.count()).toBe(0)
    expect(map.top).toBeNull()
    expect([...map.ownBlocks()]).toEqual([])
  })

  test('differences are exact, in address order, joined over pages, and cut at the limit', () => {
    const random = seededRandom(3)
    const pagesWith = (fill: (bits: Uint8Array, page: number) => void) => {
      const pages = SpaceMap.empty('used', 3 * blocksPerMapPage).pages.map((_, page) => {
        const bits = new Uint8Array(blocksPerMapPage / 8)
        fill(bits, page)
        return { pointer: { address: 1, sum: new Uint8Array(32) }, bits }
      })
      return new SpaceMap(
        'used',
        3 * blocksPerMapPage,
        pages,
        SpaceMap.empty('used', 3 * blocksPerMapPage).indexes,
      )
    }
    for (let round = 0; round < 20; round++) {
      const dense = random.below(3)
      const noise = (bits: Uint8Array) => {
        for (let i = 0; i < bits.length; i++)
          bits[i] = dense === 0 ? 0xff : random.below(dense === 1 ? 30 : 2) === 0 ? random.below(256) : 0
      }
      const a = pagesWith(noise)
      const b = pagesWith((bits) =>
        bits.forEach((_, i) => (bits[i] = random.below(4) === 0 ? random.below(256) : 0)),
      )
      const limit = [Infinity, 1, 7, 256][random.below(4)]!
      let end = -1
      const found = new Set<number>()
      for (const { address, blocks } of a.runsNotIn(b, limit)) {
        expect(blocks).toBeLessThanOrEqual(limit)
        // Runs that touch were cut by the limit alone.
        if (address === end) expect(limit).toBeLessThan(Infinity)
        expect(address).toBeGreaterThanOrEqual(end)
        end = address + blocks
        for (let i = 0; i < blocks; i++) found.add(address + i)
      }
      let count = 0
      for (let address = 0; address < a.blocksMax; address++) {
        if (a.has(address)) count++
        if (found.has(address) !== (a.has(address) && !b.has(address))) throw new Error(`block ${address}`)
      }
      expect(a.count()).toBe(count)
    }
    const full = pagesWith((bits) => bits.fill(0xff))
    expect([...full.runsNotIn(null)]).toEqual([{ address: 0, blocks: 3 * blocksPerMapPage }])
    expect([...full.runsNotIn(full)]).toEqual([])
  })

  test('a map names the blocks that it lives in', () => {
    const { third } = history()
    for (const map of [third.live, third.used])
      for (const { address } of map.ownBlocks()) expect(third.used.has(address)).toBe(true)
    const own = [...third.live.ownBlocks()].map(({ address }) => address)
    expect(new Set(own).size).toBe(own.length)
    expect(blocksOf(third.live).size).toBe(third.live.count())
  })
})
