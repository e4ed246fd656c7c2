/** A failure that a person can put right: a command says it in one line, without a stack. */
export class UserError extends Error {
  override readonly name: string = 'UserError'
}
