/** Reads blocks of a root that is retained, on either side; patches are made from these blocks. */
import type { BlockRun } from '../../lib/block-run.ts'
import { DeviceError } from '../../blockdev/block-device.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { HeldBlocks, PublishedRoot } from '../contract.ts'
import type { Volume } from './volume.ts'

export function heldBlocks({ retention, device }: Volume, root: PublishedRoot): HeldBlocks | null {
  if (!retention.isRetained(root)) return null
  const used = retention.usedMap(root)
  const has = ({ address, blocks }: BlockRun): boolean => {
    if (address + blocks > device.blockCount) return false
    for (let i = 0; i < blocks; i++) if (!used.has(address + i)) return false
    return true
  }
  return {
    has,
    readNow: (run) => {
      if (!has(run)) return null
      const bytes = new Uint8Array(run.blocks * blockBytes)
      try {
        return device.readNow(run.address, bytes) ? bytes : null
      } catch (error) {
        return nullIfUnreadable(error)
      }
    },
    read: async (run) => {
      if (!has(run)) return null
      const bytes = new Uint8Array(run.blocks * blockBytes)
      try {
        if (!device.readNow(run.address, bytes)) await device.read(run.address, bytes)
        return bytes
      } catch (error) {
        return nullIfUnreadable(error)
      }
    },
  }
}

function nullIfUnreadable(error: unknown): null {
  if (error instanceof DeviceError) return null
  throw error
}
