/** The closed list of error codes of the public contract, with the HTTP status and the title of each. */
import { getSystemErrorMap } from 'node:util'

export const errorCodes = {
  'bad-path': [400, 'The path is not valid'],
  'bad-parameter': [400, 'A parameter is not valid'],
  'bad-json': [400, 'The body is not valid JSON for this operation'],
  'bad-cursor': [400, 'The cursor does not belong to this listing'],
  'bad-sql': [400, 'The query is not one that is taken'],
  'digest-mismatch': [400, 'The body does not match its digest'],
  'metadata-too-large': [400, 'The metadata is too large'],
  unauthorized: [401, 'Authentication is required'],
  forbidden: [403, 'This is not allowed'],
  'not-found': [404, 'There is nothing here'],
  'is-a-directory': [409, 'This is a directory'],
  'not-a-directory': [409, 'This is not a directory'],
  'is-a-link': [409, 'This is a symbolic link'],
  exists: [409, 'The target exists'],
  'into-itself': [409, 'A directory cannot be moved into itself'],
  'directory-not-empty': [409, 'The directory is not empty'],
  'opening-changed': [409, 'The server was started anew in between'],
  'method-not-allowed': [405, 'The method is not allowed here'],
  'precondition-failed': [412, 'A precondition failed'],
  'cp-gone': [410, 'This consistency point is no longer readable'],
  'cp-lost': [410, 'This consistency point was abandoned by a failover'],
  'range-not-satisfiable': [416, 'The range is beyond the end'],
  'wrong-host': [421, 'This server does not answer for this host'],
  'too-many-requests': [429, 'This client asks for too much at once'],
  'too-large': [413, 'This is too large'],
  'sql-limit': [413, 'The query needs more than a limit allows'],
  'unsupported-media-type': [415, 'The media type is not supported'],
  'not-yet': [503, 'Not reached yet'],
  busy: [503, 'Too many connections'],
  'catalog-unready': [503, 'The catalog cannot be asked now'],
  'too-many-pins': [503, 'Too many consistency points are kept readable'],
  fenced: [503, 'This server may not change anything'],
  poisoned: [503, 'A write to the device failed; the process is ending'],
  'newer-format': [503, 'This volume was written by a newer version'],
  'older-format': [503, 'This volume was written before version 1 of the format'],
  corrupt: [500, 'Stored bytes do not match their checksum'],
  'disk-full': [507, 'There is no space left'],
  internal: [500, 'Internal error'],
} as const satisfies Record<string, readonly [number, string]>

export type ErrorCode = keyof typeof errorCodes

/** An error that may happen: bad input, a full disk, corrupt bytes, a lost peer. `help` has facts for the caller. */
export class StillpointError extends Error {
  override readonly name = 'StillpointError'
  constructor(
    readonly code: ErrorCode,
    detail: string,
    readonly help: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(detail, options)
  }
}

export function hasCode<C extends ErrorCode>(
  error: unknown,
  code: C,
): error is StillpointError & { readonly code: C } {
  return error instanceof StillpointError && error.code === code
}

/** The code that the system or SQLite gave to an error, such as `ENOENT`. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The reason of a failed call of the system in words, with its code: `no such file or directory (ENOENT)`. */
export function reasonOf(error: unknown): string {
  const code = systemCodeOf(error)
  if (code === undefined) return error instanceof Error ? error.message : String(error)
  const words = wordsOf.get(code)
  return words === undefined ? code : `${words} (${code})`
}

const wordsOf: ReadonlyMap<string, string> = new Map(getSystemErrorMap().values())
