import { configure, getLogger, type Logger, jsonLinesFormatter, type LogRecord } from '@logtape/logtape'

/** A named logger; silent until `startLogging` has been called, so tests and libraries say nothing. */
export const logger = (name: string): Logger => getLogger(['stillpoint', name])

/** Logs go to stderr as JSON lines: stdout belongs to answers and the `ready` line. */
export async function startLogging(level: 'debug' | 'info' | 'warning' | 'error'): Promise<void> {
  await configure({
    reset: true,
    sinks: { stderr: (record: LogRecord) => process.stderr.write(jsonLinesFormatter(record)) },
    loggers: [
      { category: 'stillpoint', lowestLevel: level, sinks: ['stderr'] },
      { category: ['logtape', 'meta'], lowestLevel: 'error', sinks: ['stderr'] },
    ],
  })
}
