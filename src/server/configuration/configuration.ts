/**
 * The configuration of a server. Flags come before the environment, the environment before a TOML file, the file
 * before the defaults.
 *
 * - Every source is checked by the same schema, and an unknown key of the file is an error, so that no typing error
 *   silently leaves a default in force.
 * - A server without a secret listens on loopback only.
 *
 * Errors: UserError, one line that spells the option as its source does.
 */
import { readFileSync } from 'node:fs'
import { parse as parseToml } from 'smol-toml'
import * as v from 'valibot'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { UserError } from '../../lib/user-error.ts'
import { formatAddress, isLoopback, type ListenAddress, parseListen } from './listen.ts'
import {
  bounds,
  checksumChoices,
  encodingChoices,
  environmentName,
  flagName,
  listenDefault,
  logLevelChoices,
  serverOptions,
  type ServerOptionName,
  switchChoices,
} from './server-options.ts'

export interface ServerConfiguration {
  /** Folder of the volume. */
  readonly data: string
  readonly listen: ListenAddress
  /** Origins, without a trailing slash. */
  readonly mirrors: readonly string[]
  /** Null means that the server listens on loopback only and asks nobody for a secret. */
  readonly secret: string | null
  readonly cpIntervalMs: number
  readonly queueBytesMax: number
  readonly nodeCacheBytesMax: number
  /** Limit of a new volume. */
  readonly volumeBytesMax: number
  /**
   * Limit that the operator asked for, in bytes; a volume that exists may grow to this limit. Null when none is
   * given.
   */
  readonly raiseVolumeTo: number | null
  readonly logBytes: number
  readonly recordChecksum: (typeof checksumChoices)[number]
  readonly recordEncoding: (typeof encodingChoices)[number]
  readonly catalogFiles: boolean
  readonly catalogChangeRowsMax: number
  readonly catalogChangeDaysMax: number
  readonly logLevel: (typeof logLevelChoices)[number]
}

/** Flags and variables are text; a file has types of its own. */
type RawValue = string | number | readonly string[]
export type RawOptions = { readonly [K in ServerOptionName]?: RawValue | undefined }

interface ConfigurationSources {
  readonly flags: RawOptions
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Path of the file that a flag names; otherwise `STILLPOINT_CONFIG` may name a file. */
  readonly file: string | undefined
}

const text = v.pipe(v.string('is not text'), v.minLength(1, 'is empty'), v.maxLength(4096, 'is too long'))

const whole = (least: number, most: number, unit: 'ms' | 'bytes' | 'rows' | 'days') =>
  v.pipe(
    v.union([v.string(), v.number()], 'is not a number'),
    v.transform((value) => (unit === 'bytes' ? parseBytes(value) : Number(value))),
    v.safeInteger(
      unit === 'bytes' ? 'is not a number of bytes (as in 1048576, 64MiB, 1GiB)' : 'is not a whole number',
    ),
    v.minValue(least, `is less than ${least}`),
    v.maxValue(most, `is more than ${most}`),
  )

const choice = <const T extends readonly string[]>(choices: T) =>
  v.picklist(choices, `is not one of ${choices.join(', ')}`)

const mirrorUrl = v.pipe(
  text,
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const url = URL.parse(dataset.value)
    const problem =
      url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')
        ? 'is not an http or https URL'
        : url.pathname !== '/' ||
            url.search !== '' ||
            url.hash !== '' ||
            url.username !== '' ||
            url.password !== ''
          ? 'is more than scheme, host and port'
          : url.origin.length > bounds.mirrorUrlBytesMax
            ? 'is too long'
            : null
    if (url !== null && problem === null) return url.origin
    addIssue({ message: problem ?? 'is not an http or https URL' })
    return NEVER
  }),
)

const schemas = {
  data: text,
  listen: v.pipe(
    text,
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const address = parseListen(dataset.value)
      if (address !== null) return address
      addIssue({ message: 'is not HOST:PORT (as in 127.0.0.1:7070 or [::1]:7070)' })
      return NEVER
    }),
  ),
  mirrors: v.pipe(
    v.union(
      [
        v.array(text),
        v.pipe(
          text,
          v.transform((value) => value.split(',').map((url) => url.trim())),
        ),
      ],
      'is not a list of URLs',
    ),
    v.maxLength(bounds.mirrorsMax, `has more than ${bounds.mirrorsMax} entries`),
    v.array(mirrorUrl),
    v.transform((urls) => [...new Set(urls)]),
  ),
  secretFile: text,
  cpIntervalMs: whole(bounds.cpIntervalMsMin, bounds.cpIntervalMsMax, 'ms'),
  queueBytesMax: whole(bounds.queueBytesMin, bounds.queueBytesLimit, 'bytes'),
  nodeCacheBytesMax: whole(bounds.nodeCacheBytesMin, bounds.nodeCacheBytesLimit, 'bytes'),
  volumeBytesMax: whole(bounds.volumeBytesMin, bounds.volumeBytesLimit, 'bytes'),
  logBytes: whole(bounds.logBytesMin, bounds.logBytesLimit, 'bytes'),
  recordChecksum: choice(checksumChoices),
  recordEncoding: choice(encodingChoices),
  catalogFiles: choice(switchChoices),
  catalogChangeRowsMax: whole(0, bounds.catalogChangeRowsLimit, 'rows'),
  catalogChangeDaysMax: whole(1, bounds.catalogChangeDaysLimit, 'days'),
  logLevel: choice(logLevelChoices),
} as const

