/**
 * How a failure is said: one line on stderr, in words for people or as JSON, and an exit code.
 *
 * A failure that a person can put right has no character that a terminal obeys: a message may have words of a server in
 * it. Any other failure is a bug, where the stack helps.
 */
import { ClientError } from '../../sdk/src/client-error.ts'
import { DeviceError } from '../blockdev/block-device.ts'
import { hasCode, StillpointError } from '../lib/errors.ts'
import { UsageError, UserError } from '../lib/user-error.ts'
import { ListenError } from '../routes/http/server.ts'
import type { CliContext } from './command/context.ts'
import { exitFailed, exitNewerFormat, exitPoisoned, exitUsage } from './command/exit-codes.ts'
import { showName } from './command/output.ts'

export interface SaidFailure {
  /** A code of the contract or of the client, or else `usage`, `failed` or `internal`. */
  readonly code: string
  readonly message: string
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitUsage
  if (hasCode(error, 'poisoned')) return exitPoisoned
  return hasCode(error, 'newer-format') ? exitNewerFormat : exitFailed
}

export function failureOf(error: unknown): SaidFailure {
  if (error instanceof StillpointError) {
    const { code, message } = error
    const ways = error.help['waysOut']
    const hint = Array.isArray(ways) ? `; ways out: ${ways.join(', ')}` : ''
    return { code, message: `${showName(message)} (${code})${hint}` }
  }
  if (error instanceof ClientError) return { code: error.code, message: showName(error.message) }
  const isExpected = [UserError, ListenError, DeviceError].some((kind) => error instanceof kind)
  if (error instanceof Error && isExpected)
    return { code: error instanceof UsageError ? 'usage' : 'failed', message: showName(error.message) }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: 'internal', message: `internal error: ${stack}` }
}

/** Failures of one command are one line. */
export function sayFailure({ process }: CliContext, failures: readonly SaidFailure[], isJson: boolean): void {
  const [first] = failures
  if (first === undefined) return
  const message = failures.map((failure) => failure.message).join('; ')
  const line = isJson ? JSON.stringify({ error: { code: first.code, message } }) : `stillpoint: ${message}`
  process.stderr.write(`${line}\n`)
}
