/**
 * Every number of the published contract that bounds a request: one below, at, and one above it. The numbers stand here
 * as a client knows them, so a limit that moves without a word fails as well.
 */
import { describe } from 'bun:test'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { makeCursor } from '../../src/routes/http/cursor.ts'
import { type LimitRow, testLimits } from '../at-the-limit.ts'
import { Harness, expectProblem } from './harness.ts'

type Send = (harness: Harness, n: number) => Promise<Response>

/** Fits: any answer but a refusal; a refusal has exactly this code. */
const row = (what: string, limit: number, code: ErrorCode, send: Send): LimitRow => [
  what,
  limit,
  async (n) => {
    const answer = await send(new Harness(), n)
    if (answer.status < 400) return true
    await expectProblem(answer, code)
    return false
  },
]

const put = (harness: Harness, path: string, headers: Record<string, string> = {}): Promise<Response> =>
  harness.request('PUT', `/v1/files/${path}`, { body: 'x', headers })
const batch = (harness: Harness, operations: readonly unknown[]): Promise<Response> =>
  harness.json('POST', '/v1/batch', { operations })
const batchPut = (harness: Harness, more: Record<string, unknown>): Promise<Response> =>
  batch(harness, [{ op: 'put', path: 'a', text: 'x', ...more }])

/** A path with exactly so many bytes, of names that are short enough. */
function pathOf(bytes: number): string {
  const names: string[] = []
  for (let left = bytes; left > 0; left -= 201) names.push('p'.repeat(Math.min(200, left)))
  // A name behind the last slash has at least one byte.
  return names.join('/').length === bytes ? names.join('/') : `${names.join('/')}q`
}
const depthOf = (names: number): string => Array.from({ length: names }, () => 'a').join('/')
/** Two bytes of UTF-8 and one code unit each, but for the last. */
const wide = (bytes: number): string => 'ü'.repeat(bytes >> 1) + 'a'.repeat(bytes & 1)

describe('a path', () => {
  testLimits([
    row('bytes, in a URL', 4096, 'bad-path', (h, n) => put(h, pathOf(n))),
    row('bytes, in a batch', 4096, 'bad-path', (h, n) => batchPut(h, { path: pathOf(n) })),
    row('bytes, of a read', 4096, 'bad-path', async (h, n) => {
      const answer = await h.request('GET', `/v1/stat/${pathOf(n)}`)
      // What is not there has a path that may be.
      return answer.status === 404 ? new Response('') : answer
    }),
    row('names, in a URL', 256, 'bad-path', (h, n) => put(h, depthOf(n))),
    row('names, in a batch', 256, 'bad-path', (h, n) => batchPut(h, { path: depthOf(n) })),
    row('names of a directory', 256, 'bad-path', (h, n) => h.request('PUT', `/v1/dirs/${depthOf(n)}`)),
    row('bytes of a name, in a URL', 255, 'bad-path', (h, n) => put(h, 'n'.repeat(n))),
    row('bytes of a name of wide characters, in a URL', 255, 'bad-path', (h, n) =>
      put(h, encodeURIComponent(wide(n))),
    ),
    row('bytes of a name of wide characters, in a batch', 255, 'bad-path', (h, n) =>
      batchPut(h, { path: wide(n) }),
    ),
    row('bytes of the target of a move', 255, 'bad-path', async (h, n) => {
      await put(h, 'a')
      return h.json('POST', '/v1/move', { from: 'a', to: 'n'.repeat(n) })
    }),
  ])
})

const meta = (bytes: number): Record<string, string> => ({
  a: 'v'.repeat(1000 - 1),
  bb: 'v'.repeat(1000 - 2),
  ccc: 'v'.repeat(bytes - 2000 - 3),
})
const metaHeaders = (of: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [`Stillpoint-Meta-${name}`, value]))

describe('attributes', () => {
  testLimits([
    row('bytes of metadata in headers', 2048, 'metadata-too-large', (h, n) =>
      put(h, 'a', metaHeaders(meta(n))),
    ),
    row('bytes of metadata in a batch', 2048, 'metadata-too-large', (h, n) => batchPut(h, { meta: meta(n) })),
    row('bytes of metadata of a directory', 2048, 'metadata-too-large', (h, n) =>
      h.request('PUT', '/v1/dirs/a', { headers: metaHeaders(meta(n)) }),
    ),
    row('bytes of a name of metadata in headers', 64, 'metadata-too-large', (h, n) =>
      put(h, 'a', metaHeaders({ ['m'.repeat(n)]: 'v' })),
    ),
    row('bytes of a name of metadata in a batch', 64, 'metadata-too-large', (h, n) =>
      batchPut(h, { meta: { ['m'.repeat(n)]: 'v' } }),
    ),
    row('bytes of a content type in a header', 255, 'metadata-too-large', (h, n) =>
      put(h, 'a', { 'Content-Type': `text/${'x'.repeat(n - 5)}` }),
    ),
    row('bytes of a content type in a batch', 255, 'metadata-too-large', (h, n) =>
      batchPut(h, { contentType: `text/${'x'.repeat(n - 5)}` }),
    ),
    row('a mode in a header', 0o7777, 'bad-parameter', (h, n) =>
      put(h, 'a', { 'Stillpoint-Mode': n.toString(8) }),
    ),
    row('a mode in a batch', 0o7777, 'bad-parameter', (h, n) => batchPut(h, { mode: n.toString(8) })),
    row('bytes of a link target', 4095, 'bad-parameter', (h, n) =>
      h.request('PUT', '/v1/files/l', { headers: { 'Stillpoint-Link': encodeURIComponent(wide(n)) } }),
    ),
  ])
})

