import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  parseBytes,
  type RawOptions,
  readConfiguration,
} from '../../../src/server/configuration/configuration.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { UserError } from '../../../src/lib/user-error.ts'
import { exposure, isLoopback, parseListen } from '../../../src/server/configuration/listen.ts'
import { environmentName, flagName, serverOptions } from '../../../src/server/configuration/server-options.ts'
import { knownTokensOf, refuseShutDoor } from '../../../src/server/access.ts'
import { temporaryFolders } from '../../cli/temporary-folder.ts'

const folder = temporaryFolders()

function read(flags: RawOptions, environment: Record<string, string> = {}, toml?: string) {
  let file: string | undefined
  if (toml !== undefined) {
    file = join(folder(), 'stillpoint.toml')
    writeFileSync(file, toml)
  }
  return readConfiguration('primary', { flags, environment, file })
}

function refusal(...given: Parameters<typeof read>): string {
  try {
    read(...given)
  } catch (error) {
    expect(error).toBeInstanceOf(UserError)
    const { message } = error as UserError
    expect(message).not.toContain('\n')
    return message
  }
  throw new Error('nothing was refused')
}

test('the defaults', () => {
  expect(read({ data: 'd' })).toEqual({
    data: 'd',
    listen: { host: '127.0.0.1', port: 7070 },
    mirrors: [],
    secret: null,
    adminToken: null,
    anonymous: 'nothing',
    cpIntervalMs: 1000,
    queueBytesMax: 32 * 2 ** 20,
    nodeCacheBytesMax: 128 * 2 ** 20,
    volumeBytesMax: 2 ** 40,
    raiseVolumeTo: null,
    logBytes: 32 * 2 ** 20,
    recordChecksum: 'xxh3',
    recordEncoding: 'raw',
    catalogFiles: true,
    catalogChangeRowsMax: 1_000_000,
    catalogChangeDaysMax: 30,
    catalogEventRowsMax: 100_000,
    sqlMsMax: 5000,
    sqlRowsMax: 100_000,
    sqlAnswerBytesMax: 8 * 2 ** 20,
    sqlValueBytesMax: 2 ** 20,
    sqlMemoryBytesMax: 256 * 2 ** 20,
    sqlQueriesMax: 2,
    sqlWaitingMax: 32,
    tls: null,
    allowedHosts: [],
    corsOrigins: [],
    requestsMax: 4096,
    clientRequestsMax: 1024,
    uploadBytesMax: 128 * 2 ** 20,
    downloadBytesMax: 64 * 2 ** 20,
    idleSeconds: 120,
    logLevel: 'info',
    given: ['data'],
  })
  const sources = { flags: { data: 'd' }, environment: {}, file: undefined }
  expect(readConfiguration('mirror', sources).listen.port).toBe(7071)
})

