/** The one error of this package. Only an abort is another: a call that the caller's signal ends throws its reason. */
import { serverCodes } from './generated/codes.ts'

export type ServerCode = (typeof serverCodes)[number]

/**
 * A code of the contract, or one of the client's own:
 *
 * - `unreachable`: no answer came. A change that was asked for may have happened.
 * - `cut-short`: an answer began and did not end, or stopped for too long.
 * - `bad-answer`: an answer that is not of the contract, or about something else.
 * - `bad-body`: the body that the caller gave could not be read.
 * - `unknown`: a refusal with a code that this version does not know, or without one; `problem` has what came.
 */
export type ClientErrorCode = ServerCode | 'unreachable' | 'cut-short' | 'bad-answer' | 'bad-body' | 'unknown'

interface Details {
  readonly status?: number
  readonly problem?: Readonly<Record<string, unknown>>
  readonly retryAfterMs?: number
  readonly cause?: unknown
}

export class ClientError extends Error {
  override readonly name = 'ClientError'
  /** Status of the answer that refuses; null where no server refused. */
  readonly status: number | null
  /** Members of the problem document that came with the refusal. */
  readonly problem: Readonly<Record<string, unknown>>
  /** Milliseconds after which the server wants to be asked again; null where the server did not say. */
  readonly retryAfterMs: number | null

  constructor(
    readonly code: ClientErrorCode,
    message: string,
    { status, problem, retryAfterMs, cause }: Details = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.status = status ?? null
    this.problem = problem ?? {}
    this.retryAfterMs = retryAfterMs ?? null
  }
}

const known: ReadonlySet<string> = new Set(serverCodes)
export const isServerCode = (code: string): code is ServerCode => known.has(code)

export function isClientError(error: unknown, ...codes: readonly ClientErrorCode[]): error is ClientError {
  return error instanceof ClientError && (codes.length === 0 || codes.includes(error.code))
}
