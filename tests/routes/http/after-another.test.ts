/**
 * What a door keeps between two answers: whatever was asked before, an answer is that of a door that is asked for the
 * first time. Every request after every other one, also when both have much in common.
 */
import { describe, expect, test } from 'bun:test'
import type { Written } from '../../../src/fs/contract.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { App } from '../../../src/routes/app.ts'
import { type Durability, durabilityLevels } from '../../../src/routes/http/dependencies.ts'
import { startHttpServer } from '../../../src/routes/http/server.ts'
import { wishParser, writtenAnswers } from '../../../src/routes/v1/durability.ts'
import { bearer, issue } from '../../access/issued.ts'
import { Harness } from '../harness.ts'

/** A cursor counts the listings of its door. */
const shown = async (answer: Response): Promise<unknown> => [
  answer.status,
  Object.fromEntries(answer.headers),
  (await answer.text()).replace(/"next":"[^"]*"/, '"next":"a cursor"'),
]

/** Method, address, headers, body, and the level that the server reaches. */
type Row = readonly [string, string, Record<string, string>, (string | null)?, Durability?]
const json = { 'Content-Type': 'application/json' }
const rows: readonly Row[] = [
  ...['text/plain', 'text/html', 'image/png'].map((type): Row => [
    'PUT',
    '/v1/files/new',
    { 'Content-Type': type },
    type,
  ]),
  ...durabilityLevels.flatMap((level): Row[] => [
    // The same query, and another level; the same level, and another query.
    ['PUT', '/v1/files/a', {}, 'one', level],
    ['PUT', `/v1/files/b?durability=${level}`, {}, 'two'],
    ['DELETE', `/v1/files/c?durability=${level}`, {}],
    ['PATCH', `/v1/files/a?offset=1&durability=${level}`, {}, 'x'],
  ]),
  ['PUT', '/v1/files/a?durability=mirrored&mirrors=2', {}, 'one'],
  ['PUT', '/v1/files/a?durability=mirrored&wait=3', {}, 'one'],
  ['PUT', '/v1/files/a?wait=0', {}, 'one'],
  ['PUT', '/v1/files/a?durability=never', {}, 'one'],
  ['PUT', '/v1/files/a', { 'Stillpoint-Meta-M': 'v', 'Stillpoint-Mode': '0600' }, 'one'],
  ['PUT', '/v1/files/a', { 'If-Match': '"other"' }, 'one'],
  ['PUT', '/v1/dirs/d', {}],
  ['POST', '/v1/move', json, '{"from":"a","to":"moved"}'],
  ['POST', '/v1/cps', {}],
  ...['a', 'b', 'page.html', 'meta', 'missing'].flatMap((name): Row[] => [
    ['GET', `/v1/files/${name}`, {}],
    ['HEAD', `/v1/files/${name}`, {}],
    ['GET', `/v1/files/${name}`, { Range: 'bytes=1-2' }],
    ['GET', `/v1/files/${name}?cp=1`, {}],
    ['GET', `/v1/files/${name}`, { 'If-None-Match': '*' }],
    ['GET', `/v1/stat/${name}`, {}],
  ]),
  ['GET', '/v1/dirs', {}],
  ['GET', '/v1/dirs?limit=1', {}],
  ['GET', '/v1/cps', {}],
]

async function filled(): Promise<Harness> {
  const h = new Harness()
  const put = (name: string, headers: Record<string, string> = {}) =>
    h.request('PUT', `/v1/files/${name}`, { body: `of ${name}`, headers })
  await put('a')
  await put('b', { 'Content-Type': 'image/png' })
  await put('c', { 'Content-Type': 'text/plain' })
  await put('page.html', { 'Content-Type': 'text/html', 'Stillpoint-Mode': '0755' })
  await put('meta', { 'Stillpoint-Meta-A': 'b', 'Content-Type': 'text/plain' })
  h.publish()
  return h
}

const ask = (h: Harness, door: App, [method, path, headers, body = null, level]: Row) => {
  h.reached = level ?? null
  return Promise.resolve(door.fetch(new Request(`http://test${path}`, { method, headers, body }))).then(shown)
}

test('each request after each other one', async () => {
  for (const first of rows)
    for (const second of rows) {
      const [used, fresh] = [await filled(), await filled()]
      await ask(used, used.primary, first)
      await ask(fresh, fresh.primary, first)
      const given = await ask(used, used.primary, second)
      const expected = await ask(fresh, fresh.newDoor(), second)
      if (!Bun.deepEquals(given, expected)) expect([first, second, given]).toEqual([first, second, expected])
      if (!Bun.deepEquals(used.wishes.at(-1), fresh.wishes.at(-1)))
        expect([first, second, used.wishes.at(-1)]).toEqual([first, second, fresh.wishes.at(-1)])
    }
}, 30_000)

