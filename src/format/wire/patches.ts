/**
 * Codec for the body of a frame of patches: a table of runs, then their patches. The frame's checksum covers both.
 */
import { assert } from '../../lib/assert.ts'
import { Reader, Writer, corrupt, layout } from '../fields.ts'
import { blockBytes, recordBlocksMax, volumeBytesLimit } from '../geometry.ts'
import { checksumKinds } from '../pointer.ts'
import {
  type FrameBody,
  type PatchedRun,
  blockSources,
  bodyBytesMax,
  patchedBlocksMax,
  runsPerFrameMax,
} from './messages.ts'

const addressMax = volumeBytesLimit / blockBytes

export const patchesLayout = layout(
  'patches',
  8,
  [
    ['source', 0, 1, 'as of blocks'],
    ['reserved', 1, 3, 'zero'],
    ['count', 4, 4, 'runs'],
  ],
  [
    ['runs', 'each as below'],
    ['patches', 'one a run, in their order'],
  ],
)
export const patchedRunLayout = layout('patched run', 32, [
  ['address', 0, 6, 'first block'],
  ['blocks', 6, 2, '1 to 256'],
  ['baseAddress', 8, 6, 'first block of what it is made from; 0: of nothing'],
  ['baseBlocks', 14, 2, '1 to 256; 0: of nothing'],
  ['payloadBytes', 16, 4, 'what the checksum of pointers to it covers; 0: not known'],
  ['patchBytes', 20, 4, 'length of its patch'],
  ['sumKind', 24, 1, 'of pointers to it: 0 not known, 1 XXH3-64, 2 SHA-256'],
  ['reserved', 25, 7, 'zero'],
])

type Patches = Extract<FrameBody, { kind: 'patches' }>

/** Bytes that a run takes in the body. */
export const patchedRunBytes = ({ patch }: PatchedRun): number => patchedRunLayout.bytes + patch.length
export const patchesBytesMax = bodyBytesMax - patchesLayout.bytes

export function encodePatches({ source, runs }: Patches): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(runs.reduce((sum, run) => sum + patchedRunBytes(run), patchesLayout.bytes))
  assert(bytes.length <= bodyBytesMax, 'patches fit a body')
  const w = new Writer(patchesLayout, bytes)
  w.number('source', blockSources.indexOf(source))
  w.number('count', runs.length, runsPerFrameMax)
  let at = patchesLayout.bytes + patchedRunLayout.bytes * runs.length
  for (const [i, run] of runs.entries()) {
    const entry = new Writer(patchedRunLayout, bytes, patchesLayout.bytes + patchedRunLayout.bytes * i)
    entry.number('address', run.address, addressMax)
    entry.number('blocks', run.blocks, recordBlocksMax)
    entry.number('baseAddress', run.base?.address ?? 0, addressMax)
    entry.number('baseBlocks', run.base?.blocks ?? 0, recordBlocksMax)
    entry.number('payloadBytes', run.sum?.payloadBytes ?? 0, run.blocks * blockBytes)
    entry.number('patchBytes', run.patch.length)
    entry.number('sumKind', run.sum ? 1 + checksumKinds.indexOf(run.sum.kind) : 0)
    bytes.set(run.patch, at)
    at += run.patch.length
  }
  return bytes
}

/** The steps of the patches are not looked at: `applyPatch` bounds the steps. */
export function decodePatches(bytes: Uint8Array): FrameBody {
  const r = new Reader(patchesLayout, bytes)
  const count = r.number('count', runsPerFrameMax)
  r.zero('reserved')
  const runs: PatchedRun[] = []
  let at = patchesLayout.bytes + patchedRunLayout.bytes * count
  let blocksLeft = patchedBlocksMax
  let baseBlocksLeft = patchedBlocksMax
  if (at > bytes.length) throw corrupt(patchesLayout.title, 'count', 'is more than there are')
  for (let i = 0; i < count; i++) {
    const entry = new Reader(patchedRunLayout, bytes, patchesLayout.bytes + patchedRunLayout.bytes * i)
    entry.zero('reserved')
    const blocks = entry.number('blocks', Math.min(recordBlocksMax, blocksLeft), 1)
    const baseBlocks = entry.number('baseBlocks', Math.min(recordBlocksMax, baseBlocksLeft))
    const baseAddress = entry.number('baseAddress', addressMax - baseBlocks, Math.min(1, baseBlocks))
    if (baseBlocks === 0 && baseAddress !== 0) throw entry.problem('baseAddress', 'is of no run')
    const kind = checksumKinds[entry.number('sumKind', checksumKinds.length) - 1]
    const payloadBytes = entry.number('payloadBytes', kind ? blocks * blockBytes : 0, kind ? 1 : 0)
    const patchBytes = entry.number('patchBytes', bytes.length - at)
    runs.push({
      address: entry.number('address', addressMax - blocks, 1),
      blocks,
      base: baseBlocks > 0 ? { address: baseAddress, blocks: baseBlocks } : null,
      sum: kind ? { kind, payloadBytes } : null,
      patch: bytes.slice(at, at + patchBytes),
    })
    at += patchBytes
    blocksLeft -= blocks
    baseBlocksLeft -= baseBlocks
  }
  if (at !== bytes.length) throw corrupt(patchesLayout.title, 'length', 'is not that of its patches')
  return { kind: 'patches', source: blockSources[r.number('source', blockSources.length - 1)]!, runs }
}
