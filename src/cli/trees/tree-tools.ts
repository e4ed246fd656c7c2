/** Parts that every copy of a tree needs, and what a signal leaves behind: nothing. */
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { CliContext } from '../command/context.ts'
import { Patience } from './patience.ts'
import { TemporaryFiles } from './temporary-files.ts'

export const patienceOf = ({ clock, random }: { readonly clock: Clock; readonly random: Random }): Patience =>
  new Patience(clock, () => random.bytes(1)[0]! / 256)

/** Numbers of the signals, which the exit code of an ended process has in it. */
const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }
const signalExit = 128

/** Calls back when a signal asks this process to end, with the exit code that says so. */
export function atSignal(context: CliContext, work: (exitCode: number) => void): void {
  context.signal().then(
    (name) => work(signalExit + (signalNumbers[name] ?? 0)),
    () => undefined,
  )
}

/** Temporary files that a signal to this process removes before the process ends. */
export function temporariesOf(context: CliContext): TemporaryFiles {
  const temporaries = new TemporaryFiles(context.random)
  atSignal(context, (exitCode) => {
    temporaries.removeAll()
    context.exit(exitCode)
  })
  return temporaries
}
