/**
 * Small files with something secret in them. Such a file is a regular file that only its owner can use: what others
 * can read is no secret, and what others can write is nobody's choice.
 *
 * Errors: UserError, one line.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { systemCodeOf } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'
import { bounds } from './server-options.ts'

/** Permission bits of the group and of others. */
const foreignBits = 0o077

/** `what` names the file in errors, as in `token file`. */
export function readPrivateFile(path: string, what: string): string {
  let descriptor: number
  try {
    // A pipe would let the open wait for a writer.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw new UserError(`cannot read the ${what} ${path}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    })
  }
  try {
    // The opened file is looked at, not the name: the name may lead to another file by now.
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw new UserError(`the ${what} ${path} is not a regular file`)
    if ((stat.mode & foreignBits) !== 0)
      throw new UserError(`others may use the ${what} ${path}: chmod 600 ${path}`)
    if (stat.size > bounds.fileBytesMax) throw new UserError(`the ${what} ${path} is too long`)
    const bytes = Buffer.alloc(bounds.fileBytesMax)
    return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, bytes.length, 0))
  } finally {
    closeSync(descriptor)
  }
}
