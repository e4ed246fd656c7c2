/** Over real sockets: what only a client that writes raw bytes can see. */
import { afterEach, describe, expect, test } from 'bun:test'
import { systemClock } from '../../../src/lib/clock.ts'
import {
  type HttpServer,
  type HttpServerOptions,
  ListenError,
  startHttpServer,
} from '../../../src/routes/http/server.ts'
import { potsDefault } from '../../../src/routes/limits/pots.ts'
import { Harness, expectProblem } from '../harness.ts'

const servers: HttpServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(100)
})

function serve(options: Partial<HttpServerOptions> = {}) {
  const h = new Harness()
  const replica = { prefix: '/replica/v1/', fetch: () => new Response('replica') }
  const server = startHttpServer({
    hostname: '127.0.0.1',
    port: 0,
    mounts: [replica, { prefix: '/', fetch: (request) => h.primary.fetch(request) }],
    clock: systemClock,
    ...options,
  })
  servers.push(server)
  return { h, server }
}

/** Sends the bytes, then closes its side when `half`; everything that came back until the server closed. */
async function raw(server: HttpServer, text: string, half = false, patienceMs = 400): Promise<string> {
  let received = ''
  const { promise, resolve } = Promise.withResolvers<void>()
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port: server.port,
    socket: {
      data: (_socket, bytes) => void (received += bytes.toString('latin1')),
      close: () => resolve(),
      error: () => resolve(),
    },
  })
  socket.write(text)
  socket.flush()
  if (half) setTimeout(() => socket.end(), 30)
  const timer = setTimeout(resolve, patienceMs)
  await promise
  clearTimeout(timer)
  socket.terminate()
  return received
}

const head = (line: string, ...headers: readonly string[]) =>
  [`${line} HTTP/1.1`, ...headers, 'Connection: close', '', ''].join('\r\n')

const problemOf = (answer: string): Response => {
  const [top, body] = answer.split('\r\n\r\n')
  const [line, ...headers] = top!.split('\r\n')
  const pairs = headers.map((header) => header.split(/: (.*)/).slice(0, 2) as [string, string])
  return new Response(body, { status: Number(line!.split(' ')[1]), headers: pairs })
}

describe('bodies cut short', () => {
  test('change nothing', async () => {
    const { h, server } = serve()
    const put = 'PUT /v1/files/a HTTP/1.1\r\nHost: x\r\n'
    await raw(server, `${put}Content-Length: 10\r\n\r\nabc`, true)
    await raw(server, `${put}Content-Length: 1000000\r\n\r\n${'a'.repeat(100_000)}`, true)
    await raw(server, `${put}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`, true)
    await raw(server, `PATCH /v1/files/a?offset=0 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc`, true)
    await raw(
      server,
      'POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"operations":[]}',
      true,
    )
    expect(h.files.keys()).toEqual([])
    expect(h.files.dirty).toBe(false)
  })

  test('a whole one is stored', async () => {
    const { h, server } = serve()
    const answer = await raw(
      server,
      `${head('PUT /v1/files/a', 'Host: x', 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`,
    )
    expect(answer).toStartWith('HTTP/1.1 201')
    expect(h.files.content('a')).toBe('abc')
  })
})

describe('heads that mean two things', () => {
  test('are refused', async () => {
    const { h, server } = serve()
    const twoHosts = await raw(server, head('GET /healthz', 'Host: a', 'Host: b'))
    await expectProblem(problemOf(twoHosts), 'bad-parameter')
    const badHost = await raw(server, head('GET /healthz', 'Host: a/b?c'))
    await expectProblem(problemOf(badHost), 'bad-parameter')
    const lengths = ['Content-Length: 3', 'Content-Length: 3']
    const twoLengths = await raw(server, `${head('PUT /v1/files/a', 'Host: x', ...lengths)}abc`)
    await expectProblem(problemOf(twoLengths), 'bad-parameter')
    const smuggled = ['Content-Length: 3', 'Transfer-Encoding: chunked']
    const both = await raw(server, `${head('PUT /v1/files/a', 'Host: x', ...smuggled)}3\r\nabc\r\n0\r\n\r\n`)
    expect(both).toStartWith('HTTP/1.1 400')
    expect(h.files.keys()).toEqual([])
  })

  test('methods that nobody serves', async () => {
    const { server } = serve()
    const trace = await raw(server, head('TRACE /v1/files/a', 'Host: x'))
    expect(trace).toMatch(/^allow: GET, HEAD/im)
    await expectProblem(problemOf(trace), 'method-not-allowed')
  })

  test('targets that no client library would send', async () => {
    const { h, server } = serve()
    const rows: readonly (readonly [string, string])[] = [
      ['/v1/files/a%2F..%2Fb', 'bad-path'],
      ['/v1/files/a%00', 'bad-path'],
      ['/v1/files//a', 'bad-path'],
      ['/v1/files/a#b', 'bad-path'],
      ['/v1/files/%ff', 'bad-path'],
      ['/v1/files/a?cp=1&cp=2', 'bad-parameter'],
      ['/v1/files/../../etc/passwd', 'not-found'],
      ['/v1/files/%2e%2e/%2e%2e/etc/passwd', 'not-found'],
      ['//v1/files/a', 'not-found'],
      ['http://other/v1/nothing', 'not-found'],
    ]
    for (const [target, code] of rows) {
      const answer = await raw(server, head(`GET ${target}`, 'Host: x'))
      await expectProblem(problemOf(answer), code as 'not-found')
    }
    const long = await raw(server, head('GET /healthz', 'Host: x', `X: ${'x'.repeat(20_000)}`))
    expect(long).toStartWith('HTTP/1.1 431')
    expect(h.files.openViews).toBe(0)
  })
})

