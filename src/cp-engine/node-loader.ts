/** Brings nodes from the device into the cache; nothing enters it that was not verified against its parent. */
import { equalBytes } from '../lib/bytes.ts'
import { sha256 } from '../lib/checksum.ts'
import { StillpointError, hasCode } from '../lib/errors.ts'
import type { BlockDevice } from '../blockdev/block-device.ts'
import { blockBytes } from '../format/geometry.ts'
import { verifyNode } from '../format/tree-node.ts'
import { type NodeCache, type NotLoaded, frameState } from './node-cache.ts'

export class NodeLoader {
  readonly #device: BlockDevice
  readonly #cache: NodeCache
  readonly #block = new Uint8Array(blockBytes)

  constructor(device: BlockDevice, cache: NodeCache) {
    this.#device = device
    this.#cache = cache
  }

  /**
   * `corrupt` for wrong bytes, DeviceError when they cannot be read. It reads synchronously (2 µs for a cached block,
   * against 36), so two loads of one node never overlap: the second finds it.
   */
  async load(missing: NotLoaded): Promise<void> {
    const { address, sum } = missing.pointer
    const cache = this.#cache
    const present = cache.find(address)
    if (present !== 0 && cache.hasSum(present) && cache.sumIs(present, sum, 0)) return
    if (present !== 0 && cache.stateOf(present) !== frameState.clean) {
      throw wrongBytes(address, 'belongs to a newer tree under another checksum')
    }
    if (address >= this.#device.blockCount) throw wrongBytes(address, 'lies beyond the device')
    const block = this.#block
    this.#device.readSync(address, block)
    if (!equalBytes(sha256(block), sum)) throw wrongBytes(address, 'does not match its checksum')
    try {
      verifyNode(block, missing)
    } catch (error) {
      if (!hasCode(error, 'corrupt')) throw error
      throw new StillpointError('corrupt', error.message, { ...error.help, address }, { cause: error })
    }
    cache.trim()
    const frame = cache.allocate(address, frameState.clean, 0)
    cache.bytes.set(block, frame * blockBytes)
    cache.setSum(frame, sum)
  }
}

function wrongBytes(address: number, why: string): StillpointError {
  return new StillpointError('corrupt', `address block ${address} ${why}`, { address })
}
