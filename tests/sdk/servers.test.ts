/** Who is asked, how often, and for which consistency point. */
import { describe, expect, test } from 'bun:test'
import { serverCodes } from '../../sdk/src/generated/codes.ts'
import { type ClientError, isClientError } from '../../sdk/src/index.ts'
import { errorCodes } from '../../src/lib/errors.ts'
import { busy, FakeServers, type Heard, refusal, saysStat, statOf, written } from './fake-servers.ts'

const saysRows = (cp: number): Response =>
  Response.json({ cp, columns: [{ name: '1', type: null }], rows: [[1]], truncated: false })
const saysCsv = (cp: number): Response =>
  new Response('1\n', {
    headers: {
      'Content-Type': 'text/csv',
      'Content-Length': '2',
      'Stillpoint-CP': String(cp),
      'Stillpoint-Truncated': 'false',
    },
  })

const failure = async (work: Promise<unknown>): Promise<ClientError> => {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!isClientError(error)) throw new Error(`no failure of a client: ${String(error)}`)
  return error
}

test('the codes are those of the contract, and a code of a later version is told', async () => {
  expect<readonly string[]>(serverCodes).toEqual(Object.keys(errorCodes))
  const later = new FakeServers(() => refusal(418, 'later-code'))
  const error = await failure(later.ended(later.client().stat('a')))
  expect(error).toMatchObject({
    code: 'unknown',
    status: 418,
    problem: { code: 'later-code', detail: 'why' },
  })
})

test('a token goes to the primary and to the mirrors, in a header', async () => {
  const servers = new FakeServers(({ host }) => (host === 'primary' ? 'away' : saysStat('a', 1)))
  await servers.client({ token: 'sp_a_b', mirrors: ['http://mirror'] }).stat('a')
  expect(servers.heard.map(({ host, headers }) => [host, headers.get('Authorization')])).toEqual([
    ['primary', 'Bearer sp_a_b'],
    ['mirror', 'Bearer sp_a_b'],
  ])
})

describe('what is sent again', () => {
  test('a refusal for now, after the time that the server asks for, a bounded number of times', async () => {
    const servers = new FakeServers(() => busy('3'))
    const began = servers.clock.monotonic()
    const error = await failure(servers.ended(servers.client({ retriesMax: 2 }).put('a', 'x')))
    expect([error.code, error.retryAfterMs, servers.heard.length]).toEqual(['busy', 3000, 3])
    expect(servers.clock.monotonic() - began).toBeGreaterThanOrEqual(6000)
    expect(servers.clock.monotonic() - began).toBeLessThan(7000)
  })
  test('the delays double', async () => {
    const at: number[] = []
    const servers = new FakeServers(() => {
      at.push(servers.clock.monotonic())
      return busy('0')
    })
    await failure(servers.ended(servers.client({ retriesMax: 7 }).put('a', 'x')))
    expect(at.slice(1).map((ms, i) => ms - at[i]!)).toEqual([125, 250, 500, 1000, 2000, 4000, 4000])
  })
  test('not where the server does not say when, is asked for too long, or has not reached a CP', async () => {
    for (const said of [
      () => refusal(503, 'fenced'),
      () => busy('3600'),
      () => refusal(503, 'not-yet', { 'Retry-After': '1' }),
      () => refusal(404, 'not-found', { 'Retry-After': '1' }),
    ]) {
      const servers = new FakeServers(said)
      await failure(servers.ended(servers.client().put('a', 'x')))
      await failure(servers.ended(servers.client().stat('a')))
      expect(servers.heard.length).toBe(2)
    }
  })
  test('a read that gets no answer, and no change that gets none', async () => {
    const servers = new FakeServers(() => 'reset')
    const changes: (() => Promise<unknown>)[] = [
      () => servers.client().put('a', 'x'),
      () => servers.client().patch('a', 'end', 'x'),
      () => servers.client().move('a', 'b'),
      () => servers.client().deleteFile('a'),
      () => servers.client().batch([{ op: 'delete', path: 'a' }]),
      () => servers.client().administration.takeCp(),
    ]
    for (const change of changes) expect((await failure(servers.ended(change()))).code).toBe('unreachable')
    expect(servers.heard.length).toBe(6)
    await failure(servers.ended(servers.client().stat('a')))
    expect(servers.heard.length).toBe(6 + 5)
  })
  test('no stream, which is there once', async () => {
    const servers = new FakeServers(() => busy('0'))
    await failure(servers.ended(servers.client().put('a', new Blob(['x']).stream())))
    expect(servers.heard.length).toBe(1)
  })
})

