/**
 * Codec for the pages of the live map and the used map, and for the index above the pages. Pages and index nodes are
 * copy-on-write address blocks; consistency points share the unchanged ones.
 *
 * - Bit b of page p stands for block p × blocksPerMapPage + b; byte b ÷ 8, least significant bit first; 1 is in use.
 * - Node i of level l names nodes i × mapIndexFanout … of level l − 1; pages are level 0.
 * - A pointer with address 0 means that everything below is free and nothing is stored. Free space has only this
 *   form: a page without a bit and an index node without a pointer are refused.
 * - Each page names its map, level and index, so a misdirected page is never taken for another page.
 */
import { assert } from '../../lib/assert.ts'
import { Reader, Writer, corrupt, isZero, layout, soundPointer, writeSoundPointer } from '../fields.ts'
import { blockBytes, volumeBytesLimit } from '../geometry.ts'
import { structures } from '../kinds.ts'
import { type NodePointer, nodePointerBytes, noNode } from '../pointer.ts'

export type MapKind = 'live' | 'used'
const mapKinds: readonly MapKind[] = ['live', 'used']

export const mapPageHeadBytes = 16
const bodyBytes = blockBytes - mapPageHeadBytes
export const mapPageBitsBytes = bodyBytes
/** A page covers 32,640 blocks: 127.5 MiB. */
export const blocksPerMapPage = bodyBytes * 8
export const mapIndexFanout = Math.floor(bodyBytes / nodePointerBytes)
assert(bodyBytes === mapIndexFanout * nodePointerBytes, 'the pointers of an index node fill it')

/** Index levels above the pages, at least one: the top pointer of a map names an index node of this level. */
export function mapLevels(blocksMax: number): number {
  const pages = Math.ceil(blocksMax / blocksPerMapPage)
  let levels = 1
  for (let reach = mapIndexFanout; reach < pages; reach *= mapIndexFanout) levels++
  return levels
}
const mapLevelMax = mapLevels(volumeBytesLimit / blockBytes)
const mapIndexMax = Math.ceil(volumeBytesLimit / blockBytes / blocksPerMapPage) - 1

export const mapPageLayout = layout('map page', blockBytes, [
  ['kind', 0, 1, 'map page'],
  ['version', 1, 1, 'of this layout'],
  ['map', 2, 1, '1 live map, 2 used map'],
  ['level', 3, 1, '0'],
  ['index', 4, 4, 'p: the page covers blocks from p × 32,640'],
  ['reserved', 8, 8, 'zero'],
  ['bits', 16, bodyBytes, 'one bit a block, least significant first; 1 is in use'],
])

export const mapIndexLayout = layout('map index node', blockBytes, [
  ['kind', 0, 1, 'map index node'],
  ['version', 1, 1, 'of this layout'],
  ['map', 2, 1, '1 live map, 2 used map'],
  ['level', 3, 1, '1 and up; what it names is one level lower'],
  ['index', 4, 4, 'i: its pointers name nodes from i × 102'],
  ['reserved', 8, 8, 'zero'],
  ['pointers', 16, mapIndexFanout * nodePointerBytes, '102 node pointers; address 0: all free below'],
])

export function encodeMapPage(kind: MapKind, index: number, bits: Uint8Array, target: Uint8Array): void {
  const w = new Writer(mapPageLayout, target)
  target.fill(0, 0, mapPageHeadBytes)
  w.head(structures.mapPage)
  w.number('map', 1 + mapKinds.indexOf(kind))
  w.number('index', index, mapIndexMax)
  w.put('bits', bits)
  assert(!isZero(bits, 0, bits.length), 'an empty page is not stored')
}

/** Returns a copy of the bits; throws `corrupt` for a page of another place. */
export function decodeMapPage(bytes: Uint8Array, kind: MapKind, index: number): Uint8Array {
  const r = new Reader(mapPageLayout, bytes)
  if (bytes.length !== blockBytes) throw r.problem('kind', 'begins a structure that is not one block')
  const map = 1 + mapKinds.indexOf(kind)
  r.head(structures.mapPage)
  r.number('map', map, map)
  r.zero('level')
  r.number('index', index, index)
  r.zero('reserved')
  if (isZero(bytes, mapPageHeadBytes, blockBytes)) throw r.problem('bits', 'are all zero: it is not stored')
  return r.copy('bits')
}

/** Takes at most `mapIndexFanout` pointers; a missing pointer is written with address 0. */
export function encodeMapIndex(
  kind: MapKind,
  level: number,
  index: number,
  pointers: readonly NodePointer[],
  target: Uint8Array,
): void {
  assert(
    pointers.length <= mapIndexFanout && level >= 1,
    'an index node names 102 nodes and is above the pages',
  )
  const w = new Writer(mapIndexLayout, target)
  target.fill(0, 0, blockBytes)
  w.head(structures.mapIndex)
  w.number('map', 1 + mapKinds.indexOf(kind))
  w.number('level', level, mapLevelMax)
  w.number('index', index, mapIndexMax)
  for (const [i, pointer] of pointers.entries()) {
    writeSoundPointer(target, mapPageHeadBytes + i * nodePointerBytes, pointer)
  }
  assert(!isZero(target, mapPageHeadBytes, blockBytes), 'an empty index node is not stored')
}

/** Returns exactly `mapIndexFanout` pointers; throws `corrupt` for a node of another place. */
export function decodeMapIndex(
  bytes: Uint8Array,
  kind: MapKind,
  level: number,
  index: number,
): NodePointer[] {
  const r = new Reader(mapIndexLayout, bytes)
  if (bytes.length !== blockBytes) throw r.problem('kind', 'begins a structure that is not one block')
  const map = 1 + mapKinds.indexOf(kind)
  r.head(structures.mapIndex)
  r.number('map', map, map)
  r.number('level', level, level)
  r.number('index', index, index)
  r.zero('reserved')
  if (isZero(bytes, mapPageHeadBytes, blockBytes))
    throw r.problem('pointers', 'are all zero: it is not stored')
  const pointers: NodePointer[] = []
  for (let at = mapPageHeadBytes; at < blockBytes; at += nodePointerBytes) {
    const pointer = soundPointer(bytes, at)
    if (!pointer) throw corrupt(mapIndexLayout.title, 'pointers', 'holds something else')
    pointers.push(pointer.address === 0 ? noNode : pointer)
  }
  return pointers
}
