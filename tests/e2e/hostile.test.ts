/**
 * Showcase 9, over real sockets: whatever arrives, the answer is a clear refusal or none, never a 5xx, and afterwards
 * both servers serve exactly what they served before.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { checkVolume } from '../../tools/live/command.ts'
import { Pair } from '../../tools/live/pair.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { put, settle, testMsMax } from './live.ts'
import { sendRaw } from './raw-http.ts'

let pair: Pair
let before = ''
const content = 'nobody changes this'

async function everything(url: string): Promise<string> {
  const listing = (await (await fetch(`${url}/v1/dirs?recursive=true&limit=1000`)).json()) as {
    entries: { path: string; etag: string; size: number }[]
  }
  return JSON.stringify(listing.entries.map(({ path, etag, size }) => [path, etag, size]))
}

beforeAll(async () => {
  pair = await Pair.start()
  await put(pair.primary.url, 'dir/file', content)
  await put(pair.primary.url, 'large', new Uint8Array(300_000).fill(1))
  await settle(pair)
  before = await everything(pair.primary.url)
}, testMsMax)

afterAll(async () => {
  try {
    for (const server of [pair.primary, pair.mirror]) {
      expect(server.isRunning).toBeTrue()
      expect(server.log).not.toContain('a bug')
    }
    await settle(pair)
    expect(await everything(pair.primary.url)).toBe(before)
    expect(await everything(pair.mirror.url)).toBe(before)
    expect(await (await fetch(`${pair.mirror.url}/v1/files/dir/file`)).text()).toBe(content)
    for (const server of [pair.primary, pair.mirror]) {
      expect(await server.stop()).toBe(0)
      await checkVolume(server.data)
    }
  } finally {
    await pair.remove()
  }
}, testMsMax)

const request = (line: string, headers: readonly string[] = [], body = ''): string =>
  `${line} HTTP/1.1\r\nHost: localhost\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n${body}`

/** [what, the bytes, and whether they are cut off by the end of the client's side]. */
type Case = readonly [string, string | Uint8Array, boolean?]

const put5 = (path: string, ...headers: string[]) =>
  request(`PUT ${path}`, ['Content-Length: 5', ...headers], 'hello')
