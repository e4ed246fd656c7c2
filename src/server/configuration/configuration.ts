/**
 * The configuration of a server. Flags come before the environment, the environment before a TOML file, the file
 * before the defaults.
 *
 * - Every source is checked by the same schema, and an unknown key of the file is an error, so that no typing error
 *   silently leaves a default in force.
 * - A primary without a secret listens on loopback only. A mirror without one pairs by a code, or is on loopback.
 *
 * Errors: UserError, one line that spells the option as its source does.
 */
import { readFileSync } from 'node:fs'
import { parse as parseToml } from 'smol-toml'
import * as v from 'valibot'
import { parseToken, type PresentedToken } from '../../access/token.ts'
import { reasonOf } from '../../lib/errors.ts'
import { UsageError, UserError } from '../../lib/user-error.ts'
import { formatAddress, isLoopback, type ListenAddress, parseListen } from './listen.ts'
import { readPrivateFile, readSecretFile, tokenFileLimits } from './secret-file.ts'
import {
  anonymousChoices,
  bounds,
  checksumChoices,
  encodingChoices,
  environmentName,
  flagName,
  listenDefault,
  logLevelChoices,
  plainChoices,
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
  /** Key material that primary and mirrors share; null when they pair by a code, or are on loopback. */
  readonly secret: string | null
  /** Token of the administrator's file; null when there is no such file. */
  readonly adminToken: PresentedToken | null
  readonly anonymous: (typeof anonymousChoices)[number]
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
  readonly catalogEventRowsMax: number
  readonly sqlMsMax: number
  readonly sqlRowsMax: number
  readonly sqlAnswerBytesMax: number
  readonly sqlValueBytesMax: number
  readonly sqlMemoryBytesMax: number
  readonly sqlQueriesMax: number
  readonly sqlWaitingMax: number
  /** Null means plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null
  /** Names in Host headers that are answered besides loopback and the address itself. */
  readonly allowedHosts: readonly string[]
  readonly corsOrigins: readonly string[]
  readonly requestsMax: number
  readonly clientRequestsMax: number
  readonly uploadBytesMax: number
  readonly downloadBytesMax: number
  readonly idleSeconds: number
  readonly logLevel: (typeof logLevelChoices)[number]
  /** Names of the options that a flag, the environment or the file gave. */
  readonly given: readonly ServerOptionName[]
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

const whole = (
  least: number,
  most: number,
  unit: 'ms' | 'bytes' | 'rows' | 'days' | 'seconds' | 'requests' | 'queries',
) =>
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

/** As in a Host header: a name or an address, IPv6 in brackets, with a port where only that port is meant. */
const hostName = v.pipe(
  text,
  v.check((value) => {
    const url = URL.parse(`http://${value}/`)
    const plain = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.test(value)
    return url !== null && plain
  }, 'is not a host name (as in files.example or files.example:8443)'),
)

const pageOrigin = v.pipe(
  text,
  v.check(
    (value) => /^https?:/.test(value) && URL.parse(value)?.origin === value,
    'is not an origin (as in https://app.example)',
  ),
)

/** A repeated flag, a variable with commas, or an array in the file. */
const listOf = (entry: typeof mirrorUrl | typeof hostName | typeof pageOrigin, most: number, what: string) =>
  v.pipe(
    v.union(
      [
        v.array(text),
        v.pipe(
          text,
          v.transform((value) => value.split(',').map((item) => item.trim())),
        ),
      ],
      `is not a list of ${what}`,
    ),
    v.maxLength(most, `has more than ${most} entries`),
    v.array(entry),
    v.transform((values) => [...new Set(values)]),
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
  mirrors: listOf(mirrorUrl, bounds.mirrorsMax, 'URLs'),
  secretFile: text,
  adminTokenFile: text,
  anonymous: choice(anonymousChoices),
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
  catalogEventRowsMax: whole(0, bounds.catalogEventRowsLimit, 'rows'),
  sqlMsMax: whole(bounds.sqlMsMin, bounds.sqlMsLimit, 'ms'),
  sqlRowsMax: whole(1, bounds.sqlRowsLimit, 'rows'),
  sqlAnswerBytesMax: whole(bounds.sqlAnswerBytesMin, bounds.sqlAnswerBytesLimit, 'bytes'),
  sqlValueBytesMax: whole(bounds.sqlValueBytesMin, bounds.sqlValueBytesLimit, 'bytes'),
  sqlMemoryBytesMax: whole(bounds.sqlMemoryBytesMin, bounds.sqlMemoryBytesLimit, 'bytes'),
  sqlQueriesMax: whole(0, bounds.sqlQueriesLimit, 'queries'),
  sqlWaitingMax: whole(0, bounds.sqlWaitingLimit, 'queries'),
  tlsCert: text,
  tlsKey: text,
  insecureHttp: choice(plainChoices),
  allowedHosts: listOf(hostName, bounds.hostsMax, 'names'),
  corsOrigins: listOf(pageOrigin, bounds.originsMax, 'origins'),
  requestsMax: whole(bounds.requestsMin, bounds.requestsLimit, 'requests'),
  clientRequestsMax: whole(1, bounds.requestsLimit, 'requests'),
  uploadBytesMax: whole(bounds.doorBytesMin, bounds.doorBytesLimit, 'bytes'),
  downloadBytesMax: whole(bounds.doorBytesMin, bounds.doorBytesLimit, 'bytes'),
  idleSeconds: whole(bounds.idleSecondsMin, bounds.idleSecondsMax, 'seconds'),
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
    throw new UsageError(
      `${from} ${result.issues[0].message}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
  }
  const data = option('data', undefined)
  if (data === undefined) throw new UsageError('--data DIR is needed')
  const secretFile = option('secretFile', undefined)
  const secret =
    secretFile === undefined
      ? null
      : readSecretFile(secretFile, {
          what: 'secret file',
          bytesMin: bounds.secretBytesMin,
          bytesMax: bounds.secretBytesMax,
        })
  const adminTokenFile = option('adminTokenFile', undefined)
  const listen = option('listen', listenDefault[role])!
  const tlsCert = option('tlsCert', undefined)
  const tlsKey = option('tlsKey', undefined)
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError('TLS takes both a certificate (--tls-cert) and its key (--tls-key)')
  const plain = option('insecureHttp', defaultOf('insecureHttp'))
  if (tlsCert === undefined && plain !== 'accept' && !isLoopback(listen.host))
    throw new UsageError(
      `to listen on ${formatAddress(listen)} without TLS lets everybody on the way read and change everything: give --tls-cert and --tls-key (\`stillpoint certificate\` makes a pair), or say --insecure-http accept`,
    )
  const mirrors = option('mirrors', [])!
  if (role === 'mirror' && mirrors.length > 0)
    throw new UsageError('a mirror has no mirrors of its own (--mirror)')
  const volumeBytesMax = option('volumeBytesMax', defaultOf('volumeBytesMax'))!
  const logBytes = option('logBytes', defaultOf('logBytes'))!
  if (logBytes > volumeBytesMax * bounds.logShareMax)
    throw new UsageError(
      `a log of ${logBytes} bytes (--log-bytes) is more than a quarter of the volume (--volume-bytes-max ${volumeBytesMax})`,
    )
  return {
    data,
    listen,
    mirrors,
    secret,
    adminToken: adminTokenFile === undefined ? null : readAdminToken(adminTokenFile),
    anonymous: option('anonymous', defaultOf('anonymous'))!,
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
    catalogEventRowsMax: option('catalogEventRowsMax', defaultOf('catalogEventRowsMax'))!,
    sqlMsMax: option('sqlMsMax', defaultOf('sqlMsMax'))!,
    sqlRowsMax: option('sqlRowsMax', defaultOf('sqlRowsMax'))!,
    sqlAnswerBytesMax: option('sqlAnswerBytesMax', defaultOf('sqlAnswerBytesMax'))!,
    sqlValueBytesMax: option('sqlValueBytesMax', defaultOf('sqlValueBytesMax'))!,
    sqlMemoryBytesMax: option('sqlMemoryBytesMax', defaultOf('sqlMemoryBytesMax'))!,
    sqlQueriesMax: option('sqlQueriesMax', defaultOf('sqlQueriesMax'))!,
    sqlWaitingMax: option('sqlWaitingMax', defaultOf('sqlWaitingMax'))!,
    tls: tlsCert === undefined || tlsKey === undefined ? null : { cert: tlsCert, key: tlsKey },
    allowedHosts: option('allowedHosts', [])!,
    corsOrigins: option('corsOrigins', [])!,
    requestsMax: option('requestsMax', defaultOf('requestsMax'))!,
    clientRequestsMax: option('clientRequestsMax', defaultOf('clientRequestsMax'))!,
    uploadBytesMax: option('uploadBytesMax', defaultOf('uploadBytesMax'))!,
    downloadBytesMax: option('downloadBytesMax', defaultOf('downloadBytesMax'))!,
    idleSeconds: option('idleSeconds', defaultOf('idleSeconds'))!,
    logLevel: option('logLevel', defaultOf('logLevel'))!,
    given: serverOptions
      .map(({ name }) => name)
      .filter((name) => firstSaid(name, sources, file, undefined)[1] !== undefined),
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
    throw new UsageError(`the configuration file ${path} is not TOML: ${reason}`, { cause: error })
  }
  const known: readonly string[] = serverOptions.map((option) => option.name)
  const unknown = Object.keys(values).find((key) => !known.includes(key))
  if (unknown !== undefined) throw new UsageError(`${path} has an unknown option: ${unknown}`)
  return { path, values }
}

function readAdminToken(path: string): PresentedToken {
  const token = parseToken(readPrivateFile(path, tokenFileLimits).trim())
  if (token !== null) return token
  throw new UsageError(
    `the token file ${path} has to hold one token, sp_ID_ and 43 characters (\`stillpoint token new\` prints one)`,
  )
}

function readSmallFile(path: string, what: string): string {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UserError(`cannot read the ${what} ${path}: ${reasonOf(error)}`, { cause: error })
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
