/**
 * The file system of a primary, put together from the parts in `read`, `tree` and `write`.
 *
 * - Every change of the tree is one operation (docs/architecture.md). Large content arrives as an upload before its
 *   operation; the reaper removes large content after the operation that deleted it.
 * - The server makes the file system after the open has ended, when the published root is the open tree, and before
 *   any other code writes.
 */
import type { Applied, DurabilityLevel, Engine } from '../cp-engine/contract.ts'
import type { Clock } from '../lib/clock.ts'
import { batch } from './write/batch.ts'
import { type Context, preparingBytesMax, restingRecordBytesMax } from './write/context.ts'
import type * as contract from './contract.ts'
import { KnownDirectories } from './tree/known-directories.ts'
import { makeDirectory } from './write/directory.ts'
import { BufferPool } from '../lib/buffer-pool.ts'
import { ByteGate } from '../lib/gates/byte-gate.ts'
import { Turns } from '../lib/gates/turns.ts'
import { move } from './write/move.ts'
import { NewestFiles } from './read/instant-files.ts'
import { patchFile } from './write/patch.ts'
import type { Path } from './paths.ts'
import { putFile, putLink } from './write/put.ts'
import { readOpenTree } from './read/read-view.ts'
import { Reaper } from './write/reaper.ts'
import { SettingsOf } from './tree/settings.ts'
import { remove } from './write/remove.ts'
import { resizeFile } from './write/resize.ts'

type Preconditions = contract.Preconditions
type Written = contract.Written

export class VolumeFiles implements contract.FileSystem {
  readonly reaper: Reaper
  readonly newest: NewestFiles
  private readonly context: Context

  constructor(
    private readonly engine: Engine,
    clock: Clock,
    smallFilesBytesMax?: number,
  ) {
    const { kind: sums } = engine.current().root.sums
    this.reaper = new Reaper(engine, clock, sums)
    this.context = {
      engine,
      clock,
      sums,
      reaper: this.reaper,
      preparing: new ByteGate(preparingBytesMax),
      buffers: new BufferPool(restingRecordBytesMax),
      directories: new KnownDirectories(),
      turns: new Turns(),
    }
    this.newest = new NewestFiles(engine.newest, this.context.directories, smallFilesBytesMax)
  }

  view(): contract.ReadView {
    return readOpenTree(this.engine)
  }

  putFile(
    path: Path,
    body: contract.Body,
    attributes: contract.Attributes,
    options: Preconditions & { readonly lengthHint?: number | null } = {},
  ): Promise<Written> {
    return putFile(this.context, path, body, attributes, options)
  }

  async putLink(
    path: Path,
    target: string,
    attributes: contract.Attributes,
    options: Preconditions = {},
  ): Promise<Written> {
    return putLink(this.context, path, target, attributes, options)
  }

  async patchFile(
    path: Path,
    offset: number | 'end',
    body: contract.Body,
    options: Preconditions = {},
  ): Promise<Written & { offset: number }> {
    return patchFile(this.context, path, offset, body, options)
  }

  async resizeFile(path: Path, size: number, options: Preconditions = {}): Promise<Written> {
    return resizeFile(this.context, path, size, options)
  }

  async deleteFile(path: Path, options: Preconditions = {}): Promise<Applied<unknown>> {
    return remove(this.context, path, { ...options, what: 'file', recursive: false })
  }

  async makeDirectory(
    path: Path,
    attributes: contract.Attributes,
    options: Preconditions = {},
  ): Promise<Written> {
    return makeDirectory(this.context, path, attributes, options)
  }

  async deleteDirectory(
    path: Path,
    options: Preconditions & { readonly recursive: boolean },
  ): Promise<Applied<unknown>> {
    return remove(this.context, path, { ...options, what: 'directory' })
  }

  async move(
    from: Path,
    to: Path,
    options: Preconditions & { readonly overwrite: boolean },
  ): Promise<Written> {
    return move(this.context, from, to, options)
  }

  async batch(
    operations: readonly contract.BatchOperation[],
  ): Promise<Applied<readonly contract.BatchResult[]>> {
    return batch(this.context, operations)
  }

  async changeSettings<T>(change: (settings: contract.SettingsEdit) => T): Promise<Applied<T>> {
    return this.engine.run((tx) => change(new SettingsOf(tx)))
  }

  reach(applied: Applied<unknown>, level: DurabilityLevel): Promise<DurabilityLevel> {
    return this.engine.reach(applied, level)
  }

  /** Deleted things that still take space. */
  pending(): { readonly orphans: number; readonly bytes: number } {
    return this.reaper.pending()
  }

  /** The engine calls this when space is short. Returns whether there is anything to reclaim. */
  hurry(): boolean {
    return this.reaper.hurry()
  }

  /** Starts the reaper; to be called once. */
  start(): void {
    this.reaper.start()
  }

  /** To be called when all requests have ended. Resolves when the reaper has stopped. */
  close(): Promise<void> {
    return this.reaper.stop()
  }
}