/** JSON of exactly so many bytes: white space is JSON. */
const padded = (value: unknown, bytes: number): string => JSON.stringify(value).padEnd(bytes, ' ')
const streamed = (text: string): ReadableStream<Uint8Array> => new Blob([text]).stream()

describe('bodies and batches', () => {
  const json = { 'Content-Type': 'application/json' }
  const move = async (h: Harness, body: string | ReadableStream, more: Record<string, string> = {}) => {
    await put(h, 'a')
    return h.request('POST', '/v1/move', { body, headers: { ...json, ...more } })
  }
  const moving = { from: 'a', to: 'b' }
  testLimits([
    row('bytes of JSON', 65_536, 'too-large', (h, n) => move(h, padded(moving, n))),
    row('declared bytes of JSON', 65_536, 'too-large', (h, n) =>
      move(h, padded(moving, n), { 'Content-Length': String(n) }),
    ),
    row('bytes of JSON in a stream', 65_536, 'too-large', (h, n) => move(h, streamed(padded(moving, n)))),
    row('bytes of JSON of a mirror', 65_536, 'too-large', (h, n) =>
      h.json('POST', '/v1/mirrors', padded({ url: 'http://127.0.0.1:9' }, n)),
    ),
    row('bytes of a batch', 8_388_608, 'too-large', (h, n) =>
      h.json('POST', '/v1/batch', padded({ operations: [] }, n)),
    ),
    row('bytes of a batch in a stream', 8_388_608, 'too-large', (h, n) =>
      h.request('POST', '/v1/batch', { body: streamed(padded({ operations: [] }, n)), headers: json }),
    ),
    row('operations of a batch', 1000, 'too-large', (h, n) =>
      batch(
        h,
        Array.from({ length: n }, (_, i) => ({ op: 'put', path: `f${i}`, text: '' })),
      ),
    ),
    row('bytes of the address of a mirror', 240, 'bad-json', (h, n) =>
      h.json('POST', '/v1/mirrors', { url: `http://${'h'.repeat(n - 7)}` }),
    ),
  ])
})

/** A cursor of exactly so many characters; the last one may say nothing. */
function cursorOf(characters: number): string {
  for (let pad = characters; ; pad--) {
    const cursor = makeCursor(['cps'], [5, 'p'.repeat(Math.max(0, Math.floor((pad * 3) / 4)))])
    if (cursor.length <= characters) return cursor.padEnd(characters, 'A')
  }
}

const get = (h: Harness, target: string): Promise<Response> => h.request('GET', target)
const published = async (h: Harness): Promise<Harness> => {
  await put(h, 'a')
  h.publish()
  return h
}

describe('parameters', () => {
  testLimits([
    row('limit of a listing', 1000, 'bad-parameter', (h, n) => get(h, `/v1/dirs?limit=${n}`)),
    row('limit of a history', 1000, 'bad-parameter', (h, n) => get(h, `/v1/cps?limit=${n}`)),
    row('content of a listing', 65_536, 'bad-parameter', (h, n) => get(h, `/v1/dirs?content=${n}`)),
    row('wait of a read', 60, 'bad-parameter', (h, n) => get(h, `/v1/stat?minCp=1&wait=${n}`)),
    row('wait of a listing', 60, 'bad-parameter', (h, n) => get(h, `/v1/dirs?minCp=1&wait=${n}`)),
    row('wait of a write', 60, 'bad-parameter', (h, n) =>
      put(h, `a?durability=committed&wait=${n}`).then((answer) => answer),
    ),
    row('mirrors of a write', 8, 'bad-parameter', (h, n) => put(h, `a?durability=mirrored&mirrors=${n}`)),
    row('characters of a cursor', 16_384, 'bad-cursor', async (h, n) =>
      get(await published(h), `/v1/cps?cursor=${cursorOf(n)}`),
    ),
  ])
  testLimits(
    [
      row('limit of a listing', 1, 'bad-parameter', (h, n) => get(h, `/v1/dirs?limit=${n}`)),
      row('limit of a history', 1, 'bad-parameter', (h, n) => get(h, `/v1/cps?limit=${n}`)),
      row('content of a listing', 1, 'bad-parameter', (h, n) => get(h, `/v1/dirs?content=${n}`)),
      row('mirrors of a write', 1, 'bad-parameter', (h, n) => put(h, `a?durability=mirrored&mirrors=${n}`)),
    ].map(([what, limit, fits]): LimitRow => [what, limit, async (n) => (n > 1 ? fits(2) : fits(n))]),
    'least',
  )
})
