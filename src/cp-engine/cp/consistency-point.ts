/**
 * The writing of one sealed CP (docs/architecture.md): send, build, commit. Each step is a function. Nodes are
 * encoded while the commands are sent, and no bytes of a step leave before the step before has ended.
 *
 * | step   | state after the step                                                                |
 * |--------|-------------------------------------------------------------------------------------|
 * | send   | the device has every queued command of the CP                                       |
 * | build  | the device has tree, maps and root of the CP; nothing of the CP changes any more    |
 * | commit | every block is synced, and then a superblock names the root: the CP is published    |
 *
 * A throw in any step leaves the CP before unchanged, and poisons the engine.
 */
import type { Clock } from '../../lib/clock.ts'
import { sha256 } from '../../lib/checksum.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { encodeRoot } from '../../format/disk/root.ts'
import type { Root } from '../../format/disk/root.ts'
import { blockBytes, epochsMax } from '../../format/geometry.ts'
import { labelMs } from '../../format/position.ts'
import type { LogStart, Superblock } from '../../format/disk/superblock.ts'
import type { CpCause, PublishedRoot, WriteCommand } from '../contract.ts'
import { buildMaps } from '../space/map-builder.ts'
import type { NodeBuffers } from '../tree/node-buffers.ts'
import type { SealedState } from '../open/open-state.ts'
import { batchNodes } from '../tree/sealed-tree.ts'
import type { Run, SpaceMap } from '../space/space-map.ts'
import type { SuperblockChange } from '../volume/superblock-store.ts'

/** Milliseconds of building after which requests get a turn. */
const sliceMs = 2
/** Approximate bytes of one vectored write. */
const groupBytes = batchNodes * blockBytes

export interface SealedCp extends SealedState {
  readonly cp: number
  readonly cause: CpCause
  /**
   * Content of the CP's superblock besides the root: the place where replay of this root begins, and more after a
   * recovery.
   */
  readonly superblock: SuperblockChange & { readonly log: LogStart }
  /** Content of the root that these steps do not make. */
  readonly facts: Omit<
    Root,
    'fileTree' | 'liveMap' | 'usedMap' | 'committedAtMs' | 'cp' | 'blockCount' | 'blocksMax'
  >
}

export interface Maps {
  readonly live: SpaceMap
  readonly used: SpaceMap
}

export interface CpContext {
  readonly device: BlockDevice
  readonly clock: Clock
  /** Maps of the CP before. */
  readonly maps: Maps
  readonly previous: PublishedRoot | null
  /** Buffers that the nodes of the tree are encoded into. */
  readonly nodeBuffers: NodeBuffers
  allocateMapBlock(): number
  /** Gives back a block that was allocated and is not needed; nothing was written to the block. */
  giveBackMapBlock(address: number): void
  /** True when an observer has kept the bytes, which then never change. */
  leaving(cp: number, commands: readonly WriteCommand[]): boolean
  sync(): Promise<void>
}

interface BuiltCp {
  readonly published: PublishedRoot
  readonly maps: Maps
  /** Number of blocks that this CP has and the CP before has not. */
  readonly blocksWritten: number
}

export async function sendCommands(sealed: SealedCp, context: CpContext): Promise<void> {
  let group: WriteCommand[] = []
  let bytes = 0
  for (const command of sealed.commands) {
    group.push(command)
    bytes += command.bytes.length
    if (bytes < groupBytes) continue
    await leave(sealed.cp, group, context)
    group = []
    bytes = 0
  }
  await leave(sealed.cp, group, context)
}

