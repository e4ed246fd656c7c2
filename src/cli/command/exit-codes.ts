export const exitFailed = 1
/** The command line is wrong. */
export const exitUsage = 2
/** The engine is poisoned: the device cannot be trusted any more, and the process has ended. Bugs end like that too. */
export const exitPoisoned = 70
