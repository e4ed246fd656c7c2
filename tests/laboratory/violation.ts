/** What a checker throws: a promise of the design that did not hold. Everything else that escapes is a bug of its own. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

export function must(holds: boolean, what: string | (() => string)): asserts holds {
  if (!holds) throw new Violation(typeof what === 'string' ? what : what())
}
