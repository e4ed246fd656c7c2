/**
 * Opens a file a second time with O_DIRECT, so that reads and writes go past the page cache.
 *
 * - The first caller that needs the direct descriptor opens it, by the path. The descriptor is null where the file
 *   system has no O_DIRECT, and where the path now leads to another file (the folder was moved, or a copy was put in
 *   its place).
 * - The kernel keeps both ways coherent: cached pages of a range are written before the range is read or written
 *   directly, and are forgotten after a direct write.
 * - The kernel refuses an unsuitable buffer or position with EINVAL; nothing has happened then.
 */
import * as fs from 'node:fs'
import { deviceBlockBytes } from './request.ts'

/**
 * Smallest buffer that goes past the page cache: a record of a large file. Smaller buffers are likely to be read
 * again soon, so the page cache is the better place; and with smaller calls the disk would wait for the next call.
 */
const directBufferBytesMin = 256 * 1024

export class DirectFile {
  private opened: number | null | undefined

  constructor(
    private readonly path: string,
    /** Descriptor of the file that is open already. The owner of this descriptor closes it. */
    private readonly other: number,
    private readonly isReadOnly: boolean,
  ) {}

  get descriptor(): number | null {
    if (this.opened === undefined) this.opened = this.open()
    return this.opened
  }

  /**
   * The descriptor for a direct write of the buffers; null where the page cache suits the buffers better, or where
   * the kernel would probably refuse them.
   */
  descriptorFor(buffers: readonly Uint8Array[]): number | null {
    // Fresh memory of a page or more is page-aligned; a view into a message need not be.
    const isFit = (bytes: Uint8Array): boolean =>
      bytes.length >= directBufferBytesMin && bytes.byteOffset % deviceBlockBytes === 0
    return buffers.every(isFit) ? this.descriptor : null
  }

  is(descriptor: number): boolean {
    return this.opened === descriptor
  }

  private open(): number | null {
    const { O_RDONLY, O_RDWR, O_DIRECT } = fs.constants
    let opened: number | null = null
    try {
      opened = fs.openSync(this.path, (this.isReadOnly ? O_RDONLY : O_RDWR) | O_DIRECT)
      if (isSameFile(opened, this.other)) return opened
    } catch {
      // The caller uses the page cache.
    }
    if (opened !== null) fs.closeSync(opened)
    return null
  }

  close(): void {
    if (typeof this.opened === 'number') fs.closeSync(this.opened)
    this.opened = null
  }
}

function isSameFile(a: number, b: number): boolean {
  const [one, two] = [fs.fstatSync(a, { bigint: true }), fs.fstatSync(b, { bigint: true })]
  return one.dev === two.dev && one.ino === two.ino
}