test('a reading request is answered alike after all others', async () => {
  const reading = rows.filter(([method]) => method === 'GET' || method === 'HEAD')
  for (const second of reading) {
    let expected: unknown
    for (const first of reading) {
      const h = await filled()
      await ask(h, h.primary, first)
      const given = await ask(h, h.primary, second)
      expected ??= given
      if (!Bun.deepEquals(given, expected)) expect([first, second, given]).toEqual([first, second, expected])
    }
  }
}, 20_000)

test('the answers to writes, which share their headers', async () => {
  const parts = [1, 2].flatMap((cp) =>
    durabilityLevels.flatMap((level) =>
      [true, false].flatMap((created) => ['e1', 'e2'].map((etag) => ({ cp, level, created, etag }))),
    ),
  )
  const answer = (made: ReturnType<typeof writtenAnswers>, { cp, level, created, etag }: (typeof parts)[0]) =>
    made('a', { created, stat: { size: cp, etag }, applied: { cp } } as Written, level)
  const alone = await Promise.all(parts.map((part) => shown(answer(writtenAnswers(), part))))
  for (const [i, first] of parts.entries())
    for (const [j, second] of parts.entries()) {
      const made = writtenAnswers()
      const [one, two, three] = [answer(made, first), answer(made, second), answer(made, first)]
      expect([await shown(one), await shown(two), await shown(three)]).toEqual([alone[i], alone[j], alone[i]])
    }
})

test('the wish of a query', () => {
  const queries = [
    '',
    ...durabilityLevels.map((level) => `durability=${level}`),
    'durability=mirrored&mirrors=2',
    'durability=mirrored&mirrors=3&wait=1',
    'wait=0',
    'wait=1',
    'durability=committed&wait=1',
    'durability=never',
    'mirrors=2',
    'wait=-1',
  ]
  const read = (parse: ReturnType<typeof wishParser>, query: string) => {
    try {
      return parse(query)
    } catch (error) {
      return String(error)
    }
  }
  for (const first of queries)
    for (const second of queries) {
      const parse = wishParser(8)
      for (const query of [first, second, second, first])
        expect(read(parse, query)).toEqual(read(wishParser(8), query))
    }
})

test('who asks', async () => {
  const tokens = (['reader', 'writer', 'monitor', 'admin'] as const).map((role) => issue(role))
  const senders = [{}, ...tokens.map(({ text }) => bearer(text)), bearer('sp_x_wrong')]
  const asked: Row[] = [
    ['GET', '/v1/whoami', {}],
    ['GET', '/v1/files/a', {}],
    ['PUT', '/v1/files/a', {}, 'x'],
    ['GET', '/v1/mirrors', {}],
  ]
  for (const first of senders)
    for (const second of senders)
      for (const [method, path, , body] of asked) {
        const answers: unknown[] = []
        for (const before of [first, null]) {
          const h = await filled()
          h.known.replace(
            tokens.map(({ token }) => token),
            true,
          )
          if (before) await ask(h, h.primary, ['GET', '/v1/whoami', before])
          answers.push(await ask(h, h.primary, [method, path, second, body ?? null]))
        }
        expect(answers[0]).toEqual(answers[1])
      }
})

describe('a listener', () => {
  test('judges each host, origin and address, whatever came before', async () => {
    const server = startHttpServer({
      hostname: '127.0.0.1',
      port: 0,
      clock: systemClock,
      hosts: ['127.0.0.1', 'good.example'],
      corsOrigins: ['https://page.example'],
      mounts: [
        { prefix: '/peers/', onlyPeers: true, fetch: () => new Response('peer') },
        { prefix: '/', fetch: () => new Response('all') },
      ],
    })
    const own = `127.0.0.1:${server.port}`
    const hosts = [own, `good.example:${server.port}`, 'bad.example', `127.0.0.1.bad.example:${server.port}`]
    const mores: Record<string, string>[] = [
      {},
      { Origin: 'https://page.example' },
      { Origin: 'https://another.example' },
      { Origin: `http://${own}` },
    ]
    const all = hosts.flatMap((Host) =>
      mores.flatMap((more) => ['/x', '/peers/x'].map((path) => ({ path, headers: { Host, ...more } }))),
    )
    const answers = async ({ path, headers }: (typeof all)[0]) => {
      const answer = await fetch(`${server.url}${path}`, { headers })
      return [answer.status, answer.headers.get('Access-Control-Allow-Origin'), answer.headers.get('Vary')]
    }
    try {
      const expected: unknown[] = []
      for (const one of all) {
        // A host that is not answered stands for nothing that is remembered.
        await answers({ path: '/x', headers: { Host: 'bad.example' } })
        expected.push(await answers(one))
      }
      expect(new Set(expected.map(String)).size).toBeGreaterThan(3)
      for (const first of all)
        for (const [at, second] of all.entries()) {
          await answers(first)
          expect(await answers(second)).toEqual(expected[at] as never)
        }
    } finally {
      await server.stop(0)
    }
  }, 20_000)
})
