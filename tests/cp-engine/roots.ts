import { noFeatures } from '../../src/format/features.ts'
import { countersMax } from '../../src/format/geometry.ts'
import { noNode } from '../../src/format/pointer.ts'
import type { NodePointer } from '../../src/format/pointer.ts'
import type { Root } from '../../src/format/disk/root.ts'

const noHash = new Uint8Array(32)

/** A root without a tree. */
export const rootOf = (cp: number, liveMap: NodePointer, usedMap: NodePointer): Root => ({
  features: noFeatures,
  volumeUuid: new Uint8Array(16).fill(7),
  cp,
  blockCount: 1536,
  blocksMax: 1536,
  sums: { kind: 'xxh3', seed: 1 },
  fileTree: { pointer: noNode, level: 0 },
  snapshotsTree: { pointer: noNode, level: 0 },
  liveMap,
  usedMap,
  epochs: [{ number: 0, id: new Uint8Array(8), firstCp: 1, rootHashBefore: noHash }],
  counters: new Array<number>(countersMax).fill(0),
  committedAtMs: 0,
  sequence: 0,
  opening: 1,
  previousHash: noHash,
  snapshotName: null,
})
