/** Time and chance: the only file that knows them, so that a test owns both. */
export interface Timers {
  /** Milliseconds that never go back. */
  monotonic(): number
  /** Calls back once after `ms` milliseconds; the returned function cancels the call. */
  after(ms: number, callback: () => void): () => void
}

export const systemTimers: Timers = {
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}

/** From 0 to below 1. */
export const systemRandom = (): number => Math.random()

/** 16 random bytes in hexadecimal. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Rejects with the reason of the signal. */
export async function pause(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  let end = (): void => {}
  try {
    await new Promise<void>((resolve, reject) => {
      const cancel = timers.after(ms, resolve)
      const onAbort = (): void => reject(signal!.reason as Error)
      signal?.addEventListener('abort', onAbort)
      end = () => {
        cancel()
        signal?.removeEventListener('abort', onAbort)
      }
    })
  } finally {
    end()
  }
}