describe('flags over environment over file over defaults', () => {
  const toml =
    'data = "file"\ncpIntervalMs = 30\nlogLevel = "debug"\nmirrors = ["http://a:1", "http://b:2/"]\n'
  const environment = { STILLPOINT_DATA: 'environment', STILLPOINT_CP_INTERVAL_MS: '20' }

  test('each takes what the ones before it leave', () => {
    const all = read({ data: 'flag' }, environment, toml)
    expect([all.data, all.cpIntervalMs, all.logLevel]).toEqual(['flag', 20, 'debug'])
    expect(read({}, environment, toml).data).toBe('environment')
    expect(read({}, {}, toml).data).toBe('file')
    expect(read({}, {}, toml).mirrors).toEqual(['http://a:1', 'http://b:2'])
  })

  test('a list is taken from one source as a whole', () => {
    const variable = { STILLPOINT_MIRRORS: 'http://c:3, http://c:3' }
    expect(read({}, variable, toml).mirrors).toEqual(['http://c:3'])
    expect(read({ mirrors: ['http://d:4'] }, variable, toml).mirrors).toEqual(['http://d:4'])
  })

  test('the file may be named by the environment, and an empty variable says nothing', () => {
    const file = join(folder(), 'x.toml')
    writeFileSync(file, 'data = "file"')
    const variables = { STILLPOINT_CONFIG: file, STILLPOINT_DATA: '' }
    const sources = { flags: {}, environment: variables, file: undefined }
    expect(readConfiguration('primary', sources).data).toBe('file')
  })

  test('names are made from one table', () => {
    expect(serverOptions.map((option) => `--${flagName(option)} ${environmentName(option.name)}`)).toEqual([
      '--data STILLPOINT_DATA',
      '--listen STILLPOINT_LISTEN',
      '--mirror STILLPOINT_MIRRORS',
      '--secret-file STILLPOINT_SECRET_FILE',
      '--admin-token-file STILLPOINT_ADMIN_TOKEN_FILE',
      '--anonymous STILLPOINT_ANONYMOUS',
      '--cp-interval-ms STILLPOINT_CP_INTERVAL_MS',
      '--queue-bytes-max STILLPOINT_QUEUE_BYTES_MAX',
      '--node-cache-bytes-max STILLPOINT_NODE_CACHE_BYTES_MAX',
      '--volume-bytes-max STILLPOINT_VOLUME_BYTES_MAX',
      '--log-bytes STILLPOINT_LOG_BYTES',
      '--record-checksum STILLPOINT_RECORD_CHECKSUM',
      '--record-encoding STILLPOINT_RECORD_ENCODING',
      '--catalog-files STILLPOINT_CATALOG_FILES',
      '--catalog-change-rows-max STILLPOINT_CATALOG_CHANGE_ROWS_MAX',
      '--catalog-change-days-max STILLPOINT_CATALOG_CHANGE_DAYS_MAX',
      '--catalog-event-rows-max STILLPOINT_CATALOG_EVENT_ROWS_MAX',
      '--sql-ms-max STILLPOINT_SQL_MS_MAX',
      '--sql-rows-max STILLPOINT_SQL_ROWS_MAX',
      '--sql-answer-bytes-max STILLPOINT_SQL_ANSWER_BYTES_MAX',
      '--sql-value-bytes-max STILLPOINT_SQL_VALUE_BYTES_MAX',
      '--sql-memory-bytes-max STILLPOINT_SQL_MEMORY_BYTES_MAX',
      '--sql-queries-max STILLPOINT_SQL_QUERIES_MAX',
      '--sql-waiting-max STILLPOINT_SQL_WAITING_MAX',
      '--tls-cert STILLPOINT_TLS_CERT',
      '--tls-key STILLPOINT_TLS_KEY',
      '--insecure-http STILLPOINT_INSECURE_HTTP',
      '--allowed-host STILLPOINT_ALLOWED_HOSTS',
      '--cors-origin STILLPOINT_CORS_ORIGINS',
      '--requests-max STILLPOINT_REQUESTS_MAX',
      '--client-requests-max STILLPOINT_CLIENT_REQUESTS_MAX',
      '--upload-bytes-max STILLPOINT_UPLOAD_BYTES_MAX',
      '--download-bytes-max STILLPOINT_DOWNLOAD_BYTES_MAX',
      '--idle-seconds STILLPOINT_IDLE_SECONDS',
      '--log-level STILLPOINT_LOG_LEVEL',
    ])
  })
})

describe('refused in one line that names the option as its source spells it', () => {
  test.each<[RawOptions, Record<string, string>, string | undefined, string]>([
    [{}, {}, undefined, '--data DIR is needed'],
    [{ data: 'd', tlsCert: 'c' }, {}, undefined, 'TLS takes both'],
    [{ data: 'd', tlsKey: 'k' }, {}, undefined, 'TLS takes both'],
    [{ data: 'd', allowedHosts: ['a b'] }, {}, undefined, '--allowed-host is not a host name'],
    [{ data: 'd', allowedHosts: ['http://a'] }, {}, undefined, '--allowed-host is not a host name'],
    [{ data: 'd', corsOrigins: ['*'] }, {}, undefined, '--cors-origin is not an origin'],
    [{ data: 'd', corsOrigins: ['null'] }, {}, undefined, '--cors-origin is not an origin'],
    [{ data: 'd', corsOrigins: ['https://a/'] }, {}, undefined, '--cors-origin is not an origin'],
    [{ data: 'd', idleSeconds: '60' }, {}, undefined, '--idle-seconds is less than 65'],
    [{ data: '' }, {}, undefined, '--data is empty'],
    [{ data: 'd', listen: '7070' }, {}, undefined, '--listen is not HOST:PORT'],
    [{ data: 'd' }, { STILLPOINT_LISTEN: 'x:99999' }, undefined, 'STILLPOINT_LISTEN is not HOST:PORT'],
    [{ data: 'd', cpIntervalMs: 'soon' }, {}, undefined, '--cp-interval-ms is not a whole number: soon'],
    [{ data: 'd', cpIntervalMs: '1' }, {}, undefined, '--cp-interval-ms is less than 10'],
    [{ data: 'd', queueBytesMax: '1GB' }, {}, undefined, '--queue-bytes-max is not a number of bytes'],
    [{ data: 'd', logBytes: '9TiB' }, {}, undefined, '--log-bytes is more than'],
    [{ data: 'd', logBytes: '1MiB' }, {}, undefined, '--log-bytes is less than'],
    [{ data: 'd', nodeCacheBytesMax: '4GiB' }, {}, undefined, '--node-cache-bytes-max is more than'],
    [
      { data: 'd', volumeBytesMax: '256MiB', logBytes: '65MiB' },
      {},
      undefined,
      '(--log-bytes) is more than a quarter of the volume',
    ],
    [{ data: 'd', recordEncoding: 'gzip' }, {}, undefined, '--record-encoding is not one of raw, zstd'],
    [{ data: 'd', recordChecksum: 'md5' }, {}, undefined, '--record-checksum is not one of xxh3, sha256'],
    [{ data: 'd', mirrors: ['ftp://a'] }, {}, undefined, '--mirror is not an http or https URL'],
    [{ data: 'd', mirrors: ['http://a/b'] }, {}, undefined, '--mirror is more than scheme, host and port'],
    [{ data: 'd' }, {}, 'cpIntervalMs = true', 'cpIntervalMs in'],
    [{ data: 'd' }, {}, 'listn = "x:1"', 'unknown option: listn'],
    [{ data: 'd' }, {}, 'listen = ', 'is not TOML'],
    [
      { data: 'd', secretFile: '/nowhere/s' },
      {},
      undefined,
      'cannot read the secret file /nowhere/s: no such file or directory (ENOENT)',
    ],
  ])('%p %p %p', (flags, environment, toml, expected) => {
    expect(refusal(flags, environment, toml)).toContain(expected)
  })

  test('a missing file', () => {
    expect(() => readConfiguration('primary', { flags: {}, environment: {}, file: '/nowhere/c' })).toThrow(
      'cannot read the configuration file /nowhere/c: no such file or directory (ENOENT)',
    )
  })

  test('a mirror with mirrors', () => {
    const flags = { data: 'd', mirrors: ['http://a:1'] }
    expect(() => readConfiguration('mirror', { flags, environment: {}, file: undefined })).toThrow(UserError)
  })
})

