import { configure, getLogger, type Logger, jsonLinesFormatter, type LogRecord } from '@logtape/logtape'

/** A named logger; silent until `startLogging` has been called, so tests and libraries say nothing. */
export const logger = (name: string): Logger => getLogger(['stillpoint', name])

export type LogLevel = 'debug' | 'info' | 'warning' | 'error'

let started: LogLevel | null = null
/** The level that `startLogging` was given, for another thread of the process; null while all loggers are silent. */
export const startedLevel = (): LogLevel | null => started

/** Logs go to stderr as JSON lines: stdout belongs to answers and the `ready` line. */
export async function startLogging(level: LogLevel): Promise<void> {
  started = level
  await configure({
    reset: true,
    sinks: { stderr: (record: LogRecord) => process.stderr.write(jsonLinesFormatter(record)) },
    loggers: [
      { category: 'stillpoint', lowestLevel: level, sinks: ['stderr'] },
      { category: ['logtape', 'meta'], lowestLevel: 'error', sinks: ['stderr'] },
    ],
  })
}
