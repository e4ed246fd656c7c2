/**
 * Takes over a renewed certificate while the server runs: looks at both files now and then, and hands on each new pair
 * that is whole. Files that cannot be used leave the old pair in force, with one warning for each state of the files;
 * they are read again at each look, because somebody may be writing them.
 */
import type { Clock } from '../../lib/clock.ts'
import { logger } from '../../lib/log.ts'
import type { TlsPair } from './tls-pair.ts'

const log = logger('tls')

export const lookMs = 2000

interface TlsWatchOptions {
  readonly clock: Clock
  /** Pair that is in force. */
  readonly current: TlsPair
  /** Changes with the files. */
  readonly stamp: () => string
  /** Throws when the files are no pair. */
  readonly read: () => TlsPair
  readonly take: (pair: TlsPair) => void
}

/** Watches until the caller calls the returned function. */
export function watchTls({ clock, current, stamp, read, take }: TlsWatchOptions): () => void {
  let inForce = current
  let taken = stamp()
  let warned: string | null = null
  let cancel = (): void => {}
  const look = (): void => {
    const now = stamp()
    if (now !== taken) {
      try {
        const pair = read()
        if (pair.fingerprint !== inForce.fingerprint || pair.cert !== inForce.cert) {
          take(pair)
          inForce = pair
        }
        // A file that has changed since is read at the next look.
        taken = now
      } catch (error) {
        if (warned !== now)
          log.warning('the new certificate is not taken, the old one stays: {reason}', {
            reason: error instanceof Error ? error.message : String(error),
          })
        warned = now
      }
    }
    cancel = clock.after(lookMs, look)
  }
  cancel = clock.after(lookMs, look)
  return () => cancel()
}
