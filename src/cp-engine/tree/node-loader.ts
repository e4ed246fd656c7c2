/**
 * The loader brings nodes from the device into the cache. No node enters the cache unverified: the parent's checksum
 * and the place in the tree must match.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/checksum.ts'
import { StillpointError } from '../../lib/errors.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { blockBytes } from '../../format/geometry.ts'
import { verifyNode } from '../../format/disk/tree-node.ts'
import { type NodeCache, type NotLoaded, frameState } from './node-cache.ts'
import { Turn } from '../../lib/gates/turns.ts'

/** Allowance of a look that is under way. */
export interface LoadAllowance {
  /** Asked before each node that the look would load. */
  mayLoad(): boolean
}

const nothing: LoadAllowance = { mayLoad: () => false }

export class NodeLoader {
  private readonly device: BlockDevice
  private readonly cache: NodeCache
  private readonly block = new Uint8Array(blockBytes)
  private allowance = nothing
  /** Turn of the looks that keep the nodes that they load: one look has the turn at a time. */
  private readonly keeping = new Turn()

  constructor(device: BlockDevice, cache: NodeCache) {
    this.device = device
    this.cache = cache
    cache.bring = (missing) => this.bring(missing)
  }

  /**
   * Runs a synchronous look, during which no node is evicted. The look may load nodes by itself within the allowance.
   */
  during<T>(allowance: LoadAllowance, look: () => T): T {
    const before = this.allowance
    this.allowance = allowance
    try {
      return look()
    } finally {
      this.allowance = before
    }
  }

  /** Resolves when it is the caller's turn. The cache evicts no node until the caller calls the returned function. */
  async keep(): Promise<() => void> {
    const end = await this.keeping.take()
    this.cache.isKept = true
    return () => {
      this.cache.isKept = false
      end()
    }
  }

  /**
   * Loads a node between two looks. Throws `corrupt` for wrong bytes, and DeviceError when the device cannot read
   * them. The read is synchronous (2 µs for a cached block, against 36 µs), so two loads of one node never overlap:
   * the second load finds the node.
   */
  load(missing: NotLoaded): void {
    const { address, sum } = missing.pointer
    const cache = this.cache
    const present = cache.find(address)
    if (present !== 0 && cache.hasSum(present) && cache.sumIs(present, sum, 0)) return
    if (present !== 0 && cache.stateOf(present) !== frameState.clean) {
      throw wrongBytes(address, 'belongs to a newer tree under another checksum')
    }
    cache.trim()
    this.read(missing)
  }

  private bring(missing: NotLoaded): void {
    // A node under another checksum gives way only between two looks, since the present look may stand on that node.
    if (this.cache.find(missing.pointer.address) !== 0 || !this.allowance.mayLoad()) throw missing
    this.read(missing)
  }

  private read(missing: NotLoaded): void {
    const { address, sum } = missing.pointer
    const cache = this.cache
    if (address >= this.device.blockCount) throw wrongBytes(address, 'lies beyond the device')
    const block = this.block
    this.device.readSync(address, block)
    if (!equalBytes(sha256(block), sum)) throw wrongBytes(address, 'does not match its checksum')
    try {
      verifyNode(block, missing)
    } catch (error) {
      if (!(error instanceof StillpointError)) throw error
      throw new StillpointError(error.code, error.message, { ...error.help, address }, { cause: error })
    }
    const frame = cache.allocate(address, frameState.clean, 0)
    cache.bytes.set(block, frame * blockBytes)
    cache.setSum(frame, sum)
  }
}

function wrongBytes(address: number, why: string): StillpointError {
  return new StillpointError('corrupt', `address block ${address} ${why}`, { address })
}
