/** The browser is hostile: who may ask, by Host and Origin, over a real socket; and what a browser may keep. */
import { afterEach, describe, expect, test } from 'bun:test'
import { systemClock } from '../../../src/lib/clock.ts'
import { hostRule } from '../../../src/routes/http/host-rule.ts'
import { Refusals } from '../../../src/routes/limits/refusals.ts'
import { type HttpServer, type HttpServerOptions, startHttpServer } from '../../../src/routes/http/server.ts'
import { hostsOf } from '../../../src/server/door.ts'
import { Harness, expectProblem } from '../harness.ts'

const servers: HttpServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(100)
})

const named = 'https://app.example'
const loopback = { host: '127.0.0.1', port: 7070 }

function serve(options: Partial<HttpServerOptions> = {}) {
  const h = new Harness()
  const seen: string[] = []
  const refusals = new Refusals()
  const server = startHttpServer({
    hostname: '127.0.0.1',
    port: 0,
    clock: systemClock,
    hosts: hostsOf({ listen: loopback, allowedHosts: ['files.example'] }),
    refusals,
    mounts: [
      {
        prefix: '/replica/',
        onlyPeers: true,
        fetch: ({ url }) => {
          seen.push(url)
          return new Response('replica')
        },
      },
      { prefix: '/', fetch: (request) => h.primary.fetch(request) },
    ],
    ...options,
  })
  servers.push(server)
  const ask = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body: string | null = null,
  ) => fetch(server.url + path, { method, headers, body })
  const refused = (why: string) => Object.fromEntries(refusals.entries())[why as 'host']
  return { h, server, ask, seen, refused }
}

describe('Host', () => {
  test('on loopback only names that nobody can point elsewhere', async () => {
    const { server, ask, refused, h } = serve()
    const port = String(server.port)
    const own = ['127.0.0.1', `127.0.0.1:${port}`, 'localhost', `LOCALHOST:${port}`, '[::1]', `[::1]:${port}`]
    for (const Host of [...own, 'localhost:9999', 'files.example', 'Files.Example:8443'])
      expect((await ask('GET', '/healthz', { Host })).status).toBe(200)
    const foreign = [
      'evil.example',
      `evil.example:${port}`,
      'localhost.evil.example',
      '127.0.0.1.evil.example',
    ]
    for (const Host of [...foreign, '10.0.0.1', 'xfiles.example', 'files.example.', '[::2]']) {
      await expectProblem(ask('GET', '/healthz', { Host }), 'wrong-host')
      await expectProblem(ask('PUT', '/v1/files/a', { Host }, 'x'), 'wrong-host')
      await expectProblem(ask('POST', '/replica/v1/frames', { Host }), 'wrong-host')
    }
    // One good host before does not let another one in.
    expect((await ask('GET', '/healthz', { Host: 'localhost' })).status).toBe(200)
    await expectProblem(ask('GET', '/healthz', { Host: 'evil.example' }), 'wrong-host')
    expect(h.files.keys()).toEqual([])
    expect(refused('host')).toBe(3 * 8 + 1)
  })

  test('the rule', () => {
    const rule = hostRule(['127.0.0.1', 'files.example:8443'])
    expect(rule('files.example:8443')).toBe('answered')
    expect(rule('files.example')).toBe('unknown')
    expect(rule('')).toBe('unknown')
    for (const host of ['a, b', 'a/b', 'a:b', 'a b', '@a', '127.0.0.1:', '[::1', ' 127.0.0.1'])
      expect(rule(host)).toBe('malformed')
    const any = hostRule(null)
    for (const host of ['', 'evil.example', '10.0.0.1:1']) expect(any(host)).toBe('answered')
    expect(any('a, b')).toBe('malformed')
  })

  test('beyond loopback any, unless names are given', () => {
    const listen = { host: '0.0.0.0', port: 7070 }
    expect(hostsOf({ listen, allowedHosts: [] })).toBeNull()
    expect(hostsOf({ listen, allowedHosts: ['files.example'] })).toContain('files.example')
    expect(hostsOf({ listen, allowedHosts: ['files.example'] })).not.toBeNull()
    expect(hostsOf({ listen: { host: '::1', port: 1 }, allowedHosts: [] })).toContain('[::1]')
  })
})

