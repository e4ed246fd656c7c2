/** A failed assertion is a bug in Stillpoint, never bad input: the process must stop. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Like a failed assertion, for a text that is put together only when it is needed. */
export function bug(message: string): never {
  throw new AssertionError(message)
}

/** For the default branch of a switch that covers every case. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}
