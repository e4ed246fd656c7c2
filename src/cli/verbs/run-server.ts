/**
 * Runs a server from its start to its exit code.
 *
 * - The server writes exactly one line to stdout, when the server is ready; all other lines go to stderr.
 * - A signal ends the server after a last CP with exit code 0; a second signal ends the process at once with 1. A
 *   poisoned engine ends the process with 70, and so does a bug: nothing is repaired inside the process.
 */
import { logger, startLogging } from '../../lib/log.ts'
import { guardMemory } from '../../server/memory-guard.ts'
import { readConfiguration } from '../../server/configuration/configuration.ts'
import type { CliContext } from '../command/context.ts'
import { exitFailed, exitPoisoned } from '../command/exit-codes.ts'
import { serviceManagerOf } from '../../service/service-manager.ts'
import { exposure } from '../../server/configuration/listen.ts'
import { printJson, printLine } from '../command/output.ts'
import { type MirrorFlags, rawOptions, type ServeFlags } from './server-flags.ts'

/** A failed server gets this time to answer the requests that wait. */
const endMsMax = 2_000

const log = logger('process')

export async function runServer(
  context: CliContext,
  verb: 'serve' | 'mirror',
  flags: ServeFlags & Partial<MirrorFlags>,
): Promise<void> {
  const configuration = readConfiguration(verb === 'serve' ? 'primary' : 'mirror', {
    flags: rawOptions(flags),
    environment: context.process.env,
    file: flags.config,
  })
  // From here on no signal is lost, even while the volume is being opened.
  const signal = context.signal()
  await startLogging(configuration.logLevel)
  const { clock, random } = context
  const manager = serviceManagerOf(context.process.env, clock)
  manager.status(`opening the volume in ${configuration.data}`)
  const exposed = exposure(configuration.listen, configuration.anonymous)
  if (exposed !== null) log.warn(exposed)
  // The module is loaded here, so that the other verbs start without the engine.
  const { startServer } = await import('../../server/start.ts')
  const options = { clock, random, acceptLoss: flags.acceptLoss ?? [], pair: flags.pair ?? false }
  const server = await startServer(verb, configuration, options).catch((error: unknown) => {
    manager.failed(error instanceof Error ? error.message : String(error))
    throw error
  })
  const stopGuarding = guardMemory(clock, {
    residentBytes: () => process.memoryUsage.rss(),
    collect: (waits) => Bun.gc(waits),
  })
  const { url, role, pairing } = server
  // The code is no line of the log: logs are kept, and read by others.
  if (pairing !== null)
    context.process.stderr.write(
      `stillpoint: pairing code ${pairing.code}, valid for ${pairing.minutes} minutes: on the primary, mirrors add URL --code-file FILE\n`,
    )
  const cp = server.publishedCp()
  manager.ready(`serving ${url} role=${role} cp=${cp}`)
  if (flags.json) printJson(context, { ready: url, role, cp })
  else printLine(context, `ready ${url} role=${role} cp=${cp}`)

  const end = await Promise.race([
    signal.then((name) => ({ name, error: null })),
    server.failed.then((error) => ({ name: null, error })),
  ])
  stopGuarding()
  if (end.name === null) {
    manager.failed(end.error.message)
    context.process.stderr.write(`stillpoint: ${end.error.message}\n`)
    await Promise.race([server.abandon(), clock.sleep(endMsMax)])
    return context.exit(exitPoisoned)
  }
  log.info('stopping', { signal: end.name })
  manager.stopping(`stopping after ${end.name}`)
  context.signal().then(
    () => context.exit(exitFailed),
    () => undefined,
  )
  const failed = server.failed.then(() => exitPoisoned)
  const code = await Promise.race([server.stop().then(() => 0), failed])
  context.exit(code)
}