describe('Origin', () => {
  const cross = { 'Sec-Fetch-Site': 'cross-site' }
  const navigation = { ...cross, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }

  test('of other pages: nothing is read, nothing is done', async () => {
    const { server, ask, h, refused } = serve()
    const rows: Record<string, string>[] = [
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      { Origin: `http://127.0.0.1:${server.port + 1}` },
      { Origin: `http://127.0.0.1` },
      { Origin: `http://localhost:${server.port}` },
      { Origin: `${server.url}.evil.example` },
      { Origin: `${server.url}/` },
      { Origin: '' },
      cross,
      { 'Sec-Fetch-Site': 'same-site' },
      { ...navigation, 'Sec-Fetch-Dest': 'iframe' },
      { ...cross, 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' },
    ]
    for (const headers of rows) {
      const asks: [string, string, string | null][] = [
        ['PUT', '/v1/files/a', 'x'],
        ['POST', '/v1/cps', null],
        ['POST', '/v1/batch', '{"operations":[{"op":"put","path":"a","text":"x"}]}'],
        ['DELETE', '/v1/files/a', null],
        ['GET', '/v1/files/a?minCp=5&wait=60', null],
        ['GET', '/v1/dirs', null],
        ['OPTIONS', '/v1/files/a', null],
      ]
      for (const [method, path, body] of asks) {
        const answer = await ask(method, path, { 'Content-Type': 'text/plain', ...headers }, body)
        expect(answer.headers.get('Access-Control-Allow-Origin')).toBeNull()
        await expectProblem(answer, 'forbidden')
      }
    }
    expect(refused('origin')).toBe(rows.length * 7)
    expect(h.files.keys()).toEqual([])
    expect(h.files.published).toBe(1)
    await expectProblem(ask('POST', '/v1/cps', navigation), 'forbidden')
  })

  test('of this server, of no page, and an address that is opened', async () => {
    const { server, ask } = serve()
    const port = String(server.port)
    const rows: Record<string, string>[] = [
      {},
      { Origin: server.url, 'Sec-Fetch-Site': 'same-origin' },
      { Origin: `http://localhost:${port}`, Host: `localhost:${port}` },
      { Origin: 'https://files.example', Host: 'files.example' },
      { Origin: 'https://files.example', Host: 'files.example:443' },
      { 'Sec-Fetch-Site': 'none' },
      { 'Sec-Fetch-Site': 'same-origin' },
    ]
    for (const headers of rows) expect((await ask('PUT', '/v1/files/a', headers, 'x')).ok).toBe(true)
    expect((await ask('GET', '/v1/files/a', navigation)).status).toBe(200)
  })

  test('another page opens in a tab only what neither waits nor keeps anything', async () => {
    const { ask, h } = serve()
    for (const path of ['a', 'd/1', 'd/2']) await ask('PUT', `/v1/files/${path}`, {}, 'x')
    const sites = ['cross-site', 'same-site'].map((site) => ({ ...navigation, 'Sec-Fetch-Site': site }))
    for (const headers of sites) {
      for (const path of ['/v1/files/a', '/v1/files/d/1', '/', '/docs', '/openapi.json'])
        expect((await ask('GET', path, headers)).status).toBe(200)
      for (const path of [
        '/v1/dirs/d?limit=1',
        '/v1/dirs/d',
        '/v1/dirs',
        '/v1/files/a?cp=1',
        '/v1/files/a?minCp=9&wait=60',
        '/v1/files/a?%63p=1',
        '/v1/files/../dirs',
        '/v1/stat/a?cp=1',
        '/v1/cps',
        '/v1/tokens',
        '/v1/whoami',
        '/metrics',
        '/docs?x',
        '/docs/x',
      ])
        await expectProblem(ask('GET', path, headers), 'forbidden')
    }
    expect(h.files.published).toBe(1)
    // A person who types the address is answered.
    const typed = { ...navigation, 'Sec-Fetch-Site': 'none' }
    expect((await ask('GET', '/v1/dirs/d?limit=1', typed)).status).toBe(200)
  })

  test('that is named: preflight, answers and failures are shown to that page alone', async () => {
    const { ask, h } = serve({ corsOrigins: [named] })
    const asking = {
      'Access-Control-Request-Method': 'PUT',
      'Access-Control-Request-Headers': 'authorization,if-match',
    }
    const preflight = await ask('OPTIONS', '/v1/files/a', { Origin: named, ...asking })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('Access-Control-Allow-Origin')).toBe(named)
    expect(preflight.headers.get('Access-Control-Allow-Methods')).toContain('PUT')
    expect(preflight.headers.get('Access-Control-Allow-Headers')).toContain('Authorization')
    const put = await ask('PUT', '/v1/files/a', { Origin: named, ...cross }, 'x')
    expect(put.status).toBe(201)
    for (const answer of [
      put,
      await ask('GET', '/v1/files/a', { Origin: named }),
      await ask('GET', '/v1/files/none', { Origin: named }),
    ]) {
      expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(named)
      expect(answer.headers.get('Access-Control-Allow-Credentials')).toBeNull()
      for (const name of ['ETag', 'Stillpoint-CP', 'Stillpoint-Durability', 'Content-Range', 'Retry-After'])
        expect(answer.headers.get('Access-Control-Expose-Headers')).toContain(name)
      expect(answer.headers.get('Vary')).toBe('Origin')
    }
    expect((await ask('GET', '/v1/files/a')).headers.get('Vary')).toBe('Origin')
    expect((await ask('GET', '/v1/files/a')).headers.get('Access-Control-Allow-Origin')).toBeNull()
    for (const Origin of [
      'https://evil.example',
      'https://app.example.evil.example',
      'http://app.example',
      'null',
    ]) {
      const answer = await ask('PUT', '/v1/files/b', { Origin }, 'x')
      expect(answer.headers.get('Access-Control-Allow-Origin')).toBeNull()
      await expectProblem(answer, 'forbidden')
      await expectProblem(ask('OPTIONS', '/v1/files/b', { Origin, ...asking }), 'forbidden')
    }
    expect(h.files.keys()).toEqual(['a'])
  })

  test('peers are no browsers, and send bytes', async () => {
    const { server, ask, seen } = serve({ corsOrigins: [named] })
    const bytes = { 'Content-Type': 'application/octet-stream' }
    for (const headers of [
      { Origin: named },
      { Origin: server.url },
      { 'Sec-Fetch-Site': 'none' },
      navigation,
    ])
      await expectProblem(ask('POST', '/replica/v1/frames', { ...bytes, ...headers }, 'x'), 'forbidden')
    for (const type of ['text/plain', 'application/octet-stream; a=b', 'application/json'])
      await expectProblem(
        ask('POST', '/replica/v1/frames', { 'Content-Type': type }, 'x'),
        'unsupported-media-type',
      )
    expect(seen).toEqual([])
    expect(await (await ask('POST', '/replica/v1/frames', bytes, 'x')).text()).toBe('replica')
  })
})

