import { UserError } from '../lib/user-error.ts'

/** The server gives no answer, and would give none to a further request either. */
export class UnreachableError extends UserError {
  override readonly name = 'UnreachableError'
}
