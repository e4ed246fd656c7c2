/** Flags that several verbs have. */
import type { CliContext } from './context.ts'
import { Client } from '../../client/client.ts'
import { readFileSync } from 'node:fs'
import { systemCodeOf } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'
import { clientUrlDefault } from '../../server/configuration/server-options.ts'

export const jsonFlag = {
  json: { kind: 'boolean', brief: 'Answer with JSON', default: false, withNegated: false },
} as const

const urlFlag = {
  url: {
    kind: 'parsed',
    parse: String,
    placeholder: 'URL',
    brief: `Server to talk to (default ${clientUrlDefault}, or STILLPOINT_URL)`,
    optional: true,
  },
} as const

const caFlag = {
  ca: {
    kind: 'parsed',
    parse: String,
    placeholder: 'FILE',
    brief:
      'Certificate in PEM that vouches for the server, as its own where that is self-signed (or STILLPOINT_CA)',
    optional: true,
  },
} as const

export interface ClientFlags {
  readonly json: boolean
  readonly url?: string
  readonly ca?: string
}
export const clientFlags = { ...jsonFlag, ...urlFlag, ...caFlag } as const

export interface ReadingFlags {
  readonly cp?: number
  readonly at?: string
  readonly minCp?: number
  readonly wait?: number
}
export const readingFlags = {
  cp: {
    kind: 'parsed',
    parse: parseCount,
    placeholder: 'N',
    brief: 'Read exactly this consistency point',
    optional: true,
  },
  at: {
    kind: 'parsed',
    parse: String,
    placeholder: 'TIME',
    brief: 'Read the newest one of this time (RFC 3339)',
    optional: true,
  },
  minCp: {
    kind: 'parsed',
    parse: parseCount,
    placeholder: 'N',
    brief: 'Read this consistency point or a later one',
    optional: true,
  },
  wait: {
    kind: 'parsed',
    parse: parseCount,
    placeholder: 'SECONDS',
    brief: 'Wait so long until it is published',
    optional: true,
  },
} as const

function parseCount(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw new UserError('a whole number is expected')
  return value
}

export function clientFor(context: CliContext, flags: ClientFlags): Client {
  const { env } = context.process
  const url = flags.url ?? (env['STILLPOINT_URL'] || clientUrlDefault)
  const path = flags.ca ?? env['STILLPOINT_CA'] ?? ''
  if (path === '') return new Client(url, context.fetch)
  const ca = readCa(path)
  return new Client(url, (target, init) => context.fetch(target, { ...init, tls: { ca } }))
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UserError(`cannot read the certificate ${path}: ${systemCodeOf(error)}`, { cause: error })
  }
}
