/**
 * The options of a server, stated once: flags, environment variables, keys of the file, and docs/cli.md all come from
 * this table or are compared with the table.
 */
import { cacheBytesMax } from '../../cp-engine/tree/node-cache.ts'
import {
  growBytesDefault,
  logBytesDefault,
  memberUrlBytesMax,
  volumeBytesLimit,
  volumeBytesMaxDefault,
} from '../../format/geometry.ts'

export interface ServerOption {
  /** Name of the option, which is also the key in the file. */
  readonly name: string
  readonly placeholder: string
  readonly brief: string
  /** Default as a person would type the value; null when the option has none. */
  readonly default: string | null
  /** A list is a repeated flag, a comma-separated variable, or an array in the file. */
  readonly isList?: true
}

const mib = (bytes: number): string => `${bytes / 2 ** 20}MiB`

export const listenDefault = { primary: '127.0.0.1:7070', mirror: '127.0.0.1:7071' } as const
export const clientUrlDefault = `http://${listenDefault.primary}`

export const bounds = {
  mirrorsMax: 8,
  mirrorUrlBytesMax: memberUrlBytesMax,
  cpIntervalMsMin: 10,
  cpIntervalMsMax: 60_000,
  queueBytesMin: 4 * 2 ** 20,
  queueBytesLimit: 8 * 2 ** 30,
  nodeCacheBytesMin: 4 * 2 ** 20,
  nodeCacheBytesLimit: cacheBytesMax,
  volumeBytesMin: 4 * growBytesDefault,
  volumeBytesLimit,
  /** A smaller log could not hold every batch and PATCH that the contract allows. */
  logBytesMin: 2 * 2 ** 20,
  logBytesLimit: 2 ** 30,
  /** Largest share of the volume that the log may take. */
  logShareMax: 1 / 4,
  catalogChangeRowsLimit: 1e9,
  catalogChangeDaysLimit: 36_500,
  catalogEventRowsLimit: 1e9,
  sqlMsMin: 100,
  /** A commit of the catalog waits for a reader twice as long. */
  sqlMsLimit: 30_000,
  sqlRowsLimit: 1_000_000,
  sqlAnswerBytesMin: 64 * 1024,
  sqlAnswerBytesLimit: 64 * 2 ** 20,
  sqlValueBytesMin: 64 * 1024,
  sqlValueBytesLimit: 64 * 2 ** 20,
  sqlMemoryBytesMin: 64 * 2 ** 20,
  sqlMemoryBytesLimit: 4 * 2 ** 30,
  sqlQueriesLimit: 16,
  sqlWaitingLimit: 1_024,
  secretBytesMin: 16,
  secretBytesMax: 4096,
  fileBytesMax: 64 * 1024,
  hostsMax: 64,
  originsMax: 64,
  requestsMin: 16,
  requestsLimit: 65_536,
  doorBytesMin: 16 * 2 ** 20,
  doorBytesLimit: 8 * 2 ** 30,
  /** A request may wait for a minute. */
  idleSecondsMin: 65,
  /** The runtime has one byte for it. */
  idleSecondsMax: 255,
} as const

export const checksumChoices = ['xxh3', 'sha256'] as const
export const encodingChoices = ['raw', 'zstd'] as const
export const switchChoices = ['on', 'off'] as const
export const anonymousChoices = ['nothing', 'read'] as const
export const plainChoices = ['refuse', 'accept'] as const
export const logLevelChoices = ['debug', 'info', 'warning', 'error'] as const