describe('without a token only loopback', () => {
  const secretFile = (content: string): string => {
    const path = join(folder(), 'secret')
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  test.each(['127.0.0.1:1', '127.9.9.9:1', 'localhost:1', '[::1]:1', '[0:0:0:0:0:0:0:1]:1'])(
    '%s is',
    (listen) => {
      const configuration = read({ data: 'd', listen })
      expect(configuration.secret).toBeNull()
      expect(() => refuseShutDoor(knownTokensOf(configuration, systemClock), configuration)).not.toThrow()
      expect(exposure(configuration.listen, 'read')).toBeNull()
    },
  )
  test.each([
    '0.0.0.0:1',
    '[::]:1',
    '10.0.0.1:1',
    'example.org:1',
    '127.0.0.1.example.org:1',
    '[::ffff:10.0.0.1]:1',
  ])('%s is not', (listen) => {
    const open = read({ data: 'd', listen, insecureHttp: 'accept' })
    expect(isLoopback(open.listen.host)).toBe(false)
    expect(() => refuseShutDoor(knownTokensOf(open, systemClock), open)).toThrow('a token is needed')
    const secret = 's'.repeat(32)
    const given = { data: 'd', listen, secretFile: secretFile(`${secret}\n`) }
    const plain = refusal(given)
    expect(plain).toContain('--tls-cert')
    expect(plain).toContain('--insecure-http accept')
    const tls = read({ ...given, tlsCert: 'c', tlsKey: 'k' })
    expect(tls.tls).toEqual({ cert: 'c', key: 'k' })
    const configuration = read({ ...given, insecureHttp: 'accept' })
    expect(configuration.tls).toBeNull()
    expect(configuration.secret).toBe(secret)
    expect(exposure(configuration.listen, 'nothing')).toBeNull()
    expect(exposure(configuration.listen, 'read')).toContain(`${listen} can read every file`)
  })
  test.each(['short', 'x'.repeat(5000), 'a secret with spaces in it', 'ein Geheimnis für zwei'])(
    '%p is no secret',
    (text) => {
      expect(refusal({ data: 'd', secretFile: secretFile(text) })).toContain('the secret file ')
    },
  )
})

test('addresses', () => {
  expect(parseListen('[::1]:7070')).toEqual({ host: '::1', port: 7070 })
  expect(parseListen('host.example:0')).toEqual({ host: 'host.example', port: 0 })
  for (const text of ['', ':1', '::1:1', '[::1]', '[::g]:1', 'a b:1', '256.1.1.1:1', 'a:b', 'a:1:2', 'a:-1'])
    expect(parseListen(text)).toBeNull()
  expect(isLoopback('LOCALHOST')).toBe(true)
})

test('bytes', () => {
  expect([parseBytes('1048576'), parseBytes('64MiB'), parseBytes('1 GiB'), parseBytes(5)]).toEqual([
    2 ** 20,
    2 ** 26,
    2 ** 30,
    5,
  ])
  for (const text of ['', '-1', '1.5MiB', '1MB', '0x10', '1e3']) expect(parseBytes(text)).toBeNaN()
})
