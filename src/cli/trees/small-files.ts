/**
 * Sends the small files of a tree, many in one request. With a request for each file, most of the time would go to
 * the requests (measured: 0.31 ms of the server's CPU for a file of 3 KiB, 0.13 in a batch).
 *
 * - A batch is all or nothing, so a batch that is refused is sent again file by file, and each file gets an answer of
 *   its own.
 * - Memory is bounded: at most `batchesMax` batches are on their way while another one is gathered.
 */
import type { BatchStep } from '../../../sdk/src/batch-step.ts'
import { ClientError } from '../../../sdk/src/client-error.ts'
import type { BatchAnswer, Opened } from '../../../sdk/src/contract.ts'
import type { SentAttributes } from '../../../sdk/src/wishes.ts'
import { showPath } from '../command/server-path.ts'
import type { Task } from './pool.ts'

export interface SmallFile {
  readonly path: readonly string[]
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly attributes: SentAttributes
  /** Sends the file again when the server may have lost it; `isAgain` says that this is done now. */
  readonly again: Task
  readonly isAgain: boolean
}

export const smallFileBytesMax = 32 * 1024
const filesMax = 200
const bytesMax = 1024 * 1024
const batchesMax = 4

export class SmallFiles {
  private gathered: SmallFile[] = []
  private bytes = 0
  private readonly running = new Set<Promise<void>>()
  private fatal: { readonly error: unknown } | null = null

  constructor(
    private readonly sendBatch: (steps: readonly BatchStep[]) => Promise<Opened<BatchAnswer>>,
    /** Called for each file that a batch has stored, with the answer of the batch. */
    private readonly onStored: (file: SmallFile, answer: Opened<BatchAnswer>) => void,
    /** Sends one file alone and reports the result; an error that this function throws ends the copy. */
    private readonly sendAlone: (file: SmallFile) => Promise<void>,
  ) {}

  /** Resolves when the caller may add another file, not when the file is stored. */
  async add(file: SmallFile): Promise<void> {
    this.throwFatal()
    this.gathered.push(file)
    this.bytes += file.bytes.length
    if (this.gathered.length < filesMax && this.bytes < bytesMax) return
    this.send()
    while (this.running.size > batchesMax) await Promise.race(this.running)
    this.throwFatal()
  }

  /** Resolves when every file is stored or reported as a failure. */
  async end(): Promise<void> {
    this.send()
    await Promise.all(this.running)
    this.throwFatal()
  }

  private send(): void {
    const files = this.gathered
    this.gathered = []
    this.bytes = 0
    const work = this.store(files)
      .catch((error: unknown) => {
        this.fatal ??= { error }
      })
      .finally(() => this.running.delete(work))
    this.running.add(work)
  }

  private async store(files: readonly SmallFile[]): Promise<void> {
    if (files.length > 1) {
      try {
        const answer = await this.sendBatch(files.map(operationOf))
        for (const file of files) this.onStored(file, answer)
        return
      } catch (error) {
        if (!(error instanceof ClientError) || error.status === null) throw error
      }
    }
    for (const file of files) await this.sendAlone(file)
  }

  private throwFatal(): void {
    if (this.fatal) throw this.fatal.error
  }
}

const operationOf = ({ path, bytes, attributes }: SmallFile) =>
  ({ op: 'put', path: showPath(path), bytes, ...attributes }) as const