const json = (path: string, body: string, type = 'application/json') =>
  request(`POST ${path}`, [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`], body)
const batch = (operation: string) => json('/v1/batch', `{"operations":[${operation}]}`)

const paths: readonly Case[] = [
  '%2e%2e%2fx',
  'a%2F..%2F..%2Fetc',
  'a%00b',
  'a%0d%0aX-Injected:1',
  'a%FF',
  'a%C0%AF',
  'a%ED%A0%80',
  'a//b',
  'a/',
  '/a',
  'a%',
  'a%zz',
  'n'.repeat(256),
  'n/'.repeat(300) + 'n',
  ('n'.repeat(249) + '/').repeat(20) + 'n',
  '%2F',
].flatMap((path) =>
  ['PUT', 'GET', 'PATCH', 'DELETE'].map((method): Case => [
    `${method} ${path.slice(0, 40)}`,
    request(
      `${method} /v1/files/${path}${method === 'PATCH' ? '?offset=0' : ''}`,
      ['Content-Length: 5'],
      'hello',
    ),
  ]),
)

const heads: readonly Case[] = [
  ['no request line', '\r\n\r\n'],
  ['HTTP/9.9', 'GET / HTTP/9.9\r\nHost: x\r\n\r\n'],
  ['an unknown method', request('BREW /v1/files/x')],
  ['TRACE', request('TRACE /')],
  ['CONNECT', request('CONNECT x:1')],
  ['no Host', 'PUT /v1/files/new HTTP/1.1\r\nContent-Length: 1\r\n\r\nx'],
  ['two Hosts', 'PUT /v1/files/new HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 1\r\n\r\nx'],
  ['a Host that is none', 'PUT /v1/files/new HTTP/1.1\r\nHost: a b<>\r\nContent-Length: 1\r\n\r\nx'],
  ['a negative length', request('PUT /v1/files/new', ['Content-Length: -1'], 'x')],
  ['a huge length', request('PUT /v1/files/new', ['Content-Length: 99999999999999999999'], 'x')],
  ['a length above any file', request('PUT /v1/files/new', [`Content-Length: ${2 ** 52}`], 'x'), true],
  ['two lengths', request('PUT /v1/files/new', ['Content-Length: 1', 'Content-Length: 2'], 'xy')],
  [
    'a length and chunks',
    request('PUT /v1/files/new', ['Content-Length: 9', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n'),
  ],
  ['bad chunks', request('PUT /v1/files/new', ['Transfer-Encoding: chunked'], 'zz\r\nhello\r\n0\r\n\r\n')],
  [
    'a huge chunk',
    request('PUT /v1/files/new', ['Transfer-Encoding: chunked'], 'ffffffffffffffff\r\nx'),
    true,
  ],
  ['chunks that end early', request('PUT /v1/files/new', ['Transfer-Encoding: chunked'], '5\r\nhel'), true],
  ['a body that ends early', request('PUT /v1/files/new', ['Content-Length: 10'], 'hello'), true],
  [
    'a large body that ends early',
    request('PUT /v1/files/new', ['Content-Length: 1000000'], 'h'.repeat(500_000)),
    true,
  ],
  [
    'a PATCH that ends early',
    request('PATCH /v1/files/dir/file?offset=0', ['Content-Length: 100'], 'hello'),
    true,
  ],
  ['a head of 20 KiB', request('GET /v1/dirs', [`X-Long: ${'x'.repeat(20_000)}`])],
  ['a header with NUL', request('GET /v1/files/missing', ['X-Zero: a\0b'])],
  ['an encoding', put5('/v1/files/new', 'Content-Encoding: gzip')],
  ['a Content-Range', put5('/v1/files/new', 'Content-Range: bytes 0-4/5')],
  ['another digest', put5('/v1/files/new', 'Repr-Digest: sha-256=:AAAA:')],
  ['a digest that is none', put5('/v1/files/new', 'Repr-Digest: sha-256=')],
  ['too much metadata', put5('/v1/files/new', `Stillpoint-Meta-A: ${'m'.repeat(3000)}`)],
  ['a name of metadata that is too long', put5('/v1/files/new', `Stillpoint-Meta-${'m'.repeat(65)}: 1`)],
  ['a mode that is none', put5('/v1/files/new', 'Stillpoint-Mode: 99999')],
  ['a time that is none', put5('/v1/files/new', 'Stillpoint-Modified: yesterday')],
  ['a link with a body', put5('/v1/files/new', 'Stillpoint-Link: x')],
  ['If-Match of something else', put5('/v1/files/dir/file', 'If-Match: "nothing"')],
  ['If-None-Match of anything', put5('/v1/files/dir/file', 'If-None-Match: *')],
]

const queries: readonly Case[] = [
  'durability=eternal',
  'durability=logged&durability=buffered',
  'wait=-1',
  'wait=1e3',
  'mirrors=0',
  'unknown=1',
  'offset=0',
  '%00=1',
].map((query): Case => [`PUT ?${query}`, put5(`/v1/files/new?${query}`)])
const readQueries: readonly Case[] = [
  'cp=-1',
  'cp=99999999999999999999',
  'cp=1.5',
  'cp=NaN',
  'minCp=9007199254740993',
  'at=tomorrow',
  'cp=1&minCp=1',
  'wait=61',
].flatMap((query): Case[] => [
  [`GET ?${query}`, request(`GET /v1/files/dir/file?${query}`)],
  [`list ?${query}`, request(`GET /v1/dirs?${query}`)],
])
const lists: readonly Case[] = [
  'limit=0',
  'limit=1001',
  'limit=x',
  'cursor=x',
  `cursor=${'A'.repeat(5000)}`,
  'recursive=maybe',
].map((query): Case => [`list ?${query.slice(0, 30)}`, request(`GET /v1/dirs?${query}`)])
const patches: readonly Case[] = [
  'offset=-1',
  'offset=99999999999999999999',
  'offset=17592186044416',
  'size=-1',
  'size=1e30',
  'size=17592186044417',
  'offset=1&size=2',
  '',
].map((query): Case => [
  `PATCH ?${query}`,
  request(`PATCH /v1/files/dir/file?${query}`, ['Content-Length: 1'], 'x'),
])
const bodies: readonly Case[] = [
  ['no JSON', json('/v1/batch', '{"operations":[')],
  ['not declared as JSON', json('/v1/batch', '{"operations":[]}', 'text/plain')],
  ['another shape', json('/v1/batch', '[]')],
  ['null', json('/v1/batch', 'null')],
  ['deep', json('/v1/batch', '['.repeat(100_000))],
  ['a prototype', json('/v1/batch', '{"__proto__":{"operations":[]},"constructor":1}')],
  [
    'too many operations',
    json('/v1/batch', `{"operations":[${Array(1001).fill('{"op":"mkdir","path":"m"}').join()}]}`),
  ],
  ['an unknown operation', batch('{"op":"chown","path":"new"}')],
  ['base64 that is none', batch('{"op":"put","path":"new","content":"@@@@"}')],
  ['a lone surrogate', batch('{"op":"put","path":"new","text":"\\ud800"}')],
  ['a path that is none', batch('{"op":"put","path":"../new","text":""}')],
  ['a number for a path', batch('{"op":"put","path":1,"text":""}')],
  ['the second one fails', batch('{"op":"put","path":"new","text":""},{"op":"delete","path":"missing"}')],
  ['a huge number', batch('{"op":"put","path":"new","text":"","mode":1e999}')],
  ['move without a target', json('/v1/move', '{"from":"dir"}')],
  ['move into itself', json('/v1/move', '{"from":"dir","to":"dir/a/b"}')],
  ['move of the root', json('/v1/move', '{"from":"","to":"x"}')],
  ['a mirror that is none', json('/v1/mirrors', '{"url":"file:///etc/passwd"}')],
  ['a mirror URL that is too long', json('/v1/mirrors', `{"url":"http://${'a'.repeat(5000)}"}`)],
  [
    'JSON of 20 MiB',
    json(
      '/v1/batch',
      `{"operations":[{"op":"put","path":"new","text":"${'a'.repeat(2 ** 20)}"}]}`.padEnd(12 * 2 ** 20),
    ),
  ],
  ['the root deleted', request('DELETE /v1/dirs?recursive=true')],
]

/** Said by the runtime of a request that is not HTTP/1. */
const versionRefused = 505

async function refused([what, bytes, end = false]: Case): Promise<void> {
  for (const server of [pair.primary, pair.mirror]) {
    const { status, text } = await sendRaw(server.port, [bytes], { end })
    const isRefused = status === null || (status >= 400 && status < 500) || status === versionRefused
    if (!isRefused) throw new Error(`${what}: ${text.slice(0, 600)}`)
    // Below the server's own code a refusal may be bare; above it every one has a code.
    if (text.includes('\r\n\r\n{')) expect(text).toMatch(/"code":"[a-z-]+"/)
    expect(server.isRunning).toBeTrue()
  }
}

describe('is refused, and changes nothing', () => {
  const groups = { paths, heads, queries, 'reading queries': readQueries, lists, patches, bodies }
  for (const [name, cases] of Object.entries(groups))
    test(
      `${name} (${cases.length})`,
      async () => {
        for (let at = 0; at < cases.length; at += 8) await Promise.all(cases.slice(at, at + 8).map(refused))
        expect(await everything(pair.primary.url)).toBe(before)
      },
      testMsMax,
    )
})

test(
  'ranges that make no sense are ignored or refused',
  async () => {
    for (const range of [
      'bytes=5-2',
      'bytes=-0',
      'bytes=99-',
      'bytes=a-b',
      'bytes=0-1,3-4',
      'lines=1-2',
      'bytes=-',
      `bytes=${'9'.repeat(40)}-`,
    ]) {
      const { status, text } = await sendRaw(pair.primary.port, [
        request('GET /v1/files/dir/file', [`Range: ${range}`]),
      ])
      expect([range, [200, 416].includes(status ?? 0)]).toEqual([range, true])
      if (status === 200) expect(text).toEndWith(content)
    }
  },
  testMsMax,
)

test(
  'junk, at the door and at the door for primaries',
  async () => {
    const dice = seededRandom(5)
    const fronts = [
      '',
      'GET ',
      'PUT /v1/files/new HTTP/1.1\r\n',
      'PUT /v1/files/new HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
    ]
    const replica = (path: string, length: number) =>
      `POST /replica/v1/${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`
    for (let round = 0; round < 12; round++) {
      const sent: Promise<unknown>[] = []
      for (const { port } of [pair.primary, pair.mirror])
        for (let i = 0; i < 8; i++) {
          const junk = dice.bytes(1 + dice.below(3000))
          sent.push(expectNoServerError(port, [fronts[dice.below(fronts.length)]!, junk]))
          // The same with the first bytes of a frame, whole and cut.
          const frame =
            junk.length > 200 ? junk.map((byte, at) => (at < 2 ? [64 + (byte % 20), 2][at]! : byte)) : junk
          const path = ['frames', 'frames', 'answers', 'nothing'][dice.below(4)]!
          const length = dice.below(3) === 0 ? frame.length + 100 : frame.length
          sent.push(expectNoServerError(port, [replica(path, length), frame]))
        }
      await Promise.all(sent)
    }
    expect((await fetch(`${pair.primary.url}/readyz`)).status).toBe(200)
    expect((await fetch(`${pair.mirror.url}/readyz`)).status).toBe(200)
    const written = await put(pair.primary.url, 'dir/after', 'x')
    const shown = await fetch(`${pair.mirror.url}/v1/files/dir/after?minCp=${written.cp}&wait=30`)
    expect(await shown.text()).toBe('x')
    await (await fetch(`${pair.primary.url}/v1/files/dir/after`, { method: 'DELETE' })).text()
  },
  testMsMax,
)

async function expectNoServerError(port: number, parts: readonly (string | Uint8Array)[]): Promise<void> {
  const { status, text } = await sendRaw(port, parts, { end: true })
  if (status !== null && status >= 500 && status !== versionRefused) throw new Error(text.slice(0, 600))
}
