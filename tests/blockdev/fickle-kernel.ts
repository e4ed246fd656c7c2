/**
 * A kernel over a real file that fails once and then goes on as if nothing had been: what a real one does after a lost
 * page.
 *
 * - Readers see every write. Durable is what a sync that had begun later has covered, and what a descriptor with O_DSYNC
 *   has written. `powerCut` gives the file as it is when only that is left.
 * - A failed sync loses what it covered, and no later sync brings that back. Of the syncs that run at that time the kernel
 *   tells one alone, and not the one whose pages are lost when there is another.
 * - A failed write has written the first half.
 */
import { closeSync, constants, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { blockBytes } from '../../src/format/geometry.ts'
import { systemFileCalls, type FileCalls } from '../../src/blockdev/file-calls.ts'

export class CallError extends Error {
  constructor(readonly code: string) {
    super(code)
  }
}

type FickleCall = 'writev' | 'fdatasync'

/** The code of the error that call number `nth` (of writes and syncs together) meets; null: none. */
export type Trouble = (call: FickleCall, nth: number) => string | null

export class FickleKernel {
  /** Writes and syncs so far. */
  made = 0
  /** Syncs that the kernel has called a success although it lost pages at that time. */
  untold = 0
  private readonly durable = new Map<number, Uint8Array>()
  private dirty = new Set<number>()
  private syncing = 0
  private untoldCode: string | null = null
  private readonly dsync = new Map<number, boolean>()

  constructor(
    private readonly path: string,
    private readonly trouble: Trouble = () => null,
  ) {}

  readonly calls: FileCalls = {
    ...systemFileCalls,
    writev: (...given) => this.write(...given),
    fdatasync: () => this.sync(),
  }

  private async write(descriptor: number, buffers: readonly Uint8Array[], at: number): Promise<number> {
    const code = this.trouble('writev', this.made++)
    const bytes = Buffer.concat(buffers)
    const part = code === null ? bytes : bytes.subarray(0, bytes.length >>> 1)
    const written = await systemFileCalls.writev(descriptor, [part], at)
    for (let page = Math.floor(at / blockBytes); page * blockBytes < at + written; page++) {
      if (this.isDurable(descriptor)) this.keep(page)
      else this.dirty.add(page)
    }
    if (code !== null) throw new CallError(code)
    return written
  }

  private async sync(): Promise<void> {
    const code = this.trouble('fdatasync', this.made++)
    const covered = this.dirty
    this.dirty = new Set()
    this.syncing++
    const kept = code === null ? [...covered].map((page) => [page, this.pageNow(page)] as const) : []
    // Others run meanwhile.
    await new Promise((resolve) => setImmediate(resolve))
    for (const [page, bytes] of kept) this.durable.set(page, bytes)
    this.syncing--
    const told = code ?? this.untoldCode
    this.untoldCode = null
    if (code !== null && this.syncing > 0) {
      this.untoldCode = code
      this.untold++
    } else if (told !== null) throw new CallError(told)
  }

  /** The file after a power cut, under another path. */
  powerCut(to: string): void {
    const image = Buffer.alloc(statSync(this.path).size)
    for (const [page, bytes] of this.durable) image.set(bytes, page * blockBytes)
    writeFileSync(to, image)
  }

  /** What is in the file is durable: a story begins with it. */
  settle(): void {
    const pages = Math.ceil(statSync(this.path).size / blockBytes)
    for (let page = 0; page < pages; page++) this.keep(page)
    this.dirty = new Set()
  }

  private keep(page: number): void {
    this.durable.set(page, this.pageNow(page))
  }

  private pageNow(page: number): Uint8Array {
    const bytes = new Uint8Array(blockBytes)
    const descriptor = openSync(this.path, 'r')
    readSync(descriptor, bytes, 0, blockBytes, page * blockBytes)
    closeSync(descriptor)
    return bytes
  }

  private isDurable(descriptor: number): boolean {
    let is = this.dsync.get(descriptor)
    if (is === undefined) {
      const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))
      is = (Number.parseInt(flags?.[1] ?? '0', 8) & constants.O_DSYNC) !== 0
      this.dsync.set(descriptor, is)
    }
    return is
  }
}
