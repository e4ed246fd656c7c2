/** Tokens that change, or expire, while a request waits: the newest tokens decide whether anything is changed. */
import { describe, expect, test } from 'bun:test'
import { endpoints } from '../../src/routes/endpoints.ts'
import { Harness, expectProblem, readJson } from '../routes/harness.ts'
import { bearer, issue } from './issued.ts'

interface Row {
  /** Operation of the contract. */
  readonly of: string
  readonly method: string
  readonly path: string
  /** A body that has no length before it ends; null for a request without a body, which waits for something else. */
  readonly body: string | null
  readonly headers?: Readonly<Record<string, string>>
}

const row = (
  of: string,
  method: string,
  path: string,
  body: string | null,
  headers: Record<string, string> = {},
): Row => ({ of, method, path, body, headers: { 'Content-Type': 'application/json', ...headers } })

const since = { 'If-Unmodified-Since': 'Fri, 01 Jan 2027 00:00:00 GMT' }
const link = { 'Stillpoint-Link': 'old' }
const batch = '{"operations":[{"op":"put","path":"new","text":"x"}]}'

/** `ID` is that of a token which the volume has. */
const rows: Readonly<Record<string, Row>> = {
  'a file': row('putFile', 'PUT', '/v1/files/new', 'content'),
  'a short file': row('putFile', 'PUT', '/v1/files/new', 'content', { 'Content-Length': '7' }),
  'an empty file': row('putFile', 'PUT', '/v1/files/new', ''),
  'a file, on a condition': row('putFile', 'PUT', '/v1/files/old', 'content', since),
  'a link': row('putFile', 'PUT', '/v1/files/new', '', link),
  'a part': row('patchFile', 'PATCH', '/v1/files/old?offset=0', 'content'),
  'a short part': row('patchFile', 'PATCH', '/v1/files/old?offset=0', 'content', { 'Content-Length': '7' }),
  'a size': row('patchFile', 'PATCH', '/v1/files/old?size=1', ''),
  'a deletion': row('deleteFile', 'DELETE', '/v1/files/old', null, since),
  'a directory': row('makeDirectory', 'PUT', '/v1/dirs/new', ''),
  'the deletion of a directory': row('deleteDirectory', 'DELETE', '/v1/dirs/dir', null, since),
  'a batch': row('batch', 'POST', '/v1/batch', batch),
  'a move': row('move', 'POST', '/v1/move', '{"from":"old","to":"new"}'),
  'a consistency point': row('takeCp', 'POST', '/v1/cps', ''),
  'the consistency point of a listing': row('listRoot', 'GET', '/v1/dirs?limit=1', null),
  'a token': row('createToken', 'POST', '/v1/tokens', '{"name":"n","role":"reader"}'),
  'a revocation': row('revokeToken', 'DELETE', '/v1/tokens/ID', null),
  'a mirror': row('addMirror', 'POST', '/v1/mirrors', '{"url":"http://127.0.0.1:9"}'),
}

/** These change something in the turn of their decision. */
const atOnce = ['removeMirror']

const stateOf = (h: Harness): unknown => ({
  files: [...h.files.image].map(([path, { stat }]) => `${path} ${stat.etag}`),
  published: h.files.published,
  mirrors: h.mirrors.length,
  tokens: h.files.changedSettings,
})

const mine = issue('admin', '', 1000)

/** Runs the request, and `meanwhile` between its decision and the end of its body. */
async function during(name: string, text: string | null, meanwhile: (h: Harness) => void) {
  const { method, path, body, headers = {} } = rows[name]!
  const h = new Harness()
  await h.request('PUT', '/v1/files/old', { body: 'old' })
  await h.request('PUT', '/v1/dirs/dir')
  let address = path
  if (path.includes('ID')) {
    const made = await readJson(h.json('POST', '/v1/tokens', { name: 'first', role: 'admin' }))
    address = path.replace('ID', String(made['id']))
  }
  h.known.replace(text === null ? [] : [mine.token], text !== null)
  const before = stateOf(h)
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  // The request is decided within this call.
  const answer = h.request(method, address, {
    body: body === null ? null : readable,
    headers: { ...(text === null ? {} : bearer(text)), ...headers },
  })
  meanwhile(h)
  const writer = writable.getWriter()
  const end = async () => {
    if (body) await writer.write(new TextEncoder().encode(body))
    await writer.close()
  }
  // Nobody takes the body of a request that is refused before its body is read.
  if (body !== null) void end().catch(() => {})
  return { response: await answer, before, after: stateOf(h) }
}

