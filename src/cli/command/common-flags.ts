/** Flags that several verbs have. */
import type { CliContext, CliFetch } from './context.ts'
import { parseToken } from '../../access/token.ts'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Client } from '../../../sdk/src/client.ts'
import { reasonOf } from '../../lib/errors.ts'
import { UsageError, UserError } from '../../lib/user-error.ts'
import { readPrivateFile, tokenFileLimits } from '../../server/configuration/secret-file.ts'
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

const tokenFlag = {
  tokenFile: {
    kind: 'parsed',
    parse: String,
    placeholder: 'FILE',
    brief:
      'File with the token to show, - for standard input (or STILLPOINT_TOKEN_FILE, or the token itself in STILLPOINT_TOKEN)',
    optional: true,
  },
} as const

export interface ClientFlags {
  readonly json: boolean
  readonly url?: string
  readonly tokenFile?: string
  readonly ca?: string
}
export const clientFlags = { ...jsonFlag, ...urlFlag, ...tokenFlag, ...caFlag } as const

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

export function parseCount(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw new UsageError('a whole number is expected')
  return value
}

/**
 * Throws a UserError that never shows what the file or the variable holds. By default a request is sent once: a person
 * sees a failure at once, and repeats the command.
 */
export async function clientFor(context: CliContext, flags: ClientFlags, retriesMax = 0): Promise<Client> {
  const { env } = context.process
  const url = flags.url ?? (env['STILLPOINT_URL'] || clientUrlDefault)
  const token = await tokenFor(context, flags)
  const path = flags.ca ?? env['STILLPOINT_CA'] ?? ''
  const ca = path === '' ? null : readCa(path)
  const fetch: CliFetch = (target, init) =>
    context.fetch(target, ca === null ? init : { ...init, tls: { ca } })
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new UsageError(`not an http or https URL: ${url}`)
  return new Client(url, { token, fetch, createHash, timers: context.clock, retriesMax })
}

/** Null when the command has no token to show. */
async function tokenFor(context: CliContext, flags: ClientFlags): Promise<string | null> {
  const { env } = context.process
  const file = flags.tokenFile ?? (env['STILLPOINT_TOKEN_FILE'] || null)
  if (file === '-') return checkToken(await new Response(context.stdin()).text(), 'standard input')
  if (file !== null) return checkToken(readPrivateFile(file, tokenFileLimits), `the token file ${file}`)
  const text = env['STILLPOINT_TOKEN']
  return text === undefined || text === '' ? null : checkToken(text, 'STILLPOINT_TOKEN')
}

function checkToken(content: string, where: string): string {
  const text = content.trim()
  if (parseToken(text) !== null) return text
  throw new UserError(`${where} has no token (one token has the form sp_ID_ and 43 characters)`)
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UserError(`cannot read the certificate ${path}: ${reasonOf(error)}`, { cause: error })
  }
}
