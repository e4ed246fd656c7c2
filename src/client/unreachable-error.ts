import { UserError } from '../lib/user-error.ts'

/** The server gives no answer: no request that follows would get one. */
export class UnreachableError extends UserError {
  override readonly name = 'UnreachableError'
}
