/** Real processes: how servers begin and end, and what the verbs do against them. */
import { describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { oneLine } from './cli-harness.ts'
import { runProcess, serverProcesses } from './processes.ts'
import { temporaryFolders } from './temporary-folder.ts'

const start = serverProcesses()
const folder = temporaryFolders()
const free = ['--listen', '127.0.0.1:0'] as const
const slowMs = 30_000

const put = (url: string, path: string, body: string, query = '') =>
  fetch(`${url}/v1/files/${path}${query}`, { method: 'PUT', body })
const read = async (url: string, path: string, query = '') =>
  (await fetch(`${url}/v1/files/${path}${query}`)).text()

test(
  'a primary: ready line, clean end, the same again, and a clean check',
  async () => {
    const data = join(folder(), 'made', 'here')
    const first = await start('serve', '--data', data, ...free)
    expect([first.role, first.cp]).toEqual(['primary', 1])
    expect((await put(first.url, 'a', 'one', '?durability=buffered')).status).toBe(201)
    const { code, out } = await first.end()
    expect([code, out.split('\n').length]).toEqual([0, 2])

    const second = await start('serve', '--data', data, ...free)
    expect(second.cp).toBeGreaterThan(1)
    expect(await read(second.url, 'a')).toBe('one')
    const busy = await runProcess('check', data)
    expect([busy.code, busy.out]).toEqual([1, ''])
    expect(busy.err).toMatch(oneLine)
    expect((await second.end('SIGINT')).code).toBe(0)

    const check = await runProcess('check', data, '--json')
    expect(JSON.parse(check.out)).toMatchObject({ ok: true, findings: [] })
    expect(check.code).toBe(0)
    const sql = await runProcess('sql', '--data', data, '--json', 'SELECT cp, cause FROM cps ORDER BY cp')
    const { rows } = JSON.parse(sql.out) as { rows: [number, string][] }
    expect(rows[0]).toEqual([1, 'create'])
    expect(rows.at(-1)![0]).toBe(second.cp)
  },
  slowMs,
)

test(
  'a primary is no mirror of its own, whatever its address is called',
  async () => {
    const { url, end } = await start('serve', '--data', folder(), ...free)
    const { port } = new URL(url)
    for (const own of [url, `http://localhost:${port}/`, `http://[::1]:${port}`]) {
      const answer = await fetch(`${url}/v1/mirrors`, {
        method: 'POST',
        body: JSON.stringify({ url: own }),
        headers: { 'Content-Type': 'application/json' },
      })
      expect(answer.status).toBe(400)
      expect(((await answer.json()) as { detail: string }).detail).toContain('the address of this primary')
    }
    expect(await (await fetch(`${url}/v1/mirrors`)).json()).toEqual({ items: [] })
    expect((await end()).code).toBe(0)
  },
  slowMs,
)

test(
  'kill -9: what was acknowledged is there',
  async () => {
    const data = folder()
    const first = await start('serve', '--data', data, ...free)
    for (let i = 0; i < 20; i++) expect((await put(first.url, `f${i}`, `content ${i}`)).status).toBe(201)
    await first.end('SIGKILL')
    const second = await start('serve', '--data', data, ...free)
    for (let i = 0; i < 20; i++) expect(await read(second.url, `f${i}`)).toBe(`content ${i}`)
    expect((await second.end()).code).toBe(0)
    expect((await runProcess('check', data)).code).toBe(0)
  },
  slowMs,
)

test(
  'a primary and its mirror: what is put here is got there, also after both ended',
  async () => {
    const [here, there] = [folder(), folder()]
    const mirror = await start('mirror', '--data', there, ...free)
    expect([mirror.role, mirror.cp]).toEqual(['mirror', 0])
    expect((await fetch(`${mirror.url}/readyz`)).status).toBe(503)
    const primary = await start('serve', '--data', here, ...free, '--mirror', mirror.url)
    const source = folder()
    for (let i = 0; i < 300; i++) {
      mkdirSync(join(source, `d${i % 10}`), { recursive: true })
      writeFileSync(join(source, `d${i % 10}`, `f${i}`), `content ${i} `.repeat(i))
    }
    const copied = await runProcess('put', '-r', source, '/tree', '--url', primary.url, '--json')
    expect(copied.code).toBe(0)
    const { cp } = JSON.parse(copied.out) as { cp: number }
    const back = join(folder(), 'back')
    const got = await runProcess(
      'get',
      '-r',
      'tree',
      back,
      '--url',
      mirror.url,
      '--min-cp',
      String(cp),
      '--wait',
      '20',
    )
    expect(got).toMatchObject({ code: 0, err: '' })
    for (let i = 0; i < 300; i++)
      expect(readFileSync(join(back, `d${i % 10}`, `f${i}`), 'utf8')).toBe(`content ${i} `.repeat(i))
    for (const { url } of [primary, mirror]) {
      const status = await runProcess('status', '--url', url, '--json')
      expect(JSON.parse(status.out)).toMatchObject({ ready: true, cp, newest: { cp } })
    }
    const refused = await fetch(`${mirror.url}/v1/files/x`, { method: 'PUT', body: 'x' })
    expect(refused.status).toBe(405)

    // The last CP of a stopping primary still goes to the mirror.
    await put(primary.url, 'last', 'words', '?durability=buffered')
    expect((await primary.end()).code).toBe(0)
    expect(await read(mirror.url, 'last')).toBe('words')
    expect((await mirror.end()).code).toBe(0)
    for (const data of [here, there]) expect((await runProcess('check', data)).code).toBe(0)
    const kinds = 'SELECT DISTINCT kind FROM transfers ORDER BY kind'
    const rows = (data: string) => runProcess('sql', '--data', data, '--json', kinds)
    expect(JSON.parse((await rows(there)).out)).toMatchObject({
      rows: expect.arrayContaining([['first-copy'], ['live']]) as unknown,
    })

    // `serve` serves a volume in the role it has.
    const again = await start('serve', '--data', there, ...free)
    expect(again.role).toBe('mirror')
    expect(await read(again.url, 'last')).toBe('words')
    expect((await again.end()).code).toBe(0)
  },
  slowMs,
)

describe('what cannot be served ends in one line', () => {
  test(
    'a taken port',
    async () => {
      const server = await start('serve', '--data', folder(), ...free)
      const port = new URL(server.url).port
      const data = join(folder(), 'new')
      const { code, out, err } = await runProcess('serve', '--data', data, '--listen', `127.0.0.1:${port}`)
      expect([code, out]).toEqual([1, ''])
      expect(err).toMatch(oneLine)
      expect(err).toContain('the port is taken')
      // Nothing was made for nobody.
      expect(existsSync(data)).toBe(false)
    },
    slowMs,
  )

  test(
    'a volume that is in use, and one of the other role',
    async () => {
      const data = folder()
      const server = await start('serve', '--data', data, ...free)
      const busy = await runProcess('serve', '--data', data, ...free)
      expect([busy.code, busy.out]).toEqual([1, ''])
      expect(busy.err).toMatch(oneLine)
      await server.end()
      const other = await runProcess('mirror', '--data', data, ...free)
      expect([other.code, other.out]).toEqual([1, ''])
      expect(other.err).toMatch(oneLine)
    },
    slowMs,
  )

  test('a folder that cannot be made, and a file that is no volume', async () => {
    const data = folder()
    writeFileSync(join(data, 'file'), 'x')
    expect((await runProcess('serve', '--data', join(data, 'file', 'x'), ...free)).err).toMatch(oneLine)
    writeFileSync(join(data, 'volume.blk'), new Uint8Array(1 << 20))
    const { code, err } = await runProcess('serve', '--data', data, ...free)
    expect(code).toBe(1)
    expect(err).toMatch(oneLine)
    expect(existsSync(join(data, 'catalog.db'))).toBe(false)
  })

  test('a public address without a secret', async () => {
    const { code, err } = await runProcess('serve', '--data', folder(), '--listen', '0.0.0.0:0')
    expect(code).toBe(2)
    expect(err).toMatch(oneLine)
  })
})

test(
  'primary and mirror with a shared secret; a wrong one is refused',
  async () => {
    const secrets = folder()
    writeFileSync(join(secrets, 'right'), 'a-secret-of-enough-length\n', { mode: 0o600 })
    writeFileSync(join(secrets, 'wrong'), 'another-secret-of-that-length\n', { mode: 0o600 })
    const mirror = await start('mirror', '--data', folder(), ...free, '--secret-file', join(secrets, 'right'))
    const stranger = await start(
      'serve',
      '--data',
      folder(),
      ...free,
      '--mirror',
      mirror.url,
      '--secret-file',
      join(secrets, 'wrong'),
    )
    const owner = await start(
      'serve',
      '--data',
      folder(),
      ...free,
      '--mirror',
      mirror.url,
      '--secret-file',
      join(secrets, 'right'),
    )
    const { cp } = (await (await put(owner.url, 'a', 'mine', '?durability=mirrored&wait=20')).json()) as {
      cp: number
    }
    expect(await read(mirror.url, 'a', `?minCp=${cp}`)).toBe('mine')
    const { items } = (await (await fetch(`${stranger.url}/v1/mirrors`)).json()) as {
      items: { cp: number | null; state: string }[]
    }
    expect(items).toMatchObject([{ cp: null, state: 'away' }])
  },
  slowMs,
)

test.skipIf(Bun.which('prlimit') === null || Bun.which('sh') === null)(
  'a device that fails: nothing is acknowledged any more, exit 70, and the volume is whole',
  async () => {
    const data = folder()
    const first = await start('serve', '--data', data, ...free)
    await put(first.url, 'before', 'kept')
    await first.end()
    // A file that may not be written beyond its first bytes: every later write fails. The signal for it is ignored.
    const server = await start.ignoring('XFSZ', 'serve', '--data', data, ...free)
    const limit = Bun.spawnSync(['prlimit', '--pid', String(server.process.pid), '--fsize=1000'])
    expect(limit.exitCode).toBe(0)
    const answer = await put(server.url, 'after', 'lost')
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ code: 'poisoned' })
    expect(await server.process.exited).toBe(70)
    expect((await runProcess('check', data)).code).toBe(0)
    const again = await start('serve', '--data', data, ...free)
    expect(await read(again.url, 'before')).toBe('kept')
    expect((await fetch(`${again.url}/v1/files/after`)).status).toBe(404)
    expect((await again.end()).code).toBe(0)
  },
  slowMs,
)
