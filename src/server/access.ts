/**
 * The door's keys: the tokens of the volume and of the administrator's file, as the configuration says.
 *
 * - On loopback a server is open while it knows no token, has no administrator's file, and was not told `--anonymous`.
 * - Beyond loopback a server is never open, and does not start when nobody could come in.
 */
import { KnownTokens } from '../access/known-tokens.ts'
import { labelMs } from '../format/position.ts'
import type { Clock } from '../lib/clock.ts'
import { UserError } from '../lib/user-error.ts'
import type { ServerConfiguration } from './configuration/configuration.ts'
import { formatAddress, isLoopback } from './configuration/listen.ts'

export const knownTokensOf = (configuration: ServerConfiguration, clock: Clock): KnownTokens =>
  new KnownTokens({
    adminToken: configuration.adminToken,
    anonymousReads: configuration.anonymous === 'read',
    mayBeOpen: isLoopback(configuration.listen.host),
    nowMs: () => labelMs(clock),
  })

/** Throws a UserError that says the ways on. */
export function refuseShutDoor(known: KnownTokens, { listen }: ServerConfiguration): void {
  if (known.isUsable) return
  throw new UserError(
    `to listen on ${formatAddress(listen)} a token is needed: give --admin-token-file FILE with one, ` +
      'or --anonymous read to let everybody read the files (without either only loopback)',
  )
}