export function readConfiguration(
  role: 'primary' | 'mirror',
  sources: ConfigurationSources,
): ServerConfiguration {
  const file = readFile(sources.file ?? nonEmpty(sources.environment['STILLPOINT_CONFIG']))
  /**
   * Gives the checked value of the first source that has the option. An error spells the option as that source does.
   */
  function option<K extends ServerOptionName>(
    name: K,
    fallback: RawValue | undefined,
  ): v.InferOutput<(typeof schemas)[K]> | undefined {
    const [from, value] = firstSaid(name, sources, file, fallback)
    if (value === undefined) return undefined
    const result = v.safeParse(schemas[name], value)
    if (result.success) return result.output
    throw new UserError(
      `${from} ${result.issues[0].message}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
  }
  const data = option('data', undefined)
  if (data === undefined) throw new UserError('--data DIR is needed')
  const secretFile = option('secretFile', undefined)
  const secret = secretFile === undefined ? null : readSecret(secretFile)
  const listen = option('listen', listenDefault[role])!
  if (secret === null && !isLoopback(listen.host))
    throw new UserError(
      `to listen on ${formatAddress(listen)} a secret is needed (--secret-file): without one only loopback`,
    )
  const mirrors = option('mirrors', [])!
  if (role === 'mirror' && mirrors.length > 0)
    throw new UserError('a mirror has no mirrors of its own (--mirror)')
  const volumeBytesMax = option('volumeBytesMax', defaultOf('volumeBytesMax'))!
  const logBytes = option('logBytes', defaultOf('logBytes'))!
  if (logBytes > volumeBytesMax * bounds.logShareMax)
    throw new UserError(
      `a log of ${logBytes} bytes (--log-bytes) is more than a quarter of the volume (--volume-bytes-max ${volumeBytesMax})`,
    )
  return {
    data,
    listen,
    mirrors,
    secret,
    cpIntervalMs: option('cpIntervalMs', defaultOf('cpIntervalMs'))!,
    queueBytesMax: option('queueBytesMax', defaultOf('queueBytesMax'))!,
    nodeCacheBytesMax: option('nodeCacheBytesMax', defaultOf('nodeCacheBytesMax'))!,
    volumeBytesMax,
    raiseVolumeTo: option('volumeBytesMax', undefined) ?? null,
    logBytes,
    recordChecksum: option('recordChecksum', defaultOf('recordChecksum'))!,
    recordEncoding: option('recordEncoding', defaultOf('recordEncoding'))!,
    catalogFiles: option('catalogFiles', defaultOf('catalogFiles')) === 'on',
    catalogChangeRowsMax: option('catalogChangeRowsMax', defaultOf('catalogChangeRowsMax'))!,
    catalogChangeDaysMax: option('catalogChangeDaysMax', defaultOf('catalogChangeDaysMax'))!,
    logLevel: option('logLevel', defaultOf('logLevel'))!,
  }
}

const optionOf = (name: ServerOptionName) => serverOptions.find((option) => option.name === name)!
const defaultOf = (name: ServerOptionName): string | undefined => optionOf(name).default ?? undefined
/** A variable that is set to the empty text counts as absent. */
const nonEmpty = (value: string | undefined): string | undefined => (value === '' ? undefined : value)

interface ConfigurationFile {
  readonly path: string
  readonly values: Readonly<Record<string, unknown>>
}

function firstSaid(
  name: ServerOptionName,
  sources: ConfigurationSources,
  file: ConfigurationFile | null,
  fallback: RawValue | undefined,
): readonly [from: string, value: unknown] {
  const flag = sources.flags[name]
  if (flag !== undefined && !(Array.isArray(flag) && flag.length === 0))
    return [`--${flagName(optionOf(name))}`, flag]
  const variable = environmentName(name)
  const fromEnvironment = nonEmpty(sources.environment[variable])
  if (fromEnvironment !== undefined) return [variable, fromEnvironment]
  if (file !== null && name in file.values) return [`${name} in ${file.path}`, file.values[name]]
  return [name, fallback]
}

function readFile(path: string | undefined): ConfigurationFile | null {
  if (path === undefined) return null
  const content = readSmallFile(path, 'configuration file')
  let values: Record<string, unknown>
  try {
    values = parseToml(content)
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0]! : String(error)
    throw new UserError(`the configuration file ${path} is not TOML: ${reason}`, { cause: error })
  }
  const known: readonly string[] = serverOptions.map((option) => option.name)
  const unknown = Object.keys(values).find((key) => !known.includes(key))
  if (unknown !== undefined) throw new UserError(`${path} has an unknown option: ${unknown}`)
  return { path, values }
}

function readSecret(path: string): string {
  const secret = readSmallFile(path, 'secret file').trim()
  const length = encodeUtf8(secret).length
  if (length < bounds.secretBytesMin || length > bounds.secretBytesMax)
    throw new UserError(
      `the secret in ${path} has to have ${bounds.secretBytesMin} to ${bounds.secretBytesMax} bytes`,
    )
  // The secret travels in a header, so only visible ASCII is allowed.
  if (!/^[\x21-\x7e]+$/.test(secret))
    throw new UserError(`the secret in ${path} has to be visible ASCII without spaces`)
  return secret
}

function readSmallFile(path: string, what: string): string {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new UserError(`cannot read the ${what} ${path}: ${code}`, { cause: error })
  }
  if (content.length > bounds.fileBytesMax) throw new UserError(`the ${what} ${path} is too long`)
  return content
}

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** NaN for text that is no number of bytes. */
export function parseBytes(value: string | number): number {
  if (typeof value === 'number') return value
  const match = /^(\d{1,16})\s*(|KiB|MiB|GiB|TiB)$/.exec(value.trim())
  return match === null ? Number.NaN : Number(match[1]) * unitBytes[match[2]!]!
}
