/** Report of a copy of a tree: counts of the copied entries, and the failures. */
import { ClientError, type ClientErrorCode } from '../../../sdk/src/client-error.ts'
import { UserError } from '../../lib/user-error.ts'
import type { CliContext } from '../command/context.ts'
import { printJson, printLine, showName } from '../command/output.ts'
import { formatBytes } from './progress.ts'

interface Failure {
  /** Path of the entry on the server. */
  readonly path: string
  readonly reason: string
}

export interface TreeReport {
  readonly cp: number
  readonly files: number
  readonly directories: number
  readonly links: number
  /** Bytes of the copied files. */
  readonly bytes: number
  /** The first `failuresListedMax` failures. */
  readonly failures: readonly Failure[]
  readonly failuresTotal: number
}

const failuresListedMax = 100

/** Codes that end the copy, because no further entry could be copied. */
const fatalCodes: ReadonlySet<string> = new Set<ClientErrorCode>([
  'unreachable',
  'unauthorized',
  'forbidden',
  'fenced',
  'poisoned',
  'disk-full',
  'method-not-allowed',
  'cp-gone',
  'cp-lost',
])

/** A server that is away may come back, and so ends no copy at once; how long it is waited for is decided elsewhere. */
export const endsAll = (code: ClientErrorCode): boolean => code !== 'unreachable' && fatalCodes.has(code)

export class Failures {
  readonly list: Failure[] = []
  total = 0

  /** Notes a failure that concerns one entry only; any other failure is thrown and ends the copy. */
  async gather(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.take(path, error)
    }
  }

  /** The same for work that is done at once. */
  gatherNow(path: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.take(path, error)
    }
  }

  note(path: string, reason: string): void {
    this.total++
    if (this.list.length < failuresListedMax) this.list.push({ path, reason })
  }

  private take(path: string, error: unknown): void {
    const concernsOne =
      (error instanceof ClientError && !fatalCodes.has(error.code)) || error instanceof UserError
    if (!concernsOne) throw error
    this.note(path, error.message)
  }
}

/**
 * Prints the summary on stdout and the failures on stderr; JSON has both on stdout. Throws when there are failures,
 * so that the exit code is not 0.
 */
export function reportTree(context: CliContext, report: TreeReport, isJson: boolean): void {
  const { files, directories, links, bytes, cp, failures, failuresTotal } = report
  if (isJson) printJson(context, report)
  else
    printLine(
      context,
      `${files} files (${formatBytes(bytes)}), ${directories} directories, ${links} links, cp ${cp}`,
    )
  if (failuresTotal === 0) return
  if (!isJson)
    for (const { path, reason } of failures)
      context.process.stderr.write(`${showName(path)}: ${showName(reason)}\n`)
  throw new UserError(failuresTotal === 1 ? '1 entry failed' : `${failuresTotal} entries failed`)
}
