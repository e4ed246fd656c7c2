/** What a person can put right: said in one line, without a stack. */
export class CliError extends Error {
  override readonly name: string = 'CliError'
}

/** There is no answer: nothing that follows would get one. */
export class UnreachableError extends CliError {
  override readonly name = 'UnreachableError'
}