describe('who is asked', () => {
  const mirrors = ['http://m1', 'http://m2']
  test('the primary, and a mirror where the primary is away or in trouble, damaged content included', async () => {
    for (const said of [
      () => 'away',
      () => refusal(500, 'corrupt'),
      () => refusal(503, 'poisoned'),
      () => refusal(502, 'x'),
      () => busy('0'),
    ]) {
      const servers = new FakeServers(({ host }) => (host === 'm2' ? saysStat('a', 1) : said()))
      await servers.ended(servers.client({ mirrors }).stat('a'))
      expect(servers.hosts).toEqual(['primary', 'm1', 'm2'])
    }
  })
  test('nobody else where the answer is about the file', async () => {
    for (const [status, code] of [
      [404, 'not-found'],
      [403, 'forbidden'],
      [410, 'cp-gone'],
      [409, 'is-a-directory'],
    ] as const) {
      const servers = new FakeServers(() => refusal(status, code))
      expect((await failure(servers.ended(servers.client({ mirrors }).stat('a')))).code).toBe(code)
      expect(servers.hosts).toEqual(['primary'])
    }
  })
  test('no mirror for a change', async () => {
    const servers = new FakeServers(() => 'away')
    await failure(servers.ended(servers.client({ mirrors, readsFrom: 'mirrors' }).put('a', 'x')))
    expect(servers.hosts).toEqual(['primary'])
  })
  test('the one that failed is asked last for a while', async () => {
    let isAway = true
    const servers = new FakeServers(({ host }) => (host === 'primary' && isAway ? 'away' : saysStat('a', 1)))
    const client = servers.client({ mirrors })
    await client.stat('a')
    isAway = false
    await client.stat('a')
    await servers.clock.advance(10_001)
    await client.stat('a')
    expect(servers.hosts).toEqual(['primary', 'm1', 'm1', 'primary'])
  })
  test('a mirror that is behind is no failure of its own, and says why nobody has an answer', async () => {
    const behind = () => refusal(503, 'not-yet', { 'Retry-After': '1' })
    const servers = new FakeServers(({ host }) => (host === 'primary' ? 'away' : behind()))
    const error = await failure(servers.ended(servers.client({ mirrors, cp: 7 }).stat('a')))
    expect([error.code, servers.hosts]).toEqual(['not-yet', ['primary', 'm1', 'm2']])
  })
  test('the next page is asked of the server that gave the page before', async () => {
    const page = (name: string, next: string | null) =>
      Response.json({ cp: 1, path: '', entries: [{ ...statOf(name, 1), name }], next })
    const servers = new FakeServers(({ host, query: { cursor } }) =>
      host === 'primary'
        ? 'away'
        : cursor === undefined
          ? page('a', 'second')
          : cursor === 'second'
            ? page('b', 'third')
            : page('c', null),
    )
    const entries = servers.client({ mirrors }).list('')
    await entries.next()
    // The primary is asked first again by now.
    await servers.clock.advance(20_000)
    expect([(await entries.next()).done, (await entries.next()).done]).toEqual([false, false])
    expect(servers.heard.map(({ host, query }) => [host, query['cursor'], query['minCp']])).toEqual([
      ['primary', undefined, undefined],
      ['m1', undefined, undefined],
      ['m1', 'second', undefined],
      ['m1', 'third', undefined],
    ])
  })
})

test('a page that fails ahead of its reader is heard of when the reader comes to it, and not before', async () => {
  const page = (next: string | null) =>
    Response.json({
      cp: 1,
      path: '',
      entries: ['a', 'b'].map((name) => ({ ...statOf(name, 1), name })),
      next,
    })
  const said = ({ query: { cursor } }: Heard) =>
    cursor === undefined ? page('second') : refusal(410, 'cursor-expired')
  const unheard: unknown[] = []
  const onUnheard = (reason: unknown): void => void unheard.push(reason)
  process.on('unhandledRejection', onUnheard)
  try {
    const servers = new FakeServers(said)
    const stopping = servers.client().list('')
    await stopping.next()
    // A whole turn of the runtime, in which it tells of rejections that nobody has heard.
    await new Promise((resolve) => setImmediate(resolve))
    await stopping.return(undefined)
    const going = servers.client().list('')
    expect([(await going.next()).done, (await going.next()).done]).toEqual([false, false])
    await new Promise((resolve) => setImmediate(resolve))
    expect((await failure(going.next())).status).toBe(410)
    await new Promise((resolve) => setImmediate(resolve))
    expect([unheard, servers.heard.length]).toEqual([[], 4])
  } finally {
    process.off('unhandledRejection', onUnheard)
  }
})