test('every endpoint that changes something is in the table', () => {
  const changing = endpoints
    .filter(({ method, access }) => method !== 'get' && method !== 'head' && access.action !== 'query')
    .map(({ contract }) => contract.operationId!)
  const covered = new Set([...Object.values(rows).map(({ of }) => of), ...atOnce])
  expect(changing.filter((of) => !covered.has(of))).toEqual([])
})

for (const name of Object.keys(rows)) {
  describe(name, () => {
    test('of a token that is revoked meanwhile', async () => {
      const { response, before, after } = await during(name, mine.text, (h) => h.known.replace([], true))
      await expectProblem(response, 'unauthorized')
      expect(after).toEqual(before)
    })
    test('of a token that has another role from now on', async () => {
      const less = { ...mine.token, role: 'monitor' as const }
      const { response, before, after } = await during(name, mine.text, (h) => h.known.replace([less], true))
      await expectProblem(response, 'forbidden')
      expect(after).toEqual(before)
    })
    test('of a token that expires meanwhile', async () => {
      const { response, before, after } = await during(name, mine.text, (h) => void (h.nowMs = 1000))
      await expectProblem(response, 'unauthorized')
      expect(after).toEqual(before)
    })
    test('of nobody, when the first token is made meanwhile', async () => {
      const { response, before, after } = await during(name, null, (h) => h.known.replace([mine.token], true))
      await expectProblem(response, 'unauthorized')
      expect(after).toEqual(before)
    })
    test('is done when another token goes', async () => {
      const { response, before, after } = await during(name, mine.text, (h) =>
        h.known.replace([mine.token], true),
      )
      expect(response.ok).toBe(true)
      expect(after).not.toEqual(before)
    })
  })
}

describe('a path of a body', () => {
  for (const name of ['a batch', 'a move']) {
    test(`${name}: is decided by the newest prefix`, async () => {
      const below = { ...mine.token, role: 'writer' as const, prefix: 'elsewhere' }
      const { response, before, after } = await during(name, mine.text, (h) => h.known.replace([below], true))
      await expectProblem(response, 'forbidden')
      expect(after).toEqual(before)
    })
  }
})

test.each(['/v1/files/old?cp=1', '/v1/stat/old?cp=1', '/v1/dirs?cp=1', '/v1/dirs?at=2026-01-01T00:00:09Z'])(
  'no consistency point is kept for a revoked token: %s',
  async (path) => {
    for (const [left, kept] of [
      [[mine.token], 1],
      [[], 0],
    ] as const) {
      const h = new Harness()
      h.known.replace([mine.token], true)
      const answer = h.request('GET', path, { headers: bearer(mine.text) })
      h.known.replace(left, true)
      await (await answer).text()
      expect(h.kept.length).toBe(kept)
    }
  },
)

test('a read that fails after it has waited tells a revoked token nothing', async () => {
  const h = new Harness()
  h.known.replace([mine.token], true)
  const answer = h.request('GET', '/v1/stat/old?minCp=99', { headers: bearer(mine.text) })
  h.known.replace([], true)
  await expectProblem(answer, 'unauthorized')
})

test('a read of a token that expires while it waits is not answered', async () => {
  for (const ask of ['request', 'onMirror'] as const) {
    const h = new Harness()
    await h.request('PUT', '/v1/files/old', { body: 'old' })
    h.known.replace([mine.token], true)
    const answer = h[ask]('GET', '/v1/files/old?minCp=2&wait=9', { headers: bearer(mine.text) })
    h.nowMs = 1000
    await expectProblem(answer, 'unauthorized')
  }
})
