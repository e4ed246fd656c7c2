/** The block files of a volume in memory. A closed file can be opened again. Contract: block-folder.ts. */
import { assert } from '../lib/assert.ts'
import { StillpointError } from '../lib/errors.ts'
import { DeviceError, type BlockDevice } from './block-device.ts'
import type { BlockFolder } from './block-folder.ts'
import { MemoryDevice } from './memory-device.ts'

export class MemoryFolder implements BlockFolder {
  private readonly files = new Map<string, MemoryDevice>()

  async has(name: string): Promise<boolean> {
    return this.files.has(name)
  }

  async open(name: string): Promise<BlockDevice> {
    const device = this.files.get(name)
    if (!device) throw new DeviceError(`there is no ${name}`)
    return device.reopened()
  }

  async create(name: string, blockCount: number): Promise<BlockDevice> {
    if (this.files.has(name)) throw new StillpointError('exists', `${name} exists`)
    const device = new MemoryDevice(blockCount)
    this.files.set(name, device)
    return device
  }

  async rename(from: string, to: string): Promise<void> {
    const device = this.files.get(from)
    assert(device, `there is no ${from} to rename`)
    this.files.delete(from)
    this.files.set(to, device)
  }

  async remove(name: string): Promise<void> {
    this.files.delete(name)
  }

  async sync(): Promise<void> {}
}
