/**
 * The pots that requests in progress are counted in, so that those of one kind, or of one client, leave room for the
 * others: the usual ones, those that wait for something that is yet to come, and those by which operators watch. A request
 * that is answered at once is never counted, and what peers send has bounds of its own.
 */
import { StillpointError } from '../../lib/errors.ts'
import { Pot, type PotLimits } from '../../lib/gates/pot.ts'
import type { RefusalReason, Refusals } from './refusals.ts'

export const potNames = ['requests', 'waits', 'system'] as const
type PotName = (typeof potNames)[number]
export type PotsLimits = Readonly<Record<PotName, PotLimits>>

export const potsDefault: PotsLimits = {
  requests: { most: 4096, mostOfClient: 1024 },
  waits: { most: 4096, mostOfClient: 1024 },
  system: { most: 256, mostOfClient: 64 },
}

/** A consistency point, or a mirror, that a request waits for without being asked to. */
const postedWait = /^\/v1\/(?:cps|mirrors)(?:\?|$)/
/** Parameters are known by their decoded names and values, so a percent sign may spell any of them. */
const waitingQuery = /%|wait=|mirrored/

const watching = /^\/(?:healthz|readyz|metrics)(?:\?|$)/

/** `path` is the place in the URL where the path begins. */
export function potOf(method: string, url: string, path: number): PotName {
  if (!url.startsWith('/v1/', path)) return watching.test(url.slice(path, path + 16)) ? 'system' : 'requests'
  if (method === 'POST' && postedWait.test(url.slice(path, path + 16))) return 'waits'
  // A revocation waits for all mirrors.
  if (method === 'DELETE' && url.startsWith('/v1/tokens/', path)) return 'waits'
  const query = url.indexOf('?', path)
  return query !== -1 && waitingQuery.test(url.slice(query)) ? 'waits' : 'requests'
}

const words: Readonly<Record<PotName, string>> = {
  requests: 'requests',
  waits: 'waiting requests',
  system: 'requests for health and metrics',
}

export class Pots {
  private readonly pots: Readonly<Record<PotName, Pot<Request>>>

  constructor(
    private readonly limits: PotsLimits,
    clientOf: (request: Request) => string,
    private readonly refusals: Refusals,
  ) {
    const pot = (name: PotName) => new Pot<Request>(limits[name], clientOf)
    this.pots = { requests: pot('requests'), waits: pot('waits'), system: pot('system') }
  }

  size(name: PotName): number {
    return this.pots[name].size
  }

  /** Null when the request may begin. */
  refusal(name: PotName, request: Request): StillpointError | null {
    const why = this.pots[name].refusal(request)
    if (why === null) return null
    const { most, mostOfClient } = this.limits[name]
    const reason: RefusalReason = why === 'full' ? name : `${name}-of-client`
    this.refusals.count(reason)
    return why === 'full'
      ? new StillpointError('busy', `at most ${most} ${words[name]} at once`)
      : new StillpointError(
          'too-many-requests',
          `at most ${mostOfClient} ${words[name]} of one client at once`,
        )
  }

  enter(name: PotName, request: Request): void {
    this.pots[name].enter(request)
  }

  leave(name: PotName, request: Request): void {
    this.pots[name].leave(request)
  }
}
