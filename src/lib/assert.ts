/** A failed assertion is a bug in Stillpoint, never bad input: the process must stop. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Fails like an assertion, for a caller that builds the message only when its own check has failed. */
export function bug(message: string): never {
  throw new AssertionError(message)
}

/** The default branch of a switch that covers every case calls this function. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}
