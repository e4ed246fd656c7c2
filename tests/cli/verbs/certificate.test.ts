/** `certificate`, a server with what it makes, and a client with `--ca`. */
import { expect, test } from 'bun:test'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ServerProcess } from '../../../tools/live/server-process.ts'
import { runCommand } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const folder = temporaryFolders()

test('a first try: a certificate, a server, a client', async () => {
  const at = folder()
  const made = await runCommand([
    'certificate',
    '--out',
    join(at, 'tls'),
    '--name',
    'files.example',
    '--days',
    '5',
    '--json',
  ])
  expect(made.code).toBe(0)
  const { cert, key, fingerprint, names } = JSON.parse(made.out) as Record<string, string>
  expect(fingerprint).toMatch(/^[0-9a-f]{64}$/)
  expect(names).toEqual(['files.example', 'localhost', '127.0.0.1', '::1'] as unknown as string)
  expect(statSync(key!).mode & 0o777).toBe(0o600)
  const flags = ['--tls-cert', cert!, '--tls-key', key!]
  const server = await new ServerProcess({ verb: 'serve', data: join(at, 'primary'), flags }).start()
  try {
    expect(server.url).toStartWith('https://')
    writeFileSync(join(at, 'file'), 'hello')
    const put = await runCommand(['put', join(at, 'file'), '/file', '--url', server.url, '--ca', cert!])
    expect([put.code, put.err]).toEqual([0, ''])
    const got = await runCommand(['get', '/file', '-', '--url', server.url, '--ca', cert!])
    expect(got.out).toBe('hello')
    const without = await runCommand(['get', '/file', '-', '--url', server.url])
    expect(without.code).toBe(1)
    expect(without.err).toContain('cannot reach')
    const missing = await runCommand(['ls', '--url', server.url, '--ca', join(at, 'none')])
    expect([missing.code, missing.err]).toEqual([
      1,
      `stillpoint: cannot read the certificate ${join(at, 'none')}: no such file or directory (ENOENT)\n`,
    ])
  } finally {
    await server.stop()
  }
})

test('no file is replaced', async () => {
  const at = folder()
  writeFileSync(join(at, 'tls-cert.pem'), 'mine')
  const refused = await runCommand(['certificate', '--out', at])
  expect(refused.code).toBe(1)
  expect(refused.err).toContain('it exists')
  expect(existsSync(join(at, 'tls-key.pem'))).toBe(false)
})
