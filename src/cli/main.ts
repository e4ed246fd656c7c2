#!/usr/bin/env bun
/** The program. This file hands to the commands every part of the world that a command may touch. */
import { systemClock } from '../lib/clock.ts'
import { systemRandom } from '../lib/random.ts'
import { runCli } from './application.ts'

const nextSignal = (): Promise<string> =>
  new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(name, () => resolve(name))
  })

const { stdout, stderr, env } = process
process.exitCode = await runCli(process.argv.slice(2), {
  process: { stdout, stderr, env },
  clock: systemClock,
  random: systemRandom,
  fetch,
  stdin: () => Bun.stdin.stream(),
  signal: nextSignal,
  exit: (code) => process.exit(code),
  showsProgress: stderr.isTTY,
})