describe('what may be kept', () => {
  const control = async (h: Harness, path: string, headers: Record<string, string> = {}) =>
    (await h.request('GET', path, { headers })).headers.get('Cache-Control')

  test('what can change is asked for again, state is not kept, one CP lasts where no token is needed', async () => {
    const h = new Harness()
    const put = await h.request('PUT', '/v1/files/a', { body: 'x' })
    expect(put.headers.get('Cache-Control')).toBe('no-store')
    const cp = h.publish()
    const etag = put.headers.get('ETag')!
    const asks = [{}, { Range: 'bytes=0-0' }, { 'If-None-Match': etag }, { 'If-None-Match': '"x"' }]
    for (const headers of asks) {
      for (const query of ['', `?minCp=${cp}`, '?at=2030-01-01T00:00:00Z'])
        expect(await control(h, `/v1/files/a${query}`, headers)).toBe('no-cache')
      expect(await control(h, `/v1/files/a?cp=${cp}`, headers)).toBe('max-age=3600, immutable')
      // The headers that are kept for the next answer do not last.
      expect(await control(h, '/v1/files/a', headers)).toBe('no-cache')
      h.needsToken = true
      expect(await control(h, `/v1/files/a?cp=${cp}`, headers)).toBe('no-cache')
      h.needsToken = false
    }
    for (const path of [
      '/v1/dirs',
      `/v1/dirs?cp=${cp}`,
      '/v1/stat/a',
      '/v1/cps',
      '/v1/mirrors',
      '/healthz',
      '/metrics',
    ])
      expect(await control(h, path)).toBe('no-store')
    for (const path of ['/docs', '/openapi.json']) expect(await control(h, path)).toBe('no-cache')
    expect(await control(h, `/v1/files/none?cp=${cp}`)).toBe('no-store')
  })

  test('every answer is guarded', async () => {
    const h = new Harness()
    await h.request('PUT', '/v1/files/a', { body: 'x' })
    const paths = [
      '/v1/files/a',
      '/v1/files/none',
      '/v1/dirs',
      '/v1/stat',
      '/healthz',
      '/metrics',
      '/docs',
      '/openapi.json',
    ]
    for (const path of paths) {
      const { headers } = await h.request('GET', path)
      expect(headers.get('X-Content-Type-Options')).toBe('nosniff')
      expect(headers.get('Cross-Origin-Resource-Policy')).toBe('same-origin')
      expect(headers.get('Content-Security-Policy')).toContain("default-src 'none'")
      expect(headers.get('Content-Security-Policy')).toContain("frame-ancestors 'none'")
      // The page of the documents has one script, which its policy names by its sum.
      const scripts = /script-src ([^;]*)/.exec(headers.get('Content-Security-Policy') ?? '')
      expect(scripts?.[1] ?? 'none').toMatch(path === '/docs' ? /^'sha256-[^ ]{44}'$/ : /^none$/)
    }
  })
})

test('If-Range with a date never matches: clients set the times, so two contents may have one date', async () => {
  const h = new Harness()
  const at = { 'Stillpoint-Modified': '2026-01-01T00:00:00Z' }
  await h.request('PUT', '/v1/files/a', { body: 'A'.repeat(100), headers: at })
  const date = (await h.request('GET', '/v1/files/a')).headers.get('Last-Modified')!
  await h.request('PUT', '/v1/files/a', { body: 'B'.repeat(100), headers: at })
  const read = await h.request('GET', '/v1/files/a', { headers: { Range: 'bytes=50-', 'If-Range': date } })
  expect([read.status, await read.text()]).toEqual([200, 'B'.repeat(100)])
})
