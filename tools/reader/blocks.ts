import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { want } from './damage.ts'

export const blockBytes = 4096

/** Where blocks come from: bytes in memory, or a file that is open for reading. */
export interface Blocks {
  /** The bytes of a run of blocks. Fails with `Damage` when the volume ends before. */
  read(address: number, count: number): Uint8Array
}

export class MemoryBlocks implements Blocks {
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  read(address: number, count: number): Uint8Array {
    const end = (address + count) * blockBytes
    want(end <= this.bytes.length, 'unreadable', 'the volume ends before this block', address)
    return this.bytes.slice(address * blockBytes, end)
  }
}

export class FileBlocks implements Blocks, Disposable {
  private readonly file: number
  private readonly length: number

  constructor(path: string) {
    this.file = openSync(path, 'r')
    this.length = fstatSync(this.file).size
  }

  read(address: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count * blockBytes)
    want(
      (address + count) * blockBytes <= this.length,
      'unreadable',
      'the volume ends before this block',
      address,
    )
    let done = 0
    while (done < bytes.length) {
      const got = readSync(this.file, bytes, done, bytes.length - done, address * blockBytes + done)
      want(got > 0, 'unreadable', 'the file ends before this block', address)
      done += got
    }
    return bytes
  }

  [Symbol.dispose](): void {
    closeSync(this.file)
  }
}
