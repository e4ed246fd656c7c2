/** Turns a sound volume into one that a later program could have written: a change, and every sum above it right again. */
import { sha256, sha256Bytes } from '../../../src/lib/checksum.ts'
import { readU48, writeU32 } from '../../../src/lib/bytes.ts'
import {
  blockBytes,
  superblockAddress,
  superblockCopies,
  superblockCopyBlocks,
  superblockSlots,
} from '../../../src/format/geometry.ts'
import { rootLayout } from '../../../src/format/disk/root.ts'
import { superblockLayout } from '../../../src/format/disk/superblock.ts'
import type { BlockDevice } from '../../../src/blockdev/block-device.ts'

type Edit = (bytes: Uint8Array) => void

/** Of a structure that begins with the format words. */
export const words = {
  superblock: superblockLayout.at,
  root: rootLayout.at,
} as const

export const setWord =
  (of: keyof typeof words, name: 'format' | 'incompat' | 'readOnlyCompat' | 'compat', value: number): Edit =>
  (bytes) =>
    writeU32(bytes, words[of][name], value)

/** The second byte of every structure. */
export const raiseVersion: Edit = (bytes) => {
  bytes[1]! += 1
}

async function editBlocks(device: BlockDevice, address: number, blocks: number, edit: Edit): Promise<void> {
  const bytes = new Uint8Array(blocks * blockBytes)
  await device.read(address, bytes)
  edit(bytes)
  await device.write([{ address, bytes }])
  await device.sync()
}

export async function editSuperblock(
  device: BlockDevice,
  [slot, copy]: readonly [number, number],
  edit: Edit,
): Promise<void> {
  await editBlocks(device, superblockAddress(slot, copy), superblockCopyBlocks, (bytes) => {
    edit(bytes)
    const { sum } = superblockLayout.at
    bytes.fill(0, sum, sum + sha256Bytes)
    bytes.set(sha256(bytes), sum)
  })
}

export const allCopies: readonly (readonly [number, number])[] = Array.from(
  { length: superblockSlots * superblockCopies },
  (_, i) => [Math.floor(i / superblockCopies), i % superblockCopies] as const,
)

/** The copies of the slot that an open chooses: nothing continues its root yet. */
export async function newestCopies(device: BlockDevice): Promise<typeof allCopies> {
  const generations: number[] = []
  for (const copy of allCopies)
    await editSuperblock(device, copy, (bytes) =>
      generations.push(readU48(bytes, superblockLayout.at.generation)),
    )
  const slot = generations[0]! > generations[superblockCopies]! ? 0 : 1
  return allCopies.filter(([of]) => of === slot)
}

/** The root that a superblock copy names, in the copy and in its block. */
export async function editRoot(
  device: BlockDevice,
  copies: readonly (readonly [number, number])[],
  edit: Edit,
): Promise<void> {
  for (const copy of copies) {
    let address = 0
    let root: Uint8Array = new Uint8Array(blockBytes)
    await editSuperblock(device, copy, (bytes) => {
      address = readU48(bytes, superblockLayout.at.rootAddress)
      root = bytes.subarray(superblockLayout.at.root, superblockLayout.at.root + blockBytes)
      edit(root)
    })
    await editBlocks(device, address, 1, (bytes) => bytes.set(root))
  }
}

/** The root of hold 0, in every copy. */
export async function editHeldRoot(device: BlockDevice, edit: Edit): Promise<void> {
  const at = superblockLayout.at.holds + 24
  let sum: Uint8Array | null = null
  for (const copy of allCopies) {
    let address = 0
    await editSuperblock(device, copy, (bytes) => (address = readU48(bytes, at)))
    if (!sum) {
      let found: Uint8Array = new Uint8Array(0)
      await editBlocks(device, address, 1, (bytes) => {
        edit(bytes)
        found = sha256(bytes)
      })
      sum = found
    }
    const right = sum
    await editSuperblock(device, copy, (bytes) => bytes.set(right, at + 8))
  }
}

/**
 * An address block below the root that these copies name: `path` has the offset of the pointer in each block, from the
 * root down.
 */
export async function editBelowRoot(
  device: BlockDevice,
  path: readonly number[],
  edit: Edit,
  copies = allCopies,
): Promise<void> {
  const descend = async (block: Uint8Array, [at, ...rest]: readonly number[]): Promise<void> => {
    if (at === undefined) return edit(block)
    const address = readU48(block, at)
    let child = new Uint8Array(blockBytes)
    await device.read(address, child)
    child = child.slice()
    await descend(child, rest)
    await editBlocks(device, address, 1, (bytes) => bytes.set(child))
    block.set(sha256(child), at + 8)
  }
  const copy = new Uint8Array(superblockCopyBlocks * blockBytes)
  await device.read(superblockAddress(...copies[0]!), copy)
  const root = copy.slice(superblockLayout.at.root, superblockLayout.at.root + blockBytes)
  await descend(root, path)
  await editRoot(device, copies, (bytes) => bytes.set(root))
}