describe('the consistency point that goes along', () => {
  const mirrors = ['http://mirror']
  const asked = ({ heard }: FakeServers) =>
    heard.filter(({ host }) => host === 'mirror').map(({ query }) => query)

  test('a mirror is asked for what was written and what was read, and waits', async () => {
    let cp = 5
    const servers = new FakeServers(({ host, method }) =>
      method === 'PUT' ? written('a', 8) : host === 'mirror' ? saysStat('a', ++cp + 5) : 'away',
    )
    const client = servers.client({ mirrors, readsFrom: 'mirrors', cp: 3, mirrorWait: 9 })
    await client.stat('a')
    await client.stat('a')
    await client.put('a', 'x')
    await client.stat('a')
    expect(asked(servers)).toEqual([
      { minCp: '3', wait: '9' },
      { minCp: '11', wait: '9' },
      { minCp: '12', wait: '9' },
    ])
    expect(client.cp).toBe(13)
  })
  test('what another client has handed on goes to the first address, and no more than that', async () => {
    let cp = 20
    const servers = new FakeServers(({ method }) => (method === 'PUT' ? written('a', 30) : saysStat('a', cp)))
    const client = servers.client({ cp: 9 })
    await client.stat('a')
    await client.put('a', 'x')
    await client.stat('a')
    await client.stat('a', { minCp: 15 })
    expect(servers.heard.map(({ query }) => query)).toEqual([
      { minCp: '9', wait: '5' },
      {},
      { minCp: '9', wait: '5' },
      { minCp: '15', wait: '5' },
    ])
    cp = 8
    expect((await failure(client.stat('a'))).code).toBe('bad-answer')
  })
  test('the next server is asked where one shows less than it was asked for', async () => {
    const servers = new FakeServers(({ host }) => saysStat('a', host === 'mirror' ? 2 : 5))
    const client = servers.client({ mirrors, readsFrom: 'mirrors', cp: 3 })
    expect([(await client.stat('a')).cp, servers.hosts]).toEqual([5, ['mirror', 'primary']])
  })
  test('an answer in SQL has no more rows than were asked for', async () => {
    const servers = new FakeServers(() =>
      Response.json({ cp: 1, columns: [{ name: '1', type: null }], rows: [[1], [2]], truncated: false }),
    )
    const ask = (maxRows: number) => servers.client().sql.ask('SELECT 1', { maxRows })
    expect((await ask(2)).rows.length).toBe(2)
    expect((await failure(ask(1))).code).toBe('bad-answer')
  })
  test('a mirror that shows less than it was asked for is not believed', async () => {
    const servers = new FakeServers(() => saysStat('a', 2))
    const client = servers.client({ mirrors, readsFrom: 'mirrors', cp: 3 })
    expect((await failure(client.stat('a'))).code).toBe('bad-answer')
  })
  test('a wish of the caller stays: a higher minCp, another wait, an exact CP, a time', async () => {
    const servers = new FakeServers(({ query }) => saysStat('a', Number(query['cp'] ?? query['minCp'] ?? 1)))
    const client = servers.client({ mirrors, readsFrom: 'mirrors', cp: 3 })
    await client.stat('a', { minCp: 20, wait: 1 })
    await client.stat('a', { cp: 4 })
    await client.stat('a', { at: '2026-01-31T12:00:00Z' })
    expect(asked(servers)).toEqual([{ minCp: '20', wait: '1' }, { cp: '4' }, { at: '2026-01-31T12:00:00Z' }])
  })
  test('an older state than this client has seen is no wish that a server gets', async () => {
    const servers = new FakeServers(({ query }) => saysStat('a', Number(query['minCp'])))
    const client = servers.client({ mirrors, readsFrom: 'mirrors', cp: 9 })
    await client.stat('a', { minCp: 4 })
    expect(asked(servers)).toEqual([{ minCp: '9', wait: '5' }])
    const older = new FakeServers(() => saysStat('a', 4))
    const other = older.client({ mirrors, readsFrom: 'mirrors', cp: 9 })
    expect((await failure(other.stat('a', { minCp: 4 }))).code).toBe('bad-answer')
  })
  test('SQL, whose catalog follows, shows what was written on the primary too', async () => {
    let cp = 8
    const servers = new FakeServers(({ method, path, headers }) => {
      if (method === 'PUT') return written('a', 8)
      if (path === '/v1/sql/schema') return Response.json({ views: [] })
      return headers.get('Accept') === 'text/csv' ? saysCsv(cp) : saysRows(cp)
    })
    const client = servers.client()
    await client.sql.ask('SELECT 1')
    cp = 3
    await client.put('a', 'x')
    for (const ask of [() => client.sql.ask('SELECT 1'), () => client.sql.askText('csv', 'SELECT 1')])
      expect((await failure(ask())).code).toBe('bad-answer')
    cp = 8
    await client.sql.askText('csv', 'SELECT 1', { minCp: 2 })
    cp = 20
    await client.sql.ask('SELECT 1', { minCp: 20, wait: 0 })
    await client.sql.schema()
    expect(servers.heard.map(({ host, method, query }) => [host, method, query])).toEqual([
      ['primary', 'POST', {}],
      ['primary', 'PUT', {}],
      ['primary', 'POST', { minCp: '8', wait: '5' }],
      ['primary', 'POST', { minCp: '8', wait: '5' }],
      ['primary', 'POST', { minCp: '8', wait: '5' }],
      ['primary', 'POST', { minCp: '20', wait: '0' }],
      ['primary', 'GET', {}],
    ])
  })
})
