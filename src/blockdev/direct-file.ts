/**
 * The way past the page cache (O_DIRECT), of a file that is open already.
 *
 * - Opened by the first who wants it, by the path: null where the file system has no O_DIRECT, and where the path leads to
 *   another file by now (the folder was moved, a copy was put in its place).
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
  private opened: number | null | undefined

  constructor(
    private readonly path: string,
    /** Of the file that is open already; it stays its owner's. */
    private readonly other: number,
    private readonly isReadOnly: boolean,
  ) {}

  get descriptor(): number | null {
    if (this.opened === undefined) this.opened = this.open()
    return this.opened
  }

  /** For a write of these: null where they are better off in the page cache, or are not likely to be taken. */
  descriptorFor(buffers: readonly Uint8Array[]): number | null {
    // Fresh memory of a page and more is page-aligned, a view into a message need not be.
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
      // As good as none.
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
