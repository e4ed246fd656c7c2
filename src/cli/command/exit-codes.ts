export const exitFailed = 1
/** The command line is wrong. */
export const exitUsage = 2
/** The volume is of a later version of this program: it is sound, and nothing was written. */
export const exitNewerFormat = 3
/**
 * The engine is poisoned: the device cannot be trusted any more, and the process has ended. A bug has the same code.
 */
export const exitPoisoned = 70

export const exitCodes: Readonly<Record<number, string>> = {
  0: 'Success',
  [exitFailed]: 'Failure: one line on standard error, as JSON with --json',
  [exitUsage]: 'Wrong command line',
  [exitNewerFormat]: 'A volume of a later version of Stillpoint',
  [exitPoisoned]: 'The device of a server cannot be trusted any more, or a bug',
}
