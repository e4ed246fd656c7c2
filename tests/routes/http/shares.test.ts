/** What one client may take, over a real socket: pots, rates, and that all of it comes back. */
import { afterEach, describe, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { systemClock } from '../../../src/lib/clock.ts'
import { potOf, potsDefault } from '../../../src/routes/limits/pots.ts'
import { type RefusalReason, Refusals } from '../../../src/routes/limits/refusals.ts'
import {
  type HttpServer,
  type Mount,
  startHttpServer,
  wrongCredentials,
} from '../../../src/routes/http/server.ts'
import { comesTrue } from '../../noticing/quiet.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { Harness, expectProblem } from '../harness.ts'
import { clientHeader, resourcesFor } from '../resources.ts'

const servers: HttpServer[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) await server.stop(100)
})

const one = { most: 3, mostOfClient: 1 }
const few = { requests: one, waits: one, system: one }

function serve(fetchIt: Mount['fetch'], pots = few, clock = systemClock) {
  const refusals = new Refusals()
  const server = startHttpServer({
    hostname: '127.0.0.1',
    port: 0,
    clock,
    refusals,
    pots,
    mounts: [
      { prefix: '/replica/', onlyPeers: true, fetch: fetchIt },
      { prefix: '/', fetch: fetchIt },
    ],
  })
  servers.push(server)
  /** A request from another address of loopback, whose body does not come. */
  const begin = (from: number, line: string, headers = ''): { answer: Promise<string>; socket: Socket } => {
    const socket = connect({ port: server.port, host: '127.0.0.1', localAddress: `127.0.0.${from}` })
    sockets.push(socket)
    socket.on('error', () => {})
    const answer = new Promise<string>((resolve) => {
      socket.once('data', (bytes: Uint8Array) => resolve(Buffer.from(bytes).toString()))
      socket.once('close', () => resolve(''))
    })
    socket.write(`${line} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`)
    return { answer, socket }
  }
  const counted = (why: RefusalReason) => new Map(refusals.entries()).get(why)
  return { server, begin, counted }
}

/** Waits for the body, which tests never send. */
const waitForBody = async (request: Request): Promise<Response> => {
  await request.bytes()
  return new Response('done')
}
const body = 'Content-Type: application/octet-stream\r\nContent-Length: 5\r\n'

describe('pots', () => {
  test.each([
    ['GET', '/v1/files/a', 'requests'],
    ['PUT', '/v1/files/a', 'requests'],
    ['PUT', '/v1/files/a?durability=committed', 'requests'],
    ['PUT', '/v1/files/a?durability=mirrored', 'waits'],
    ['GET', '/v1/files/a?minCp=1&wait=5', 'waits'],
    ['POST', '/v1/cps', 'waits'],
    ['POST', '/v1/cps?', 'waits'],
    ['POST', '/v1/cps?durability=logged', 'waits'],
    ['POST', '/v1/cpsx', 'requests'],
    ['POST', '/v1/mirrors', 'waits'],
    ['POST', '/v1/mirrors?', 'waits'],
    ['GET', '/v1/mirrors', 'requests'],
    ['DELETE', '/v1/mirrors/a', 'requests'],
    ['DELETE', '/v1/tokens/a', 'waits'],
    ['DELETE', '/v1/tokens/a?durability=logged', 'waits'],
    ['POST', '/v1/tokens', 'requests'],
    ['POST', '/v1/move', 'requests'],
    ['GET', '/v1/files/a?minCp=9&%77ait=60', 'waits'],
    ['GET', '/v1/files/a?minCp=9&wai%74=60', 'waits'],
    ['PUT', '/v1/files/a?durability=%6dirrored', 'waits'],
    ['PUT', '/v1/files/a?%64urability=mirrore%64', 'waits'],
    ['PUT', '/v1/files/a%77', 'requests'],
    ['GET', '/v1/dirs?limit=5', 'requests'],
    ['GET', '/v1/cps', 'requests'],
    ['GET', '/healthz', 'system'],
    ['GET', '/readyz?x', 'system'],
    ['GET', '/metrics', 'system'],
    ['GET', '/metricsx', 'requests'],
    ['GET', '/docs', 'requests'],
  ])('%s %s is counted as one of %s', (method, path, pot) => {
    const url = `http://localhost${path}`
    expect<string>(potOf(method, url, url.indexOf('/', 8))).toBe(pot)
  })

  test('a client at its share is refused, others and other kinds are not; who leaves gives it back', async () => {
    const { server, begin, counted } = serve(waitForBody)
    const lines = {
      requests: 'PUT /v1/files/a',
      waits: 'PUT /v1/files/a?wait=9',
      system: 'POST /metrics',
    }
    const inside: Socket[] = []
    for (const line of Object.values(lines)) inside.push(begin(2, line, body).socket)
    expect(await comesTrue(() => server.requests() === 3)).toBe(true)
    for (const [name, line] of Object.entries(lines)) {
      expect(await begin(2, line, body).answer).toStartWith('HTTP/1.1 429')
      expect(counted(`${name}-of-client` as RefusalReason)).toBe(1)
    }
    for (const line of Object.values(lines))
      for (const from of [3, 4]) inside.push(begin(from, line, body).socket)
    expect(await comesTrue(() => server.requests() === 9)).toBe(true)
    for (const [name, line] of Object.entries(lines)) {
      expect(await begin(5, line, body).answer).toStartWith('HTTP/1.1 503')
      expect(counted(name as RefusalReason)).toBe(1)
    }
    for (const socket of inside) socket.destroy()
    expect(await comesTrue(() => server.requests() === 0)).toBe(true)
    for (const line of Object.values(lines)) {
      const again = begin(2, line, body)
      again.socket.write('12345')
      expect(await again.answer).toStartWith('HTTP/1.1 200')
    }
  })

  test('a request that waits for a CP ends when its client leaves', async () => {
    let left = false
    const { server, begin } = serve(({ signal }) => {
      const { promise, resolve } = Promise.withResolvers<Response>()
      signal.addEventListener('abort', () => {
        left = true
        resolve(new Response())
      })
      return promise
    })
    const { socket } = begin(2, 'GET /v1/stat?minCp=9&wait=60')
    expect(await comesTrue(() => server.requests() === 1)).toBe(true)
    socket.destroy()
    expect(await comesTrue(() => left && server.requests() === 0)).toBe(true)
    const next = begin(2, 'GET /v1/stat?minCp=9&wait=60')
    expect(await comesTrue(() => server.requests() === 1)).toBe(true)
    next.socket.destroy()
  })
})