/** Builds the tree, the maps and the root. `sent` resolves when the device has the commands. */
export async function buildTrees(
  sealed: SealedCp,
  context: CpContext,
  sent: Promise<unknown> = Promise.resolve(),
): Promise<BuiltCp> {
  const { nodeBuffers } = context
  let nodes: WriteCommand[] = []
  let sliceEnd = context.clock.monotonic() + sliceMs
  for (const { address, bytes, sum, replaces } of sealed.tree.encode(nodeBuffers)) {
    nodes.push({ address, bytes, sum, payloadBytes: blockBytes, replaces })
    if (nodes.length >= batchNodes) {
      await sent
      await leaveNodes(sealed.cp, nodes, [], context)
      nodes = []
    }
    if (context.clock.monotonic() < sliceEnd) continue
    await context.clock.yield()
    sliceEnd = context.clock.monotonic() + sliceMs
  }

  await sent
  // The root is a part of what its own maps describe, so the root gets its block before the maps are built.
  const rootRun: Run = { address: context.allocateMapBlock(), blocks: 1 }
  sealed.blocks.born(rootRun)
  if (context.previous) sealed.blocks.free({ address: context.previous.address, blocks: 1 })
  const built = buildMaps(
    context.maps.live,
    context.maps.used,
    { born: sealed.blocks.bornBlocks(), freed: sealed.blocks.freedBlocks(), keptBySnapshot: () => false },
    () => context.allocateMapBlock(),
  )
  for (const address of built.unused) context.giveBackMapBlock(address)
  const published = makeRoot(sealed, context, rootRun.address, built)
  const root: WriteCommand = {
    address: published.address,
    bytes: published.bytes,
    sum: published.hash,
    payloadBytes: blockBytes,
    isRoot: true,
  }
  await leaveNodes(sealed.cp, nodes, [...built.commands, root], context)
  let blocksWritten = built.commands.length
  for (const { blocks } of sealed.blocks.bornBlocks()) blocksWritten += blocks
  return { published, maps: built, blocksWritten }
}

/** Syncs every block of the CP; the superblock of the CP is written only after this sync (I2). */
export async function syncBlocks(sealed: SealedCp, context: CpContext): Promise<void> {
  await sealed.writesBefore
  await context.sync()
}

function makeRoot(sealed: SealedCp, context: CpContext, address: number, maps: Maps): PublishedRoot {
  const root: Root = {
    ...sealed.facts,
    cp: sealed.cp,
    // The file may have grown since the seal, and the maps may lie in the new blocks.
    blockCount: Math.min(context.device.blockCount, maps.used.blocksMax),
    blocksMax: maps.used.blocksMax,
    fileTree: sealed.tree.root(),
    liveMap: topOf(maps.live),
    usedMap: topOf(maps.used),
    committedAtMs: labelMs(context.clock),
  }
  const bytes = encodeRoot(root)
  return { root, address, bytes, hash: sha256(bytes) }
}

/** The history of epochs for the root of `cp`: a new epoch begins with its first CP. */
export function epochsAt(cp: number, previous: PublishedRoot, epoch: Superblock['epoch']): Root['epochs'] {
  const { epochs } = previous.root
  if (epochs.at(-1)?.number === epoch.number) return epochs
  return [...epochs, { ...epoch, firstCp: cp, rootHashBefore: previous.hash }].slice(-epochsMax)
}

function topOf(map: SpaceMap) {
  const { top } = map
  if (!top) throw new Error('a map of a root is never empty: it has the root')
  return top
}

/**
 * Writes nodes and other commands in address order. The buffers of the nodes go back in this order, which is also the
 * order in which they were taken.
 */
async function leaveNodes(
  cp: number,
  nodes: WriteCommand[],
  others: readonly WriteCommand[],
  context: CpContext,
): Promise<void> {
  nodes.sort(byAddress)
  const all = others.length === 0 ? nodes : [...nodes, ...others].sort(byAddress)
  if (!(await leave(cp, all, context))) context.nodeBuffers.giveBack(nodes.map(({ bytes }) => bytes))
}

const byAddress = (a: WriteCommand, b: WriteCommand): number => a.address - b.address

/**
 * Writes the commands. When the promise resolves, the device has the commands and no writer reads their bytes any
 * more, except an observer that has kept the bytes: the answer is true then.
 */
async function leave(cp: number, commands: readonly WriteCommand[], context: CpContext): Promise<boolean> {
  if (commands.length === 0) return false
  const isKept = context.leaving(cp, commands)
  await context.device.write(commands)
  return isKept
}
