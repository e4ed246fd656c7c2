#!/usr/bin/env bun
/**
 * The program. This file hands to the commands every part of the world that a command may touch. The compiled program is
 * its own sandbox, too, which loads nothing of the commands.
 */
import { sandboxArgument } from '../catalog/sql/sandbox-argument.ts'
import { exitFailed } from './command/exit-codes.ts'
import { systemClock } from '../lib/clock.ts'
import { reasonOf, systemCodeOf } from '../lib/errors.ts'
import { systemRandom } from '../lib/random.ts'

/** A server ends by its own rules, also when nobody reads its output any more. */
const isServing = /^(?:serve|mirror)$/.test(process.argv.slice(2).find((word) => !word.startsWith('-')) ?? '')

const nextSignal = (): Promise<string> =>
  new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(name, () => resolve(name))
  })

async function runCommand(): Promise<number> {
  const { runCli } = await import('./application.ts')
  const { stdout, stderr, env } = process
  stdout.on('error', (error) => {
    if (isServing) return
    // A reader that has seen enough, such as `head`, is no failure.
    if (systemCodeOf(error) === 'EPIPE') process.exit(0)
    stderr.write(`stillpoint: standard output: ${reasonOf(error)}\n`)
    process.exit(exitFailed)
  })
  stderr.on('error', () => {})
  return runCli(process.argv.slice(2), {
    process: { stdout, stderr, env },
    clock: systemClock,
    random: systemRandom,
    fetch,
    stdin: () => Bun.stdin.stream(),
    signal: nextSignal,
    exit: (code) => process.exit(code),
    showsProgress: stderr.isTTY,
    showsOutput: stdout.isTTY,
  })
}

if (process.argv[2] === sandboxArgument) await (await import('../catalog/sql/sandbox-child.ts')).runSandbox()
else process.exitCode = await runCommand()
