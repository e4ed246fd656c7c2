/**
 * The flags of `serve` and `mirror`, from the table of options. Values stay text; the configuration parses each
 * value.
 */
import { jsonFlag } from '../command/common-flags.ts'
import { type Loss, losses } from '../../server/losses.ts'
import type { RawOptions } from '../../server/configuration/configuration.ts'
import { serverOptions, type ServerOptionName } from '../../server/configuration/server-options.ts'

interface CommonFlags {
  readonly json: boolean
  readonly config?: string
  readonly data?: string
  readonly listen?: string
  readonly secretFile?: string
  readonly adminTokenFile?: string
  readonly anonymous?: string
  readonly nodeCacheBytesMax?: string
  readonly catalogFiles?: string
  readonly catalogChangeRowsMax?: string
  readonly catalogChangeDaysMax?: string
  readonly catalogEventRowsMax?: string
  readonly sqlMsMax?: string
  readonly sqlRowsMax?: string
  readonly sqlAnswerBytesMax?: string
  readonly sqlValueBytesMax?: string
  readonly sqlMemoryBytesMax?: string
  readonly sqlQueriesMax?: string
  readonly sqlWaitingMax?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly insecureHttp?: string
  readonly allowedHost?: readonly string[]
  readonly corsOrigin?: readonly string[]
  readonly requestsMax?: string
  readonly clientRequestsMax?: string
  readonly uploadBytesMax?: string
  readonly downloadBytesMax?: string
  readonly idleSeconds?: string
  readonly logLevel?: string
  readonly acceptLoss?: readonly Loss[]
}

export interface MirrorFlags extends CommonFlags {
  readonly pair: boolean
}

export interface ServeFlags extends CommonFlags {
  readonly mirror?: readonly string[]
  readonly cpIntervalMs?: string
  readonly queueBytesMax?: string
  readonly volumeBytesMax?: string
  readonly logBytes?: string
  readonly recordChecksum?: string
  readonly recordEncoding?: string
}

const flag = (name: ServerOptionName) => {
  const { brief, placeholder, default: initial } = serverOptions.find((option) => option.name === name)!
  return {
    kind: 'parsed',
    parse: String,
    placeholder,
    brief: initial === null ? brief : `${brief} (default ${initial})`,
    optional: true,
  } as const
}

const commonFlags = {
  ...jsonFlag,
  config: {
    kind: 'parsed',
    parse: String,
    placeholder: 'FILE',
    brief: 'TOML file with options',
    optional: true,
  },
  data: flag('data'),
  listen: flag('listen'),
  secretFile: flag('secretFile'),
  adminTokenFile: flag('adminTokenFile'),
  anonymous: flag('anonymous'),
  nodeCacheBytesMax: flag('nodeCacheBytesMax'),
  catalogFiles: flag('catalogFiles'),
  catalogChangeRowsMax: flag('catalogChangeRowsMax'),
  catalogChangeDaysMax: flag('catalogChangeDaysMax'),
  catalogEventRowsMax: flag('catalogEventRowsMax'),
  sqlMsMax: flag('sqlMsMax'),
  sqlRowsMax: flag('sqlRowsMax'),
  sqlAnswerBytesMax: flag('sqlAnswerBytesMax'),
  sqlValueBytesMax: flag('sqlValueBytesMax'),
  sqlMemoryBytesMax: flag('sqlMemoryBytesMax'),
  sqlQueriesMax: flag('sqlQueriesMax'),
  sqlWaitingMax: flag('sqlWaitingMax'),
  tlsCert: flag('tlsCert'),
  tlsKey: flag('tlsKey'),
  insecureHttp: flag('insecureHttp'),
  allowedHost: { ...flag('allowedHosts'), variadic: true },
  corsOrigin: { ...flag('corsOrigins'), variadic: true },
  requestsMax: flag('requestsMax'),
  clientRequestsMax: flag('clientRequestsMax'),
  uploadBytesMax: flag('uploadBytesMax'),
  downloadBytesMax: flag('downloadBytesMax'),
  idleSeconds: flag('idleSeconds'),
  logLevel: flag('logLevel'),
  acceptLoss: {
    kind: 'enum',
    values: losses,
    variadic: true,
    brief: 'Open without what is lost or given up, and say what that is',
    optional: true,
  },
} as const

export const mirrorFlags = {
  ...commonFlags,
  pair: {
    kind: 'boolean',
    brief: 'Show a pairing code, for a primary that this mirror does not know yet',
    default: false,
    withNegated: false,
  },
} as const

export const serveFlags = {
  ...commonFlags,
  mirror: { ...flag('mirrors'), variadic: true },
  cpIntervalMs: flag('cpIntervalMs'),
  queueBytesMax: flag('queueBytesMax'),
  volumeBytesMax: flag('volumeBytesMax'),
  logBytes: flag('logBytes'),
  recordChecksum: flag('recordChecksum'),
  recordEncoding: flag('recordEncoding'),
} as const

/** A list has a singular flag, because each flag has one value of the list. */
export function rawOptions(flags: ServeFlags & Partial<MirrorFlags>): RawOptions {
  const {
    mirror,
    allowedHost,
    corsOrigin,
    json: _json,
    config: _config,
    acceptLoss: _acceptLoss,
    pair: _pair,
    ...rest
  } = flags
  const lists = { mirrors: mirror, allowedHosts: allowedHost, corsOrigins: corsOrigin }
  return { ...rest, ...lists }
}
