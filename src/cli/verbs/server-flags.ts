/**
 * The flags of `serve` and `mirror`, from the table of options. Values stay text; the configuration parses each
 * value.
 */
import { jsonFlag } from '../command/common-flags.ts'
import { type Loss, losses } from '../../server/losses.ts'
import type { RawOptions } from '../../server/configuration/configuration.ts'
import { serverOptions, type ServerOptionName } from '../../server/configuration/server-options.ts'

export interface MirrorFlags {
  readonly json: boolean
  readonly config?: string
  readonly data?: string
  readonly listen?: string
  readonly secretFile?: string
  readonly nodeCacheBytesMax?: string
  readonly catalogFiles?: string
  readonly catalogChangeRowsMax?: string
  readonly catalogChangeDaysMax?: string
  readonly logLevel?: string
  readonly acceptLoss?: readonly Loss[]
}

export interface ServeFlags extends MirrorFlags {
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

export const mirrorFlags = {
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
  nodeCacheBytesMax: flag('nodeCacheBytesMax'),
  catalogFiles: flag('catalogFiles'),
  catalogChangeRowsMax: flag('catalogChangeRowsMax'),
  catalogChangeDaysMax: flag('catalogChangeDaysMax'),
  logLevel: flag('logLevel'),
  acceptLoss: {
    kind: 'enum',
    values: losses,
    variadic: true,
    brief: 'Open without what cannot be read any more, and say what is lost',
    optional: true,
  },
} as const

export const serveFlags = {
  ...mirrorFlags,
  mirror: { ...flag('mirrors'), variadic: true },
  cpIntervalMs: flag('cpIntervalMs'),
  queueBytesMax: flag('queueBytesMax'),
  volumeBytesMax: flag('volumeBytesMax'),
  logBytes: flag('logBytes'),
  recordChecksum: flag('recordChecksum'),
  recordEncoding: flag('recordEncoding'),
} as const

export function rawOptions(flags: ServeFlags): RawOptions {
  const { mirror, json: _json, config: _config, acceptLoss: _acceptLoss, ...rest } = flags
  return { ...rest, ...(mirror === undefined ? {} : { mirrors: mirror }) }
}
