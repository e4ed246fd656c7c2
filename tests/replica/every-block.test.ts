/**
 * Rules about the blocks of a run look at every block: whichever one is another than the rest, the answer is that of the
 * whole. One table for all of them, over the first block, one in the middle, and the last.
 */
import { describe, expect, test } from 'bun:test'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { Retention } from '../../src/cp-engine/volume/retention.ts'
import { heldBlocks } from '../../src/cp-engine/volume/held-blocks.ts'
import type { Volume } from '../../src/cp-engine/volume/volume.ts'
import { Readers } from '../../src/cp-engine/space/readers.ts'
import { SpaceMap } from '../../src/cp-engine/space/space-map.ts'
import { blockBytes, isDataRun, makeGeometry } from '../../src/format/geometry.ts'
import { noNode } from '../../src/format/pointer.ts'
import { blocksPerMapPage, mapPageBitsBytes } from '../../src/format/disk/map-page.ts'
import { BlockSet, chunkBlocks } from '../../src/replica/link/block-set.ts'
import { WritePipeline } from '../../src/replica/link/write-pipeline.ts'
import { problemOfRun } from '../../src/replica/mirror/frame-checks.ts'
import type { ApplierFacts } from '../../src/replica/mirror/applier-events.ts'
import { Presence } from '../../src/replica/mirror/presence.ts'
import { SentBlocks } from '../../src/replica/primary/sent-blocks.ts'
import { rootOf } from './mirror/applier-scene.ts'

const geometry = makeGeometry(2 ** 30, 2 ** 20, 2 ** 20)
const blocks = 5
const sum = new Uint8Array(8).fill(1)
/** Runs that cross a byte, a page of a map, and a chunk of a set. */
const addresses = [5000, blocksPerMapPage - 2, chunkBlocks - 2, chunkBlocks - 4]
const ones = (address: number, except: number | null): number[] =>
  Array.from({ length: blocks }, (_, i) => address + i).filter((block) => block !== except)

function mapOf(marked: readonly number[]): SpaceMap {
  const empty = SpaceMap.empty('used', 4 * blocksPerMapPage)
  const pages = empty.pages.map((_, index) => {
    const bits = new Uint8Array(mapPageBitsBytes)
    for (const block of marked)
      if (Math.floor(block / blocksPerMapPage) === index)
        bits[(block % blocksPerMapPage) >>> 3]! |= 1 << ((block % blocksPerMapPage) & 7)
    return { pointer: noNode, bits }
  })
  return new SpaceMap('used', empty.blocksMax, pages, empty.indexes)
}
const setOf = (marked: readonly number[]): BlockSet => {
  const set = new BlockSet()
  for (const block of marked) set.add(block, 1)
  return set
}
/** The last of three kept roots uses the blocks. */
function retentionOf(marked: readonly number[]): Retention {
  const retention = new Retention(new Readers())
  for (const cp of [5, 6]) retention.keep(rootOf(cp, null), mapOf([]), 'pin')
  retention.keep(rootOf(7, null), mapOf(marked), 'pin')
  return retention
}
const noEvents = { provide: () => new Promise<number>(() => {}), onNoSpace: () => {}, onFailed: () => {} }
const refusal = (claimed: BlockSet | null, used: BlockSet, presence: Presence) => (address: number) =>
  problemOfRun(
    { address, blocks, claim: null, bytes: new Uint8Array(0) },
    6,
    { uses: (from: number, count: number) => used.hasAny(from, count) } as ApplierFacts,
    geometry,
    claimed,
    presence,
  ) !== null

/** True as soon as one block is marked. */
const any: Readonly<Record<string, (marked: readonly number[]) => (address: number) => boolean>> = {
  'a set has one of them': (marked) => (address) => setOf(marked).hasAny(address, blocks),
  'a kept root uses one of them': (marked) => (address) => retentionOf(marked).uses(address, blocks),
  'one of them waits to be written': (marked) => {
    const pipeline = new WritePipeline(new MemoryDevice(1), 2 ** 20, noEvents)
    pipeline.put(marked.map((address) => ({ address, bytes: new Uint8Array(blockBytes) })))
    return (address) => pipeline.isPending(address, blocks)
  },
  'one of them is of a later CP': (marked) => {
    const presence = new Presence()
    for (const block of marked) presence.wrote(block, 1, 7, sum)
    return (address) => presence.isNewer(address, blocks, 6)
  },
  'a frame is refused for one that is verified': (marked) =>
    refusal(setOf(marked), new BlockSet(), new Presence()),
  'a frame is refused for one that is used': (marked) => refusal(null, setOf(marked), new Presence()),
  'a frame is refused for one of a later CP': (marked) => {
    const presence = new Presence()
    for (const block of marked) presence.wrote(block, 1, 7, sum)
    return refusal(null, new BlockSet(), presence)
  },
  'one of them has been sent': (marked) => {
    const sent = new SentBlocks()
    for (const block of marked) sent.add(6, block, 1)
    const left = (address: number) =>
      [...sent.without([{ address, blocks }], 6)].reduce((n, run) => n + run.blocks, 0)
    return (address) => left(address) !== blocks
  },
}
/** True only when all blocks are marked. */
const all: Readonly<Record<string, (marked: readonly number[]) => (address: number) => boolean>> = {
  'a set has all of them': (marked) => (address) => setOf(marked).hasAll(address, blocks),
  'a held root uses all of them': (marked) => {
    const retention = retentionOf(marked)
    const volume = { retention, device: new MemoryDevice(3 * blocksPerMapPage) } as unknown as Volume
    return (address) => {
      const held = heldBlocks(volume, rootOf(7, null))!
      const has = held.has({ address, blocks })
      expect(held.readNow({ address, blocks }) !== null).toBe(has)
      return has
    }
  },
  'all of them are present': (marked) => (address) => {
    const presence = new Presence()
    presence.wrote(address, blocks, 6, sum)
    for (let block = address; block < address + blocks; block++)
      if (!marked.includes(block)) presence.wrote(block, 1, 6, null)
    return presence.has(address, blocks, sum)
  },
  'a change of them is counted': (marked) => (address) => {
    const set = setOf(ones(address, null))
    for (let block = address; block < address + blocks; block++)
      if (!marked.includes(block)) set.delete(block, 1)
    return set.size === blocks && set.countIn(setOf(ones(address, null))) === blocks
  },
}

for (const address of addresses)
  describe(`of ${blocks} blocks from ${address}`, () => {
    const places = [address, address + 2, address + blocks - 1]
    for (const [title, rule] of Object.entries(any))
      test(title, () => {
        expect(rule([])(address)).toBe(false)
        expect(rule([address - 1, address + blocks])(address)).toBe(false)
        for (const place of places) expect([place, rule([place])(address)]).toEqual([place, true])
      })
    for (const [title, rule] of Object.entries(all))
      test(title, () => {
        expect(rule(ones(address, null))(address)).toBe(true)
        for (const place of places)
          expect([place, rule(ones(address, place))(address)]).toEqual([place, false])
      })
  })

test('a run is for data only when each of its blocks is', () => {
  const { logAddress, logBlocks, blocksMax } = geometry
  const wrong = [0, logAddress, logAddress + logBlocks - 1, blocksMax]
  for (const fixed of wrong)
    for (const at of [0, 2, 4])
      expect([fixed, at, isDataRun(geometry, fixed - at, blocks)]).toEqual([fixed, at, false])
  expect(isDataRun(geometry, logAddress + logBlocks, blocks)).toBe(true)
  expect(isDataRun(geometry, blocksMax - blocks, blocks)).toBe(true)
})
