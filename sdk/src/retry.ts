/**
 * When a request is sent again, and after how long. Delays double from `firstDelayMs`, with chance in them so that
 * clients that were refused together do not come back together; what the server asks for is respected.
 */
import { ClientError } from './client-error.ts'

const firstDelayMs = 250
const delayMsMax = 8_000
/** A server that wants to be left alone for longer has refused. */
const retryAfterMsMax = 30_000

/** `attempt` is 0 for the first delay; `random` is from 0 to below 1. */
export function delayMs(attempt: number, error: unknown, random: number): number {
  const grown = Math.min(delayMsMax, firstDelayMs * 2 ** attempt)
  const asked = error instanceof ClientError ? (error.retryAfterMs ?? 0) : 0
  return Math.max(asked, grown * (0.5 + random / 2))
}

/**
 * The server has done nothing, and asks to be asked again. A CP that is not reached yet is no such refusal: how long
 * to wait for it is the caller's `wait`.
 */
export function isRefusedForNow(error: unknown): boolean {
  return (
    error instanceof ClientError &&
    (error.status === 503 || error.status === 429) &&
    error.code !== 'not-yet' &&
    error.retryAfterMs !== null &&
    error.retryAfterMs <= retryAfterMsMax
  )
}

/** No answer, or half of one: whatever was asked for may have happened. */
export function isInDoubt(error: unknown): boolean {
  return error instanceof ClientError && (error.code === 'unreachable' || error.code === 'cut-short')
}

/** Another server may do better: this one is away, in trouble, damaged, behind, or talks nonsense. */
export function mayGoElsewhere(error: unknown): boolean {
  return (
    isInDoubt(error) ||
    (error instanceof ClientError && error.code === 'bad-answer') ||
    (error instanceof ClientError && error.status !== null && isTrouble(error.status))
  )
}

const isTrouble = (status: number): boolean => status >= 500 || status === 429
