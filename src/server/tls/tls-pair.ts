/**
 * The certificate and the key of the door, as two PEM files.
 *
 * - The pair is taken whole or not at all: a key of another certificate, as between the two writes of a renewal, is
 *   refused.
 * - The key is a regular file that others may not read.
 *
 * Errors: UserError, one line with the way on.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { reasonOf, systemCodeOf } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'

interface TlsFiles {
  readonly cert: string
  readonly key: string
}

export interface TlsPair {
  /** PEM: the certificate, and those that lead to a known one. */
  readonly cert: string
  readonly key: string
  /** SHA-256 of the certificate, in lower-case hexadecimal. */
  readonly fingerprint: string
  readonly expiresAtMs: number
}

const fileBytesMax = 256 * 1024

export function readTlsPair(files: TlsFiles): TlsPair {
  return checkTlsPair(readPem(files.cert, 'certificate'), readPem(files.key, 'key'), files)
}

export function checkTlsPair(cert: string, key: string, files: TlsFiles): TlsPair {
  const certificate = parsed(() => new X509Certificate(cert), `${files.cert} has no certificate in PEM`)
  const privateKey = parsed(
    () => createPrivateKey(key),
    `${files.key} has no private key in PEM without a password`,
  )
  if (!certificate.checkPrivateKey(privateKey))
    throw new UserError(`the key in ${files.key} is not that of the certificate in ${files.cert}`)
  return {
    cert,
    key,
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    expiresAtMs: certificate.validToDate.getTime(),
  }
}

/** Changes whenever either file changes, is replaced, or is another one behind a link. */
export function stampOf(files: TlsFiles): string {
  const stamp = (path: string): string => {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path)
    return [ino, size, mtimeMs, ctimeMs].join()
  }
  try {
    return `${stamp(files.cert)};${stamp(files.key)}`
  } catch (error) {
    return systemCodeOf(error) ?? 'missing'
  }
}

function readPem(path: string, what: 'certificate' | 'key'): string {
  let file: number
  try {
    // A pipe would keep the open waiting.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw new UserError(`cannot read the ${what} ${path}: ${reasonOf(error)}`, { cause: error })
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw new UserError(`the ${what} ${path} is not a regular file`)
    if (what === 'key' && (stat.mode & 0o007) !== 0)
      throw new UserError(`others may read the key ${path}: chmod 600 ${path}`)
    if (stat.size > fileBytesMax) throw new UserError(`the ${what} ${path} is too long`)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function parsed<T>(parse: () => T, message: string): T {
  try {
    return parse()
  } catch (error) {
    throw new UserError(message, { cause: error })
  }
}
