/**
 * The way past the page cache (O_DIRECT), of a file that is open already.
 *
 * - Opened by the first who wants it. Null where the file system has no O_DIRECT.
 * - The kernel keeps both ways coherent: what the page cache has of a range is written before it is read or written
 *   here, and forgotten when it was written here.
 * - A buffer or a position that it does not take is refused with EINVAL, and nothing has happened then.
 */
import * as fs from 'node:fs'
import { deviceBlockBytes } from './request.ts'

/**
 * A record of a large file. Less is read again soon, more likely than not, and is best left in the page cache; and with
 * less than this in a call the disk waits for the next one.
 */
const directBufferBytesMin = 256 * 1024

export class DirectFile {
  #opened: number | null | undefined

  constructor(
    private readonly path: string,
    private readonly isReadOnly: boolean,
  ) {}

  get descriptor(): number | null {
    if (this.#opened === undefined) {
      const { O_RDONLY, O_RDWR, O_DIRECT } = fs.constants
      try {
        this.#opened = fs.openSync(this.path, (this.isReadOnly ? O_RDONLY : O_RDWR) | O_DIRECT)
      } catch {
        this.#opened = null
      }
    }
    return this.#opened
  }

  /** For a write of these: null where they are better off in the page cache, or are not likely to be taken. */
  descriptorFor(buffers: readonly Uint8Array[]): number | null {
    // Fresh memory of a page and more is page-aligned, a view into a message need not be.
    const isFit = (bytes: Uint8Array): boolean =>
      bytes.length >= directBufferBytesMin && bytes.byteOffset % deviceBlockBytes === 0
    return buffers.every(isFit) ? this.descriptor : null
  }

  is(descriptor: number): boolean {
    return this.#opened === descriptor
  }

  close(): void {
    if (typeof this.#opened === 'number') fs.closeSync(this.#opened)
    this.#opened = null
  }
}