test.each([false, true])(
  'wrong credentials have a rate for each client, and right ones have none (later: %p)',
  async (isLater) => {
    const clock = new VirtualClock()
    const { begin, counted } = serve(
      ({ headers }) => {
        const given = new Response(null, { status: headers.get('Authorization') === 'right' ? 200 : 401 })
        return isLater ? Promise.resolve(given) : given
      },
      potsDefault,
      clock,
    )
    const ask = (from: number, line: string, credentials: string | null) =>
      begin(
        from,
        line,
        credentials === null
          ? ''
          : `Authorization: ${credentials}\r\nContent-Type: application/octet-stream\r\nContent-Length: 0\r\n`,
      ).answer
    for (let i = 0; i < wrongCredentials.burst; i++)
      expect(await ask(2, 'GET /v1/dirs', 'wrong')).toStartWith('HTTP/1.1 401')
    for (const line of ['GET /v1/dirs', 'POST /replica/v1/frames']) {
      expect(await ask(2, line, 'wrong')).toStartWith('HTTP/1.1 429')
      // Somebody at the same address guesses; who knows a token, or the key of the pair, comes in.
      expect(await ask(2, line, 'right')).toStartWith('HTTP/1.1 200')
    }
    expect(counted('credentials')).toBe(2)
    expect(await ask(2, 'GET /v1/dirs', null)).toStartWith('HTTP/1.1 401')
    expect(await ask(3, 'GET /v1/dirs', 'right')).toStartWith('HTTP/1.1 200')
    clock.jump(1000 / wrongCredentials.perSecond)
    expect(await ask(2, 'GET /v1/dirs', 'wrong')).toStartWith('HTTP/1.1 401')
    expect(await ask(2, 'GET /v1/dirs', 'wrong')).toStartWith('HTTP/1.1 429')
    clock.jump(60_000)
    expect(await ask(2, 'GET /v1/dirs', 'right')).toStartWith('HTTP/1.1 200')
  },
)

describe('work that a client forces', () => {
  test('consistency points, also by listings of several pages, have a rate', async () => {
    const h = new Harness()
    for (const name of ['a', 'b']) await h.request('PUT', `/v1/files/${name}`, { body: 'x' })
    const take = (client: string) => h.request('POST', '/v1/cps', { headers: { [clientHeader]: client } })
    for (let i = 0; i < 500; i++) expect((await take('greedy')).ok).toBe(true)
    const refused = await take('greedy')
    expect(refused.headers.get('Retry-After')).toBe('1')
    await expectProblem(refused, 'too-many-requests')
    const list = (query: string) =>
      h.request('GET', `/v1/dirs${query}`, { headers: { [clientHeader]: 'greedy' } })
    await expectProblem(list('?limit=1'), 'too-many-requests')
    expect((await list('')).status).toBe(200)
    expect((await take('other')).ok).toBe(true)
    h.clock.jump(20)
    expect((await take('greedy')).ok).toBe(true)
    const metrics = await (await h.request('GET', '/metrics')).text()
    expect(metrics).toContain('stillpoint_refused_total{why="forced-cps"} 2')
    expect(metrics).toContain('stillpoint_refused_total{why="host"} 0')
  })

  test('places for named consistency points are counted where they run out', async () => {
    const h = new Harness()
    const { StillpointError } = await import('../../../src/lib/errors.ts')
    h.files.view = () => {
      throw new StillpointError('too-many-pins', 'enough')
    }
    await expectProblem(h.request('GET', '/v1/stat?minCp=0'), 'too-many-pins')
    expect(await (await h.request('GET', '/metrics')).text()).toContain(
      'stillpoint_refused_total{why="pins"} 1',
    )
  })
})

