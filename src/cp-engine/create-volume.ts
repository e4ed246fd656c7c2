/**
 * Creation of new volumes. The device is a file that no other process can see yet: the file appears under its name
 * only after everything here is synced. So half a volume never exists.
 *
 * - A primary begins with an empty first CP, which is made by the same steps as every other CP.
 * - A mirror begins without a root and on a sparse device. The first volume that reaches the mirror adopts the mirror
 *   and gives its own geometry.
 */
import type { Clock } from '../lib/clock.ts'
import { newUuid } from '../lib/random.ts'
import type { Random } from '../lib/random.ts'
import { readU32 } from '../lib/bytes.ts'
import { sha256Bytes } from '../lib/checksum.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { noFeatures } from '../format/features.ts'
import { countersMax, fixedPart, superblockRuns } from '../format/geometry.ts'
import type { Geometry } from '../format/geometry.ts'
import { noNode } from '../format/pointer.ts'
import type { ChecksumKind } from '../format/pointer.ts'
import type { Root } from '../format/disk/root.ts'
import type { Role, Superblock } from '../format/disk/superblock.ts'
import { Allocator } from './space/allocator.ts'
import { buildTrees, syncBlocks } from './cp/consistency-point.ts'
import { NodeCache } from './tree/node-cache.ts'
import { NodeBuffers } from './tree/node-buffers.ts'
import { OpenCp } from './space/open-cp.ts'
import { SpaceMap } from './space/space-map.ts'
import { SuperblockStore } from './volume/superblock-store.ts'
import { OpenTree } from './tree/tree.ts'

interface CreateOptions {
  readonly clock: Clock
  readonly random: Random
  readonly geometry: Geometry
}

interface CreatePrimaryOptions extends CreateOptions {
  readonly recordChecksum: ChecksumKind
}

const firstCp = 1

export async function createPrimary(device: BlockDevice, options: CreatePrimaryOptions): Promise<void> {
  const { clock, random, geometry } = options
  const superblock = newSuperblock('primary', geometry, random)
  await device.grow(firstExtent(geometry))
  const allocator = new Allocator(geometry)
  allocator.extend(device.blockCount)

  const facts = {
    features: noFeatures,
    volumeUuid: superblock.volumeUuid,
    sums: { kind: options.recordChecksum, seed: readU32(random.bytes(4), 0) },
    snapshotsTree: { pointer: noNode, level: 0 },
    epochs: [{ ...superblock.epoch, firstCp, rootHashBefore: new Uint8Array(sha256Bytes) }],
    counters: new Array<number>(countersMax).fill(0),
    sequence: 0,
    opening: 0,
    previousHash: new Uint8Array(sha256Bytes),
    snapshotName: null,
  } satisfies Partial<Root>
  const tree = new OpenTree(
    new NodeCache({ bytesMax: 2 ** 20, slackBytes: 0 }),
    { pointer: noNode, level: 0 },
    () => allocator.take('node', 1)!,
    () => {},
  )
  const sealed = {
    cp: firstCp,
    cause: 'create' as const,
    commands: [],
    coalesced: 0,
    tree: tree.seal(),
    blocks: new OpenCp(firstCp),
    writesBefore: Promise.resolve(),
    counters: facts.counters,
    sequence: 0,
    superblock: { log: superblock.log },
    facts,
  }
  const context = {
    device,
    clock,
    maps: {
      live: SpaceMap.empty('live', geometry.blocksMax),
      used: SpaceMap.empty('used', geometry.blocksMax),
    },
    previous: null,
    nodeBuffers: new NodeBuffers(),
    allocateMapBlock: () => allocator.take('map', 1)!,
    giveBackMapBlock: (address: number) => allocator.giveBack({ address, blocks: 1 }),
    leaving: () => false,
    sync: () => device.sync(),
  }
  const { published } = await buildTrees(sealed, context)
  await syncBlocks(sealed, context)
  const root = { address: published.address, bytes: published.bytes }
  await SuperblockStore.create(device, { ...superblock, root })
}

export async function createMirror(device: BlockDevice, options: CreateOptions): Promise<void> {
  const geometry = options.geometry
  // Only a promoted mirror uses its log, so the log takes no space until a promotion.
  await device.extend(geometry.logAddress + geometry.logBlocks)
  for (const run of superblockRuns) await device.allocate(run)
  await SuperblockStore.create(device, newSuperblock('mirror', geometry, options.random))
}

function newSuperblock(role: Role, geometry: Geometry, random: Random): Superblock {
  return {
    features: noFeatures,
    volumeUuid: role === 'primary' ? newUuid(random) : new Uint8Array(16),
    sideUuid: newUuid(random),
    generation: 1,
    role,
    epoch: { number: 0, id: role === 'primary' ? random.bytes(8) : new Uint8Array(8) },
    fenced: false,
    outdated: false,
    opening: 0,
    firstCp,
    root: null,
    holds: [],
    members: [],
    log: { nonce: random.bytes(8), position: 0, chain: new Uint8Array(sha256Bytes) },
    geometry: fixedPart(geometry),
    goingBack: false,
  }
}

/** Number of blocks for the fixed areas and one step of growth. */
function firstExtent(geometry: Geometry): number {
  return Math.min(geometry.blocksMax, geometry.logAddress + geometry.logBlocks + geometry.growBlocks)
}
