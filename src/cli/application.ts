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
  proposeCompletions,
  run,
  text_en,
} from '@stricli/core'
import { build } from '../lib/build.ts'
import { formatNumber } from '../format/features.ts'
import { certificateCommand } from './verbs/certificate.ts'
import { checkCommand } from './verbs/check.ts'
import { catCommand } from './verbs/cat.ts'
import { completeInput, completionCommand } from './verbs/completion.ts'
import type { CliContext } from './command/context.ts'
import { exitUsage } from './command/exit-codes.ts'
import { type SaidFailure, exitCodeOf, failureOf, sayFailure } from './failure.ts'
import { askedBy, wantsJson } from './help/inputs.ts'
import { mainPage, verbPage } from './help/page.ts'
import { unknownVariables } from './help/variables.ts'
import { printJson, printLine } from './command/output.ts'
import { withPlainOutput } from './command/plain-output.ts'
import { getCommand } from './verbs/get.ts'
import { lsCommand } from './verbs/ls.ts'
import { mirrorCommand } from './verbs/mirror.ts'
import { mirrorsCommand } from './verbs/mirrors.ts'
import { mkdirCommand } from './verbs/mkdir.ts'
import { mvCommand } from './verbs/mv.ts'
import { openapiCommand } from './verbs/openapi.ts'
import { putCommand } from './verbs/put.ts'
import { rmCommand } from './verbs/rm.ts'
import { serveCommand } from './verbs/serve.ts'
import { sqlCommand } from './verbs/sql.ts'
import { statCommand } from './verbs/stat.ts'
import { statusCommand } from './verbs/status.ts'
import { tokenVerbs } from './verbs/token.ts'

export const verbs = {
  serve: serveCommand,
  mirror: mirrorCommand,
  mirrors: mirrorsCommand,
  status: statusCommand,
  put: putCommand,
  get: getCommand,
  cat: catCommand,
  ls: lsCommand,
  stat: statCommand,
  mkdir: mkdirCommand,
  rm: rmCommand,
  mv: mvCommand,
  token: buildRouteMap({ routes: tokenVerbs, docs: { brief: 'Make, list and revoke tokens' } }),
  check: checkCommand,
  sql: sqlCommand,
  openapi: openapiCommand,
  certificate: certificateCommand,
  completion: completionCommand,
}

/** The words of the library about a failure begin with this mark and go nowhere: the failure itself is noted. */
const noted = '\0'

const brief = 'A file server whose mirror is always consistent'

function applicationFor(failures: SaidFailure[]) {
  const usage = (message: string): string => {
    failures.push({ code: 'usage', message })
    return noted
  }
  const failed = (error: unknown): string => {
    failures.push(failureOf(error))
    return noted
  }
  const text: ApplicationText = {
    ...text_en,
    exceptionWhileParsingArguments: (error, ansiColor) =>
      usage(text_en.exceptionWhileParsingArguments(error, ansiColor)),
    noCommandRegisteredForInput: (input) => usage(text_en.noCommandRegisteredForInput(input)),
    exceptionWhileRunningCommand: failed,
    commandErrorResult: failed,
  }
  return buildApplication(buildRouteMap({ routes: verbs, docs: { brief } }), {
    name: 'stillpoint',
    scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
    documentation: { disableAnsiColor: true },
    localization: { text },
    determineExitCode: exitCodeOf,
  })
}

/** Resolves with the exit code. */
export async function runCli(inputs: readonly string[], given: CliContext): Promise<number> {
  const context = withPlainOutput(given)
  const { process } = context
  for (const name of unknownVariables(process.env))
    process.stderr.write(
      `stillpoint: the variable ${name} is not known, and is not used (stillpoint --help)\n`,
    )
  const [first, ...rest] = inputs
  if (first === completeInput) return complete(rest, context)
  const asked = askedBy(inputs, verbs)
  const isJson = wantsJson(inputs)
  switch (asked.what) {
    case 'help':
      process.stdout.write(
        asked.target === null ? mainPage(brief, verbs) : verbPage(asked.path, asked.target),
      )
      return 0
    case 'version':
      sayVersion(context, isJson)
      return 0
    case 'unfinished': {
      const name = asked.path.length === 0 ? 'a command line' : `\`${asked.path.join(' ')}\``
      const way = ['stillpoint', ...asked.path, '--help'].join(' ')
      const message = `${name} goes on with one of ${asked.choices.join(', ')} (${way})`
      sayFailure(context, [{ code: 'usage', message }], isJson)
      return exitUsage
    }
    case 'command':
      return runCommand(asked.inputs, context, isJson)
  }
}

async function runCommand(inputs: readonly string[], context: CliContext, isJson: boolean): Promise<number> {
  const { process } = context
  const failures: SaidFailure[] = []
  const stderr = {
    write: (line: string | Uint8Array): unknown =>
      typeof line === 'string' && line.startsWith(noted) ? true : process.stderr.write(line),
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
  await run(applicationFor(failures), inputs, told as CliContext & ApplicationContext)
  ending.abort()
  sayFailure(context, failures, isJson)
  const code = Number(told.process.exitCode ?? 0)
  // The library gives its own kinds of failure negative codes; all these failures are about the command line.
  return code < 0 ? exitUsage : code
}

function sayVersion(context: CliContext, isJson: boolean): void {
  const { version, commit } = build
  const runtime = `Bun ${Bun.version}`
  if (isJson) printJson(context, { version, commit, format: formatNumber, runtime })
  else
    printLine(
      context,
      `stillpoint ${version} (commit ${commit ?? 'unknown'}, format ${formatNumber}, ${runtime})`,
    )
}

/** One line for each word that may stand at the end of the words: the word, a tab, and what it means. */
async function complete(words: readonly string[], context: CliContext): Promise<number> {
  const found = await proposeCompletions(
    applicationFor([]),
    words,
    context as CliContext & ApplicationContext,
  )
  const isFlag = (word: string): boolean => word.startsWith('-')
  for (const { completion, brief: said } of found)
    // A person who has typed nothing yet looks for no flags.
    if (isFlag(words.at(-1) ?? '') || !isFlag(completion)) printLine(context, `${completion}\t${said}`)
  return 0
}