describe('answers', () => {
  test('HEAD and short files have their length, long ones arrive whole', async () => {
    const { h, server } = serve()
    const body = Buffer.alloc(2_000_000, 'stillpoint')
    await fetch(`${server.url}/v1/files/long`, { method: 'PUT', body })
    await fetch(`${server.url}/v1/files/short`, { method: 'PUT', body: 'hello' })
    expect(await raw(server, head('HEAD /v1/files/long', 'Host: x'))).toMatch(/content-length: 2000000\r\n/i)
    expect(await raw(server, head('GET /v1/files/short', 'Host: x'))).toMatch(/content-length: 5\r\n/i)
    const ranged = head('GET /v1/files/short', 'Host: x', 'Range: bytes=1-2')
    expect(await raw(server, ranged)).toMatch(/^HTTP\/1.1 206 [^]*content-length: 2\r\n\r\nel$/i)
    expect(await raw(server, head('HEAD /v1/files/none', 'Host: x'))).toMatch(/^HTTP\/1.1 404 [^]*\r\n\r\n$/)
    const read = await fetch(`${server.url}/v1/files/long`)
    expect(Buffer.from(await read.arrayBuffer()).equals(body)).toBe(true)
    expect(h.files.openFiles + h.files.openViews).toBe(0)
  })

  test('a client that leaves is noticed', async () => {
    const { h, server } = serve()
    await fetch(`${server.url}/v1/files/a`, { method: 'PUT', body: Buffer.alloc(30_000_000) })
    const abort = new AbortController()
    const read = await fetch(`${server.url}/v1/files/a`, { signal: abort.signal })
    await read.body!.getReader().read()
    abort.abort()
    for (let i = 0; i < 100 && h.files.openFiles > 0; i++) await Bun.sleep(10)
    expect(h.files.openFiles + h.files.openViews).toBe(0)
  })

  test('go to the first mount that fits', async () => {
    const { server } = serve()
    expect(await (await fetch(`${server.url}/replica/v1/hello`)).text()).toBe('replica')
    await expectProblem(fetch(`${server.url}/replica/v2/hello`), 'not-found')
  })
})

describe('the process', () => {
  test('a taken port is one line', () => {
    const { server } = serve()
    try {
      serve({ port: server.port })
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(ListenError)
      expect((error as Error).message).toBe(`cannot listen on 127.0.0.1:${server.port}: the port is taken`)
    }
  })

  test('what a mount throws is no page of the runtime', async () => {
    const fail = () => Promise.reject(new Error('secret'))
    const { server } = serve({ mounts: [{ prefix: '/', fetch: fail }] })
    const body = await expectProblem(fetch(server.url), 'internal')
    expect(JSON.stringify(body)).not.toContain('secret')
  })

  test('busy at the limit, and answers end before it stops', async () => {
    const gate = Promise.withResolvers<void>()
    const fetchLater = async () => {
      await gate.promise
      return new Response('late')
    }
    const { server } = serve({
      mounts: [{ prefix: '/', fetch: fetchLater }],
      pots: { ...potsDefault, requests: { most: 2, mostOfClient: 2 } },
    })
    const slow = [fetch(server.url), fetch(server.url)]
    while (server.requests() < 2) await Bun.sleep(1)
    const refused = await fetch(server.url)
    expect(refused.headers.get('Retry-After')).toBe('1')
    await expectProblem(refused, 'busy')
    const stopped = server.stop(2000)
    gate.resolve()
    for (const answer of slow) expect(await (await answer).text()).toBe('late')
    await stopped
    expect(fetch(server.url)).rejects.toThrow()
  })
})