export const serverOptions = [
  { name: 'data', placeholder: 'DIR', brief: 'Folder of the volume', default: null },
  {
    name: 'listen',
    placeholder: 'HOST:PORT',
    brief: 'Address to serve on; anything but loopback needs a secret, and a token or --anonymous read',
    default: `${listenDefault.primary} (mirror: ${listenDefault.mirror})`,
  },
  {
    name: 'mirrors',
    placeholder: 'URL',
    brief: 'A mirror to keep up to date; may be repeated',
    default: null,
    isList: true,
  },
  {
    name: 'secretFile',
    placeholder: 'FILE',
    brief: 'File with the secret that primary and mirrors share',
    default: null,
  },
  {
    name: 'adminTokenFile',
    placeholder: 'FILE',
    brief:
      'File with one token that may do everything, kept outside of the volume; only its owner may use it',
    default: null,
  },
  {
    name: 'anonymous',
    placeholder: anonymousChoices.join('|'),
    brief: 'May whoever shows no token read the files: nothing, or read',
    default: 'nothing',
  },
  {
    name: 'cpIntervalMs',
    placeholder: 'MS',
    brief: 'Longest time between consistency points while something is dirty',
    default: '1000',
  },
  {
    name: 'queueBytesMax',
    placeholder: 'BYTES',
    brief: 'Queued writes that start a consistency point',
    default: mib(32 * 2 ** 20),
  },
  {
    name: 'nodeCacheBytesMax',
    placeholder: 'BYTES',
    brief: 'Memory for address blocks; one operation or a recovery takes more while it needs it',
    default: mib(128 * 2 ** 20),
  },
  {
    name: 'volumeBytesMax',
    placeholder: 'BYTES',
    brief:
      'The volume does not grow beyond this; a larger one than before raises it, a smaller one is ignored',
    default: `${volumeBytesMaxDefault / 2 ** 40}TiB`,
  },
  {
    name: 'logBytes',
    placeholder: 'BYTES',
    brief: 'Size of the intent log; fixed when the volume is made',
    default: mib(logBytesDefault),
  },
  {
    name: 'recordChecksum',
    placeholder: checksumChoices.join('|'),
    brief: 'Checksum of file content; fixed when the volume is made',
    default: 'xxh3',
  },
  {
    name: 'recordEncoding',
    placeholder: encodingChoices.join('|'),
    brief: 'How file content is stored from now on: as it comes, or in zstd where that saves space',
    default: 'raw',
  },
  {
    name: 'catalogFiles',
    placeholder: switchChoices.join('|'),
    brief: 'Whether the catalog has the files, directories and changes, for SQL',
    default: 'on',
  },
  {
    name: 'catalogChangeRowsMax',
    placeholder: 'ROWS',
    brief: 'Changes that the catalog keeps, the newest; 0 keeps none',
    default: '1000000',
  },
  {
    name: 'catalogChangeDaysMax',
    placeholder: 'DAYS',
    brief: 'Age of the oldest change that the catalog keeps',
    default: '30',
  },
  {
    name: 'catalogEventRowsMax',
    placeholder: 'ROWS',
    brief: 'Events that the catalog keeps, the newest; 0 keeps none',
    default: '100000',
  },
  {
    name: 'sqlMsMax',
    placeholder: 'MS',
    brief: 'Longest time of a query in SQL; a commit of the catalog may have to wait so long',
    default: '5000',
  },
  {
    name: 'sqlRowsMax',
    placeholder: 'ROWS',
    brief: 'Rows of an answer in SQL; further ones are left out, and the answer says so',
    default: '100000',
  },
  {
    name: 'sqlAnswerBytesMax',
    placeholder: 'BYTES',
    brief: 'Bytes of the rows of an answer in SQL',
    default: mib(8 * 2 ** 20),
  },
  {
    name: 'sqlValueBytesMax',
    placeholder: 'BYTES',
    brief: 'Bytes of one text or blob in a query in SQL',
    default: mib(2 ** 20),
  },
  {
    name: 'sqlMemoryBytesMax',
    placeholder: 'BYTES',
    brief: 'Memory that a query in SQL may take beyond that of its process',
    default: mib(256 * 2 ** 20),
  },
  {
    name: 'sqlQueriesMax',
    placeholder: 'NUMBER',
    brief: 'Queries in SQL at once, each in a process; one client gets half of them; 0 answers none',
    default: '2',
  },
  {
    name: 'sqlWaitingMax',
    placeholder: 'NUMBER',
    brief: 'Queries in SQL that may wait for their turn; one client gets half of them',
    default: '32',
  },
  {
    name: 'tlsCert',
    placeholder: 'FILE',
    brief:
      'Certificate in PEM, with those that lead to a known one; a new one is taken over without a restart',
    default: null,
  },
  { name: 'tlsKey', placeholder: 'FILE', brief: 'Its key in PEM, which others may not read', default: null },
  {
    name: 'insecureHttp',
    placeholder: plainChoices.join('|'),
    brief:
      'Whether to serve without TLS beyond loopback, where everybody on the way can read and change everything',
    default: 'refuse',
  },
  {
    name: 'allowedHosts',
    placeholder: 'NAME',
    brief: 'Another name of this server, as clients write it in URLs; may be repeated',
    default: null,
    isList: true,
  },
  {
    name: 'corsOrigins',
    placeholder: 'ORIGIN',
    brief: 'Origin of web pages that may use this server, as in https://app.example; may be repeated',
    default: null,
    isList: true,
  },
  {
    name: 'requestsMax',
    placeholder: 'NUMBER',
    brief: 'Requests in progress, and as many that wait for something, at once',
    default: '4096',
  },
  {
    name: 'clientRequestsMax',
    placeholder: 'NUMBER',
    brief: 'How many of each may be of one client',
    default: '1024',
  },
  {
    name: 'uploadBytesMax',
    placeholder: 'BYTES',
    brief: 'Memory for long bodies that arrive; one client gets half of it',
    default: mib(128 * 2 ** 20),
  },
  {
    name: 'downloadBytesMax',
    placeholder: 'BYTES',
    brief: 'Memory for long answers that leave; one client gets half of it',
    default: mib(64 * 2 ** 20),
  },
  {
    name: 'idleSeconds',
    placeholder: 'SECONDS',
    brief: 'A connection that moves less than 16 KiB/s for so long is closed',
    default: '120',
  },
  {
    name: 'logLevel',
    placeholder: logLevelChoices.join('|'),
    brief: 'Least level that is logged',
    default: 'info',
  },
] as const satisfies readonly ServerOption[]

/** Bounds of a query that no server takes: those of a server, with the longest time that a reader may have. */
export const sqlBoundsOffline = {
  msMax: bounds.sqlMsLimit,
  rowsMax: 100_000,
  answerBytesMax: bounds.sqlAnswerBytesLimit,
  valueBytesMax: 2 ** 20,
  memoryBytesMax: 256 * 2 ** 20,
} as const

export type ServerOptionName = (typeof serverOptions)[number]['name']

/** `cpIntervalMs` → `cp-interval-ms`. The flag of a list is singular, because each flag has one value of the list. */
export function flagName(option: ServerOption): string {
  const name = option.isList ? option.name.replace(/s$/, '') : option.name
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

export const environmentName = (name: string): string =>
  `STILLPOINT_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
