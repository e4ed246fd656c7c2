/** Maps with a device of their own: what a builder wrote is found again by address. */
import { expect } from 'bun:test'
import { sha256 } from '../../../src/lib/checksum.ts'
import type { NodePointer } from '../../../src/format/pointer.ts'
import { buildMaps } from '../../../src/cp-engine/space/map-builder.ts'
import type { BuiltMaps, MapChange } from '../../../src/cp-engine/space/map-builder.ts'
import { SpaceMap } from '../../../src/cp-engine/space/space-map.ts'
import type { Run } from '../../../src/cp-engine/space/space-map.ts'

export class MapStore {
  readonly blocks = new Map<number, Uint8Array>()
  reads = 0

  readonly read = (pointer: NodePointer): Promise<Uint8Array> => {
    this.reads++
    const bytes = this.blocks.get(pointer.address)!
    expect(sha256(bytes)).toEqual(pointer.sum)
    return Promise.resolve(bytes)
  }

  keep(built: BuiltMaps): void {
    for (const { address, bytes } of built.commands) this.blocks.set(address, bytes)
  }

  load(map: SpaceMap, known: readonly SpaceMap[] = []): Promise<SpaceMap> {
    return SpaceMap.load(map.kind, map.blocksMax, map.top!, this.read, known)
  }
}

export const noneKept = (): boolean => false

export function build(
  live: SpaceMap,
  used: SpaceMap,
  change: Partial<MapChange>,
  allocate: () => number,
): BuiltMaps {
  return buildMaps(live, used, { born: [], freed: [], keptBySnapshot: noneKept, ...change }, allocate)
}

export function blocksOf(map: SpaceMap): Set<number> {
  const all = new Set<number>()
  for (const { address, blocks } of map.runsNotIn(null)) for (let i = 0; i < blocks; i++) all.add(address + i)
  return all
}

export const runs = (...addresses: number[]): Run[] => addresses.map((address) => ({ address, blocks: 1 }))

export function sameMap(a: SpaceMap, b: SpaceMap): void {
  expect(a.pages.length).toBe(b.pages.length)
  for (const [i, page] of a.pages.entries()) {
    expect(page?.pointer).toEqual(b.pages[i]?.pointer as NodePointer)
    if (page && page !== b.pages[i] && Buffer.compare(page.bits, b.pages[i]!.bits) !== 0)
      throw new Error(`page ${i} differs`)
  }
  expect(a.indexes).toEqual(b.indexes as never)
}
