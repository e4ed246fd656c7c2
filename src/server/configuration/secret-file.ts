/**
 * Reads a file that holds a secret: a regular file of this user, or of root, that nobody else can read or write, of a
 * bounded size. A pipe is not waited for. Errors: UserError, one line.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { reasonOf } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'

interface SecretFileLimits {
  /** How the file is called in messages. */
  readonly what: string
  readonly bytesMax: number
}

/** A token with white space around it. */
export const tokenFileLimits: SecretFileLimits = { what: 'token file', bytesMax: 4096 }

/** The whole content. Symbolic links are followed: the file at their end counts. */
export function readPrivateFile(path: string, { what, bytesMax }: SecretFileLimits): string {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch (error) {
    throw new UserError(`cannot read the ${what} ${path}: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  try {
    const { mode, uid, size, isFile } = kindOf(file)
    if (!isFile) throw new UserError(`the ${what} ${path} has to be a regular file`)
    const self = process.getuid?.()
    if (self !== undefined && uid !== self && uid !== 0)
      throw new UserError(`the ${what} ${path} belongs to another user (chown it)`)
    if ((mode & 0o077) !== 0)
      throw new UserError(`the ${what} ${path} is open to other users (chmod 600 ${path})`)
    if (size > bytesMax) throw new UserError(`the ${what} ${path} has more than ${bytesMax} bytes`)
    return contentOf(file, bytesMax)
  } finally {
    closeSync(file)
  }
}

/** One word of visible ASCII, with white space around it. */
export function readSecretFile(
  path: string,
  { bytesMin, ...limits }: SecretFileLimits & { readonly bytesMin: number },
): string {
  const secret = readPrivateFile(path, limits).trim()
  const { length } = encodeUtf8(secret)
  if (length < bytesMin || length > limits.bytesMax)
    throw new UserError(`the ${limits.what} ${path} has to have ${bytesMin} to ${limits.bytesMax} bytes`)
  if (!/^[\x21-\x7e]+$/.test(secret))
    throw new UserError(`the ${limits.what} ${path} has to be visible ASCII without spaces`)
  return secret
}

function kindOf(file: number) {
  const found = fstatSync(file)
  return { mode: found.mode, uid: found.uid, size: found.size, isFile: found.isFile() }
}

function contentOf(file: number, bytesMax: number): string {
  const bytes = Buffer.alloc(bytesMax + 1)
  let filled = 0
  for (;;) {
    const count = readSync(file, bytes, filled, bytes.length - filled, null)
    filled += count
    if (count === 0 || filled === bytes.length) break
  }
  return bytes.toString('utf8', 0, Math.min(filled, bytesMax))
}
