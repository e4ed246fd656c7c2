/**
 * A local file that is read to be sent, through one descriptor.
 *
 * - The file that was looked at is the file that is read: no link that took its place meanwhile is followed.
 * - As many bytes are sent as were counted when the file was opened. A file that grows meanwhile is sent as it was; a
 *   file that shrinks, or is written over, is no content, and the server gets none.
 */
import * as fs from 'node:fs'
import { UserError } from '../../lib/user-error.ts'
import { closeQuietly, named } from './local-errors.ts'
import { type LocalStat, localStatOf } from './local-stat.ts'

const chunkBytes = 256 * 1024
/** A small file that changes while it is read is read again. */
const readsMax = 3

export class LocalFile {
  private constructor(
    readonly path: string,
    private readonly descriptor: number,
    private found: fs.BigIntStats,
  ) {}

  /** Throws a UserError for what is no file. */
  static open(reached: string, path: string, { follow }: { readonly follow: boolean }): LocalFile {
    // Without O_NONBLOCK a pipe that took the place of the file would wait for its writer.
    const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = fs.constants
    const flags = O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW)
    const descriptor = named(path, () => fs.openSync(reached, flags))
    try {
      const found = named(path, () => fs.fstatSync(descriptor, { bigint: true }))
      if (!found.isFile()) throw new UserError(`${path}: is not a file`)
      return new LocalFile(path, descriptor, found)
    } catch (error) {
      closeQuietly(descriptor)
      throw error
    }
  }

  get stat(): LocalStat {
    return localStatOf(this.found)
  }

  close(): void {
    named(this.path, () => fs.closeSync(this.descriptor))
  }

  /** Reads a small file; `stat` is then that of what was read. */
  whole(): Uint8Array<ArrayBuffer> {
    for (let read = 1; ; read++) {
      const bytes = new Uint8Array(Number(this.found.size))
      let at = 0
      while (at < bytes.length) {
        const more = named(this.path, () => fs.readSync(this.descriptor, bytes, at, bytes.length - at, at))
        if (more === 0) break
        at += more
      }
      const now = this.now()
      const isWhole = at === bytes.length
      if (isWhole && now.mtimeNs === this.found.mtimeNs && now.size === this.found.size) return bytes
      if (read === readsMax && isWhole && !this.isWrittenOver(now)) return bytes
      if (read === readsMax) throw new UserError(`${this.path}: changes while it is read`)
      this.found = now
    }
  }

  /** The content from its beginning. The stream fails where the file is not the counted one any more. */
  stream(): ReadableStream<Uint8Array> {
    const size = Number(this.found.size)
    let at = 0
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          const bytes = new Uint8Array(Math.min(chunkBytes, size - at))
          // The runtime sends from another thread, so waiting for the device here delays no request.
          const bytesRead = named(this.path, () => fs.readSync(this.descriptor, bytes, 0, bytes.length, at))
          if (bytesRead === 0 && at < size)
            throw new UserError(`${this.path}: has become shorter while it was read (${at} of ${size} bytes)`)
          at += bytesRead
          if (at === size && this.isWrittenOver(this.now()))
            throw new UserError(`${this.path}: was changed while it was read`)
          if (bytesRead > 0) controller.enqueue(bytes.subarray(0, bytesRead))
          if (at === size) controller.close()
        },
      },
      { highWaterMark: 0 },
    )
  }

  private now(): fs.BigIntStats {
    return named(this.path, () => fs.fstatSync(this.descriptor, { bigint: true }))
  }

  /** An append leaves the counted bytes as they were. */
  private isWrittenOver(now: fs.BigIntStats): boolean {
    return now.size < this.found.size || (now.size === this.found.size && now.mtimeNs !== this.found.mtimeNs)
  }
}
