/**
 * The verbs of the program, and how a verb ends: with an exit code and, after a failure, one line on stderr.
 *
 * The exit code is 0 for success, 1 for a failure, 2 for a wrong command line, 3 for a volume of a newer version of
 * Stillpoint, and 70 for a poisoned engine (the device cannot be trusted any more).
 */
import {
  type ApplicationContext,
  type ApplicationText,
  buildApplication,
  buildRouteMap,
  help,
  run,
  text_en,
  version,
} from '@stricli/core'
import packageJson from '../../package.json' with { type: 'json' }
import { ListenError } from '../routes/http/server.ts'
import { DeviceError } from '../blockdev/block-device.ts'
import { StillpointError, hasCode } from '../lib/errors.ts'
import { certificateCommand } from './verbs/certificate.ts'
import { checkCommand } from './verbs/check.ts'
import { ClientError } from '../../sdk/src/client-error.ts'
import { UserError } from '../lib/user-error.ts'
import type { CliContext } from './command/context.ts'
import { exitFailed, exitNewerFormat, exitPoisoned, exitUsage } from './command/exit-codes.ts'
import { showName } from './command/output.ts'
import { withPlainOutput } from './command/plain-output.ts'
import { getCommand } from './verbs/get.ts'
import { lsCommand } from './verbs/ls.ts'
import { mirrorCommand } from './verbs/mirror.ts'
import { mirrorsCommand } from './verbs/mirrors.ts'
import { mvCommand } from './verbs/mv.ts'
import { openapiCommand } from './verbs/openapi.ts'
import { putCommand } from './verbs/put.ts'
import { rmCommand } from './verbs/rm.ts'
import { serveCommand } from './verbs/serve.ts'
import { sqlCommand } from './verbs/sql.ts'
import { statusCommand } from './verbs/status.ts'
import { tokenVerbs } from './verbs/token.ts'

export const verbs = {
  serve: serveCommand,
  mirror: mirrorCommand,
  mirrors: mirrorsCommand,
  status: statusCommand,
  put: putCommand,
  get: getCommand,
  ls: lsCommand,
  rm: rmCommand,
  mv: mvCommand,
  token: buildRouteMap({ routes: tokenVerbs, docs: { brief: 'Make, list and revoke tokens' } }),
  check: checkCommand,
  sql: sqlCommand,
  openapi: openapiCommand,
  certificate: certificateCommand,
}

/** Marks the messages of the library about the command line; the library writes each message on a line of its own. */
const usageMark = '\0'

const text: ApplicationText = {
  ...text_en,
  exceptionWhileParsingArguments: (error, ansiColor) =>
    usageMark + text_en.exceptionWhileParsingArguments(error, ansiColor),
  noCommandRegisteredForInput: (input) => usageMark + text_en.noCommandRegisteredForInput(input),
  exceptionWhileRunningCommand: describe,
  commandErrorResult: describe,
}

const application = buildApplication(
  buildRouteMap({ routes: verbs, docs: { brief: 'A file server whose mirror is always consistent' } }),
  {
    name: 'stillpoint',
    scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
    documentation: { disableAnsiColor: true },
    localization: { text },
    determineExitCode: exitCodeOf,
  },
  {
    help: help({
      brief: 'Say what can be given here',
      defaultForRouteMap: true,
      formatting: {
        caseStyle: 'convert-camel-to-kebab',
        useAliasInUsageLine: false,
        onlyRequiredInUsageLine: false,
      },
    }),
    version: version({ brief: 'Say the version', info: { currentVersion: packageJson.version } }),
  },
)

function exitCodeOf(error: unknown): number {
  if (hasCode(error, 'poisoned')) return exitPoisoned
  return hasCode(error, 'newer-format') ? exitNewerFormat : exitFailed
}

/** Resolves with the exit code. */
export async function runCli(inputs: readonly string[], given: CliContext): Promise<number> {
  const context = withPlainOutput(given)
  const usage: string[] = []
  const { process } = context
  const stderr = {
    write: (line: string | Uint8Array): unknown =>
      typeof line === 'string' && line.startsWith(usageMark)
        ? usage.push(line.slice(usageMark.length).trimEnd())
        : process.stderr.write(line),
  }
  // A request that is still under way when the command has ended keeps no process alive.
  const ending = new AbortController()
  const told: CliContext = {
    ...context,
    process: { stdout: process.stdout, stderr, env: process.env },
    fetch: (url, init) =>
      context.fetch(url, {
        ...init,
        signal: AbortSignal.any([ending.signal, ...(init.signal ? [init.signal] : [])]),
      }),
  }
  await run(application, inputs, told as CliContext & ApplicationContext)
  ending.abort()
  if (usage.length > 0) process.stderr.write(`stillpoint: ${usage.join('; ')}\n`)
  const code = Number(told.process.exitCode ?? 0)
  // The library gives its own kinds of failure negative codes; all these failures are about the command line.
  return code < 0 ? exitUsage : code
}

/**
 * A failure that a person can put right is one line, and has no character that a terminal obeys: a message may have
 * words of a server in it. Any other failure is a bug, where the stack helps.
 */
function describe(error: unknown): string {
  if (error instanceof StillpointError) {
    const ways = error.help['waysOut']
    const hint = Array.isArray(ways) ? `; ways out: ${ways.join(', ')}` : ''
    return `stillpoint: ${showName(error.message)} (${error.code})${hint}`
  }
  const isExpected = [UserError, ClientError, ListenError, DeviceError].some((kind) => error instanceof kind)
  if (error instanceof Error && isExpected) return `stillpoint: ${showName(error.message)}`
  return `stillpoint: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
}
