/** A failure that a person can put right: a command prints the message in one line, without a stack. */
export class UserError extends Error {
  override readonly name: string = 'UserError'
}

/** The command line is wrong, or what the environment or a file of options says for it. */
export class UsageError extends UserError {
  override readonly name: string = 'UsageError'
}
