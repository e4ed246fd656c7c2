/** What a copy of a tree did, and what it could not do. */
import { ApiError } from '../../client/client.ts'
import type { ErrorCode } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'
import { UnreachableError } from '../../client/unreachable-error.ts'
import type { CliContext } from '../command/context.ts'
import { printJson, printLine, showName } from '../command/output.ts'
import { formatBytes } from './progress.ts'

interface Failure {
  /** On the server, relative to its root. */
  readonly path: string
  readonly reason: string
}

export interface TreeReport {
  readonly cp: number
  readonly files: number
  readonly directories: number
  readonly links: number
  /** Of files. */
  readonly bytes: number
  /** The first `failuresListedMax`. */
  readonly failures: readonly Failure[]
  readonly failuresTotal: number
}

const failuresListedMax = 100

/** Codes that say that nothing more can be done, whatever comes next. */
const fatalCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'unauthorized',
  'forbidden',
  'fenced',
  'poisoned',
  'disk-full',
  'method-not-allowed',
  'cp-gone',
  'cp-lost',
])

export class Failures {
  readonly list: Failure[] = []
  total = 0

  /** Notes what concerns one entry only; anything else ends the copy. */
  async gather(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const concernsOne =
        (error instanceof ApiError && !fatalCodes.has(error.code)) ||
        (error instanceof UserError && !(error instanceof UnreachableError))
      if (!concernsOne) throw error
      this.total++
      if (this.list.length < failuresListedMax) this.list.push({ path, reason: error.message })
    }
  }
}

/** The summary on stdout; failures on stderr, and then the exit is not 0. */
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
    for (const { path, reason } of failures) context.process.stderr.write(`${showName(path)}: ${reason}\n`)
  throw new UserError(failuresTotal === 1 ? '1 entry failed' : `${failuresTotal} entries failed`)
}