describe('memory of uploads and answers', () => {
  const mib = 2 ** 20
  const request = (client: string, signal?: AbortSignal) =>
    new Request('http://localhost/', { headers: { [clientHeader]: client }, ...(signal ? { signal } : {}) })

  test('an upload waits for its share, and lets go whatever becomes of it', async () => {
    const resources = resourcesFor({ clock: systemClock, uploadBytesMax: 12 * mib })
    const gate = Promise.withResolvers<void>()
    const begun: string[] = []
    const upload = (client: string, signal?: AbortSignal) =>
      resources.upload(request(client, signal), 3 * mib, async () => {
        begun.push(client)
        await gate.promise
        if (client === 'fails') throw new Error('cut')
      })
    const running = [upload('a'), upload('a'), upload('fails')]
    const leaves = new AbortController()
    const left = upload('a', leaves.signal)
    const waits = upload('a')
    await comesTrue(() => resources.uploads.waiters === 2)
    expect(begun).toEqual(['a', 'a', 'fails'])
    leaves.abort()
    expect(left).rejects.toThrow('cut short')
    gate.resolve()
    const ended = await Promise.allSettled([...running, waits])
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(begun).toEqual(['a', 'a', 'fails', 'a'])
    expect([resources.uploads.bytes, resources.uploads.waiters]).toEqual([0, 0])
  })

  test('too many uploads that wait are refused and counted', async () => {
    const resources = resourcesFor({ clock: systemClock, uploadBytesMax: 12 * mib })
    const gate = Promise.withResolvers<void>()
    const upload = (client: string) => resources.upload(request(client), 6 * mib, () => gate.promise)
    const some = (client: string, count: number) => Array.from({ length: count }, () => upload(client))
    const all = [...some('a', 65), ...some('b', 65)]
    await expect(upload('a')).rejects.toThrow('64 uploads of this client')
    all.push(...some('c', 64), ...some('d', 64))
    await expect(upload('e')).rejects.toThrow('256 uploads')
    const counts = Object.fromEntries(resources.refusals.entries())
    expect([counts.uploads, counts['uploads-of-client']]).toEqual([1, 1])
    gate.resolve()
    await Promise.allSettled(all)
    expect(resources.uploads.bytes).toBe(0)
  })

  test('long answers: refused beyond the share, and smaller whole ones in a crowd', async () => {
    let requests = 0
    const resources = resourcesFor({ clock: systemClock, requests: () => requests })
    const rooms = Array.from({ length: 512 }, () => resources.answerRoom(request('a')))
    expect(() => resources.answerRoom(request('a'))).toThrow('512 long answers of one client')
    resources.answerRoom(request('b')).end()
    for (const room of rooms) {
      room.end()
      room.end()
    }
    expect(resources.streaming).toBe(0)
    expect(resources.bufferedBytesMax(mib)).toBe(mib)
    requests = 129
    expect(resources.bufferedBytesMax(mib)).toBe(64 * 1024)
  })

  test('listings of a crowd bring no contents', async () => {
    const h = new Harness()
    await h.request('PUT', '/v1/files/a', { body: 'x' })
    const contents = async () => {
      const listing = (await (await h.request('GET', '/v1/dirs?content=10')).json()) as {
        entries: { content?: string }[]
      }
      return listing.entries.map(({ content }) => content)
    }
    expect(await contents()).toEqual([btoa('x')])
    Object.defineProperty(h.resources, 'isCrowded', { get: () => true })
    expect(await contents()).toEqual([undefined])
  })

  test('an answer that nobody takes gives its room back when its client leaves', async () => {
    const h = new Harness()
    await h.request('PUT', '/v1/files/a', { body: Buffer.alloc(32 * mib) })
    const { begin } = serve((asked) => h.primary.fetch(asked), potsDefault)
    for (let i = 0; i < 3; i++) {
      const { socket } = begin(2, 'GET /v1/files/a')
      socket.pause()
      expect(await comesTrue(() => h.resources.streaming === 1 && h.resources.answers.bytes > 0)).toBe(true)
      socket.destroy()
      expect(await comesTrue(() => h.resources.streaming + h.resources.answers.bytes === 0)).toBe(true)
    }
    // In the process, where a client leaves between two pieces.
    for (let i = 0; i < 3; i++) {
      const reader = (await h.request('GET', '/v1/files/a')).body!.getReader()
      await reader.read()
      await reader.cancel()
      expect(await comesTrue(() => h.resources.streaming + h.resources.answers.bytes === 0)).toBe(true)
    }
  })
})
