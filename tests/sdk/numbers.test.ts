/** Numbers that a caller gives: whole and within bounds, or the call fails before anything is sent. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, ClientError } from '../../sdk/src/index.ts'
import { bounds, type NumericOption } from '../../sdk/src/numbers.ts'
import { projectFiles } from '../../tools/project-files.ts'
import { FakeServers, refusal } from './fake-servers.ts'

const root = join(import.meta.dir, '../..')
const bad: readonly unknown[] = [1.5, 0.5, -1, -0.5, NaN, Infinity, -Infinity, 2 ** 53, '1', null]

type Use = (client: Client, value: number) => unknown
const body = (): ReadableStream<Uint8Array> => new Response('abcdefghij').body!

/** Every way in which the number goes into a call. */
const uses: Readonly<Record<NumericOption, readonly Use[]>> = {
  cp: [
    (client, cp) => client.stat('a', { cp }),
    (client, cp) => client.get('a', { cp }),
    (client, cp) => client.list('a', { cp }).next(),
  ],
  minCp: [
    (client, minCp) => client.page('a', { minCp }),
    (client, minCp) => client.sql.ask('SELECT 1', { minCp }),
  ],
  wait: [
    (client, wait) => client.stat('a', { wait }),
    (client, wait) => client.sql.askText('csv', 'SELECT 1', { wait }),
    (client, wait) => client.put('a', 'x', { wait }),
    (client, wait) => client.move('a', 'b', { wait }),
    (client, wait) => client.upload('a', 'x', { wait }),
    (client, wait) => client.batch([], { wait }),
  ],
  mirrors: [
    (client, mirrors) => client.put('a', 'x', { mirrors }),
    (client, mirrors) => client.deleteFile('a', { mirrors }),
    (client, mirrors) => client.deleteDirectory('a', { mirrors }),
    (client, mirrors) => client.upload('a', body(), { mirrors }),
  ],
  limit: [
    (client, limit) => client.list('a', { limit }).next(),
    (client, limit) => client.page('a', { limit }),
    (client, limit) => client.administration.cps({ limit }).next(),
  ],
  content: [(client, content) => client.list('a', { content }).next()],
  maxRows: [
    (client, maxRows) => client.sql.ask('SELECT 1', { maxRows }),
    (client, maxRows) => client.sql.askText('ndjson', 'SELECT 1', { maxRows }),
  ],
  offset: [
    (client, offset) => client.get('a', { range: { offset } }),
    (client, offset) => client.patch('a', offset, 'x'),
  ],
  length: [(client, length) => client.get('a', { range: { offset: 0, length } })],
  size: [(client, size) => client.resize('a', size)],
  partBytes: [
    (client, partBytes) => client.upload('a', body(), { partBytes }),
    (client, partBytes) => client.upload('a', 'abcdefghij', { partBytes, id: 'mine' }),
  ],
  mode: [
    (client, mode) => client.put('a', 'x', { mode }),
    (client, mode) => client.putLink('a', 'b', { mode }),
    (client, mode) => client.makeDirectory('a', { mode }),
    (client, mode) => client.upload('a', body(), { mode }),
    (client, mode) => client.batch([{ op: 'put', path: 'a', bytes: new Uint8Array(1), mode }]),
  ],
  retriesMax: [],
  mirrorWait: [],
}
/** Options of the client itself. */
const own: readonly NumericOption[] = ['cp', 'retriesMax', 'mirrorWait']

const faultOf = async (work: () => unknown): Promise<string> => {
  try {
    await work()
    return 'none'
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    return error.code === 'bad-parameter' ? error.message : error.code
  }
}

for (const name of Object.keys(bounds) as NumericOption[]) {
  const [min, max] = bounds[name]
  const outside = [...bad, min - 1, max + 1]
  const sentence = (value: unknown): RegExp =>
    new RegExp(`^${name} is a whole number .* not ${String(value).replace('+', '\\+')}$`)

  test(`${name}: what is no such number is refused by its name, and nothing is sent`, async () => {
    const servers = new FakeServers(() => refusal(403, 'forbidden'))
    for (const value of outside) {
      for (const use of uses[name]) {
        // A call fails by its promise alone.
        const work = use(servers.client(), value as number)
        expect(work).toBeInstanceOf(Promise)
        expect(await faultOf(() => work)).toMatch(sentence(value))
      }
      if (own.includes(name))
        expect(await faultOf(() => servers.client({ [name]: value }))).toMatch(sentence(value))
    }
    expect(servers.heard.length).toBe(0)
  })
  test(`${name}: its bounds are numbers that go`, async () => {
    const servers = new FakeServers(() => refusal(403, 'forbidden'))
    for (const value of [min, max]) {
      for (const use of uses[name])
        expect(await faultOf(() => servers.ended(Promise.resolve(use(servers.client(), value))))).toBe(
          'forbidden',
        )
      if (own.includes(name)) expect(servers.client({ [name]: value })).toBeDefined()
    }
    expect(servers.heard.length).toBe(2 * uses[name].length)
  })
}

test('a parameter of a query is no number that JSON cannot have', async () => {
  const servers = new FakeServers(() => refusal(403, 'forbidden'))
  for (const value of [NaN, Infinity, -Infinity])
    expect(await faultOf(() => servers.client().sql.ask('SELECT ?', { params: [value] }))).toMatch(/finite/)
  expect(servers.heard.length).toBe(0)
})

test('no number that a caller may give is without bounds', () => {
  const files = projectFiles(root, 'sdk/src').filter((path) => !path.includes('generated'))
  const found = files.flatMap((path) => {
    const code = readFileSync(join(root, path), 'utf8')
    return [...code.matchAll(/readonly (\w+)\?: number\b/g)].map(([, name]) => name!)
  })
  // These are of an answer, or of a request inside of the package.
  const others = ['bytesMax', 'retryAfterMs', 'status']
  expect([...new Set(found.filter((name) => !(name in bounds)))].toSorted()).toEqual(others)
  const wanted = Object.keys(bounds).filter((name) => name !== 'offset' && name !== 'size')
  expect(wanted.filter((name) => !found.includes(name))).toEqual([])
})
