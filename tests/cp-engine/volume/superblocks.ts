/** A volume that is nothing but its superblocks, and what crashes make of them. */
import { expect } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { noFeatures } from '../../../src/format/features.ts'
import {
  blockBytes,
  fixedPart,
  makeGeometry,
  sectorBytes,
  superblockAddress,
  superblockCopyBlocks,
} from '../../../src/format/geometry.ts'
import { decodeRoot, encodeRoot } from '../../../src/format/disk/root.ts'
import { decodeSuperblock } from '../../../src/format/disk/superblock.ts'
import type { Superblock } from '../../../src/format/disk/superblock.ts'
import { noNode } from '../../../src/format/pointer.ts'
import type { BlockDevice } from '../../../src/blockdev/block-device.ts'
import { SuperblockStore } from '../../../src/cp-engine/volume/superblock-store.ts'
import { crashImage, randomChoice, tornAfter } from '../../simulated/crash-image.ts'
import type { CrashState, Image } from '../../simulated/crash-image.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { rootOf } from '../roots.ts'

export const blockCount = 1536
const holder = new Uint8Array(16).fill(3)

export function rootAt(cp: number): Superblock['root'] {
  return { address: 1300 + (cp % 100), bytes: encodeRoot(rootOf(cp, noNode, noNode)) }
}

export const first: Superblock = {
  features: noFeatures,
  volumeUuid: new Uint8Array(16).fill(1),
  sideUuid: new Uint8Array(16).fill(2),
  generation: 1,
  role: 'primary',
  epoch: { number: 0, id: new Uint8Array(8) },
  fenced: false,
  outdated: false,
  opening: 0,
  firstCp: 1,
  root: rootAt(1),
  holds: [],
  members: [{ uuid: holder, url: 'http://mirror' }],
  log: { nonce: new Uint8Array(8), position: 0, chain: new Uint8Array(32) },
  geometry: fixedPart(makeGeometry(6 * 2 ** 20, 2 ** 20, 2 ** 20)),
  goingBack: false,
}

export const holdOn = (cp: number) => ({
  memberUuid: holder,
  cp,
  root: { address: 1300, sum: new Uint8Array(32).fill(cp) },
})
export const cpOf = (superblock: Superblock): number => decodeRoot(superblock.root!.bytes).cp
export const publish = (store: SuperblockStore, cp: number) =>
  store.write({ root: rootAt(cp), holds: [holdOn(cp - 1)] })

export async function newDevice(options: ConstructorParameters<typeof SimulatedDevice>[0] = {}) {
  const device = new SimulatedDevice({ blockCount, ...options })
  await SuperblockStore.create(device, first)
  return device
}

export async function copies(device: BlockDevice): Promise<(Superblock | null)[]> {
  const found: (Superblock | null)[] = []
  for (const slot of [0, 1])
    for (const copy of [0, 1]) {
      const bytes = new Uint8Array(superblockCopyBlocks * blockBytes)
      await device.read(superblockAddress(slot, copy), bytes)
      found.push(decodeSuperblock(bytes, slot))
    }
  return found
}

/** All four copies are readable, and those of a slot are equal. */
export async function expectWhole(device: BlockDevice): Promise<void> {
  const [a, b, c, d] = await copies(device)
  for (const each of [a, b, c, d]) expect(each).not.toBeNull()
  expect(a).toEqual(b)
  expect(c).toEqual(d)
  expect(a!.generation).not.toBe(c!.generation)
}

export async function damage(
  device: SimulatedDevice,
  ...which: [slot: number, copy: number][]
): Promise<void> {
  for (const [slot, copy] of which) device.flipBit(superblockAddress(slot, copy) + 1, 12345)
}

/** Every state in which a crash may find a device while `work` runs on it. */
export async function crashStates(
  image: Image,
  work: (device: SimulatedDevice) => Promise<unknown>,
): Promise<CrashState[]> {
  const states: CrashState[] = []
  const device: SimulatedDevice = new SimulatedDevice({
    image,
    onMutation: () => void states.push(device.crashState()),
  })
  await work(device)
  states.push(device.crashState())
  return states
}

/** The last write torn after every sector, and some random subsets. */
export function* imagesOf(
  state: CrashState,
  random: ReturnType<typeof seededRandom>,
  sectorStep = 5,
): Generator<Image> {
  const sectors = (superblockCopyBlocks * blockBytes) / sectorBytes
  if (state.pending.length > 0)
    for (let cut = 0; cut <= sectors; cut += sectorStep)
      yield crashImage(state, tornAfter(state.pending.length - 1, cut))
  for (let i = 0; i < 4; i++) yield crashImage(state, randomChoice(random))
}
