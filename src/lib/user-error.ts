/** A failure that a person can put right: a command prints the message in one line, without a stack. */
export class UserError extends Error {
  override readonly name: string = 'UserError'
}
