/**
 * The codes that an endpoint declares are those that it answers: each is provoked once, over the real engine. What is
 * answered and not declared fails in the harness of all route tests and in the end-to-end tests, and here.
 */
import { describe, expect, test } from 'bun:test'
import { rootLayout } from '../../src/format/disk/root.ts'
import { editBelowRoot, raiseVersion } from '../cp-engine/volume/later-program.ts'
import { type ErrorCode, StillpointError, errorCodes } from '../../src/lib/errors.ts'
import { endpoints } from '../../src/routes/endpoints.ts'
import type { Endpoint } from '../../src/routes/http/endpoint.ts'
import { declaredCodes, endpointOf, idOf, undeclared } from './declared.ts'
import { bearer, issue } from '../access/issued.ts'
import { Harness, expectProblem } from './harness.ts'
import type { Ask, RealApp } from './real-app.ts'
import { get, jsonAsk, ok, put, scene, takeCp, usual, usualAsk } from './usual.ts'

type Provoke = (app: RealApp) => Promise<Response>

const withQuery = (ask: Ask, query: string): Ask => ({
  ...ask,
  path: `${ask.path}${ask.path.includes('?') ? '&' : '?'}${query}`,
})
const deepPath = Array.from({ length: 60 }, (_, i) => `${'d'.repeat(50)}${i}`).join('/')

/** Nothing fits any more, not even a name; deleting goes on. */
async function fill(app: RealApp): Promise<void> {
  for (const size of [300_000, 20_000, 0]) {
    for (let i = 0; ; i++) {
      const answer = await app.ask(put(`/v1/files/fill/${size}-${i}`, 'x'.repeat(size)))
      if (!answer.ok) break
    }
  }
}

/** Every consistency point is kept, so that each takes what the deletions of the one before have left. */
async function fillForDeletes(app: RealApp): Promise<void> {
  await fill(app)
  for (let i = 0; i < 2000; i++) {
    app.pin()
    const answer = await app.ask({ method: 'DELETE', path: `/v1/dirs/m/${'n'.repeat(100)}${i % 800}` })
    if (answer.status === 507) return
    await app.engine.requestCp('requested')
  }
  throw new Error('deleting never stops')
}

/** A role that may not do what the endpoint does. */

/** Of any endpoint. */
const general: Partial<Record<ErrorCode, (id: string, app: RealApp) => Promise<Response>>> = {
  async unauthorized(id, app) {
    const ask = await usualAsk(id, app)
    app.known.replace([], true)
    return app.askClosed(ask)
  },
  'bad-parameter': async (id, app) => app.ask(withQuery(await usualAsk(id, app), 'nonsense=1')),
  'bad-path': async (id, app) => app.ask(withQuery(await usualAsk(id, app), '#fragment')),
  busy: async (id, app) => app.askWhenBusy(await usualAsk(id, app), 0),
  'too-many-requests': async (id, app) => app.askWhenBusy(await usualAsk(id, app), 1),
  'wrong-host': async (id, app) => app.askThrough({ hosts: ['files.example'] }, await usualAsk(id, app)),
  async forbidden(id, app) {
    const ask = await usualAsk(id, app)
    return app.askThrough({}, { ...ask, headers: { ...ask.headers, Origin: 'https://evil.example' } })
  },
  async internal(id, app) {
    const ask = await usualAsk(id, app)
    app.appClock.isBroken = true
    return app.ask(ask)
  },
  async corrupt(id, app) {
    const ask = await usualAsk(id, app)
    await app.reopen()
    app.device.isDamaged = true
    return app.ask(ask)
  },
  async 'newer-format'(id, app) {
    const ask = await usualAsk(id, app)
    await app.reopen((device) => editBelowRoot(device, [rootLayout.at.fileTree], raiseVersion))
    return app.ask(ask)
  },
  async poisoned(id, app) {
    const ask = await usualAsk(id, app)
    app.device.isBroken = true
    await app.ask(put('/v1/files/breaks'))
    return app.ask(ask)
  },
  async fenced(id, app) {
    const ask = await usualAsk(id, app)
    await app.engine.fence()
    return app.ask(ask)
  },
  async 'disk-full'(id, app) {
    const isDelete = /^(?:delete|revoke)/.test(id)
    const revocation = id === 'revokeToken' ? await usualAsk(id, app) : null
    await (isDelete ? fillForDeletes(app) : fill(app))
    if (revocation) return app.ask(revocation)
    if (id === 'move') return app.ask(jsonAsk('/v1/move', { from: 'a', to: deepPath }))
    if (id === 'patchFile')
      return app.ask({ method: 'PATCH', path: '/v1/files/a?offset=end', body: 'x'.repeat(2 ** 20) })
    return app.ask(await usualAsk(id, app))
  },
  'unsupported-media-type': async (id, app) =>
    app.ask({
      ...(await usualAsk(id, app)),
      headers: { 'Content-Type': 'text/plain', 'Content-Encoding': 'gzip' },
    }),
}

/** Of reading endpoints, at the address of one that there is. */
const reading = (address: string, method = 'GET'): Record<string, Provoke> => {
  const ask = (query: string): Ask => ({ method, path: `${address}?${query}` })
  return {
    'cp-gone': (app) => app.ask(ask('cp=1')),
    'not-yet': (app) => app.ask(ask('minCp=999999')),
    async 'too-many-pins'(app) {
      for (let i = 0; i < 8; i++) await ok(app.ask(get(`/v1/stat?cp=${await takeCp(app)}`)))
      return app.ask(ask(`cp=${await takeCp(app)}`))
    },
  }
}

const jsonBodies = (path: string): Record<string, Provoke> => ({
  'bad-json': (app) => app.json('POST', path, { nonsense: 1 }),
  'too-large': (app) => app.json('POST', path, 'x'.repeat(9 * 2 ** 20)),
})

const ifMatch = { 'If-Match': '"0-0-0"' }
const one =
  (method: string, path: string, more: Partial<Ask> = {}): Provoke =>
  (app) =>
    app.ask({ method, path, ...more })
const step =
  (operation: unknown): Provoke =>
  (app) =>
    app.json('POST', '/v1/batch', { operations: [operation] })
const move =
  (from: string, to: string, more = {}): Provoke =>
  (app) =>
    app.json('POST', '/v1/move', { from, to, ...more })
const longMeta = { 'Stillpoint-Meta-A': 'v'.repeat(3000) }
const wrongDigest = { 'Content-Digest': `sha-256=:${btoa('x'.repeat(32))}:` }

/** Kept apart from the general ones: how a code comes about at one endpoint. */
const askSql = (code: ErrorCode): Record<string, Provoke> => ({
  [code]: (app) => app.json('POST', '/v1/sql', { query: code }),
})

const special: Readonly<Record<string, Record<string, Provoke>>> = {
  askSql: {
    ...jsonBodies('/v1/sql'),
    ...askSql('bad-sql'),
    ...askSql('sql-limit'),
    ...askSql('catalog-unready'),
    'not-yet': (app) => app.json('POST', '/v1/sql?minCp=999999', { query: 'SELECT 1' }),
  },
  getFile: {
    ...reading('/v1/files/a'),
    'bad-path': one('GET', '/v1/files/a%00b'),
    'not-found': one('GET', '/v1/files/none'),
    'is-a-directory': one('GET', '/v1/files/d'),
    'not-a-directory': one('GET', '/v1/files/a/b'),
    'is-a-link': one('GET', '/v1/files/link'),
    'precondition-failed': one('GET', '/v1/files/a', { headers: ifMatch }),
    'range-not-satisfiable': one('GET', '/v1/files/a', { headers: { Range: 'bytes=9-' } }),
  },
  headFile: {
    ...reading('/v1/files/a', 'HEAD'),
    'bad-path': one('HEAD', '/v1/files/a%00b'),
    'not-found': one('HEAD', '/v1/files/none'),
    'is-a-directory': one('HEAD', '/v1/files/d'),
    'not-a-directory': one('HEAD', '/v1/files/a/b'),
    'is-a-link': one('HEAD', '/v1/files/link'),
    'precondition-failed': one('HEAD', '/v1/files/a', { headers: ifMatch }),
  },
  putFile: {
    'bad-path': one('PUT', '/v1/files/a%00b', { body: 'x' }),
    'not-a-directory': one('PUT', '/v1/files/a/b', { body: 'x' }),
    'is-a-directory': one('PUT', '/v1/files/d', { body: 'x' }),
    'precondition-failed': one('PUT', '/v1/files/a', { body: 'x', headers: ifMatch }),
    'digest-mismatch': one('PUT', '/v1/files/b', { body: 'x', headers: wrongDigest }),
    'metadata-too-large': one('PUT', '/v1/files/b', { body: 'x', headers: longMeta }),
    'too-large': one('PUT', '/v1/files/b', { body: 'x', headers: { 'Content-Length': String(2 ** 50) } }),
  },
  patchFile: {
    'bad-path': one('PATCH', '/v1/files/a%00b?offset=0', { body: 'x' }),
    'not-found': one('PATCH', '/v1/files/none?offset=0', { body: 'x' }),
    'not-a-directory': one('PATCH', '/v1/files/a/b?offset=0', { body: 'x' }),
    'is-a-directory': one('PATCH', '/v1/files/d?offset=0', { body: 'x' }),
    'is-a-link': one('PATCH', '/v1/files/link?offset=0', { body: 'x' }),
    'precondition-failed': one('PATCH', '/v1/files/a?offset=0', { body: 'x', headers: ifMatch }),
    'digest-mismatch': one('PATCH', '/v1/files/a?offset=0', { body: 'x', headers: wrongDigest }),
    'too-large': one('PATCH', `/v1/files/a?offset=${Number.MAX_SAFE_INTEGER}`, { body: 'x' }),
  },
  deleteFile: {
    'bad-path': one('DELETE', '/v1/files/a%00b'),
    'not-found': one('DELETE', '/v1/files/none'),
    'not-a-directory': one('DELETE', '/v1/files/a/b'),
    'is-a-directory': one('DELETE', '/v1/files/d'),
    'precondition-failed': one('DELETE', '/v1/files/a', { headers: ifMatch }),
  },
  getRootStat: reading('/v1/stat'),
  getStat: {
    ...reading('/v1/stat/a'),
    'bad-path': one('GET', '/v1/stat/a%00b'),
    'not-found': one('GET', '/v1/stat/none'),
    'not-a-directory': one('GET', '/v1/stat/a/b'),
  },
  listRoot: { ...reading('/v1/dirs'), 'bad-cursor': one('GET', '/v1/dirs?cursor=abc') },
  listDirectory: {
    ...reading('/v1/dirs/d'),
    'bad-cursor': one('GET', '/v1/dirs/d?cursor=abc'),
    'bad-path': one('GET', '/v1/dirs/a%00b'),
    'not-found': one('GET', '/v1/dirs/none'),
    'not-a-directory': one('GET', '/v1/dirs/a'),
  },
  makeDirectory: {
    'bad-path': one('PUT', '/v1/dirs/a%00b'),
    'not-a-directory': one('PUT', '/v1/dirs/a/b'),
    'precondition-failed': one('PUT', '/v1/dirs/d', { headers: { 'If-None-Match': '*' } }),
    'metadata-too-large': one('PUT', '/v1/dirs/b', { headers: longMeta }),
  },
  deleteDirectory: {
    'bad-path': one('DELETE', '/v1/dirs/a%00b'),
    'not-found': one('DELETE', '/v1/dirs/none'),
    'not-a-directory': one('DELETE', '/v1/dirs/a'),
    'directory-not-empty': one('DELETE', '/v1/dirs/d'),
    'precondition-failed': one('DELETE', '/v1/dirs/empty', { headers: ifMatch }),
  },
  move: {
    ...jsonBodies('/v1/move'),
    'bad-path': move('../a', 'b'),
    'not-found': move('none', 'b'),
    exists: move('a', 'd/file'),
    'into-itself': move('d', 'd/e'),
    'is-a-directory': move('a', 'd', { overwrite: true }),
    'not-a-directory': move('a', 'link/b'),
    'directory-not-empty': move('empty', 'd', { overwrite: true }),
    'precondition-failed': move('a', 'b', { ifMatch: '"0-0-0"' }),
  },
  batch: {
    ...jsonBodies('/v1/batch'),
    'bad-path': step({ op: 'mkdir', path: '../a' }),
    'metadata-too-large': step({ op: 'mkdir', path: 'b', meta: { a: 'v'.repeat(3000) } }),
    'not-found': step({ op: 'delete', path: 'none' }),
    exists: step({ op: 'move', from: 'a', to: 'd/file' }),
    'into-itself': step({ op: 'move', from: 'd', to: 'd/e' }),
    'is-a-directory': step({ op: 'put', path: 'd', text: 'x' }),
    'not-a-directory': step({ op: 'put', path: 'a/b', text: 'x' }),
    'directory-not-empty': step({ op: 'delete', path: 'd' }),
    'precondition-failed': step({ op: 'put', path: 'a', text: 'x', ifNoneMatch: '*' }),
  },
  listCps: { 'bad-cursor': one('GET', '/v1/cps?cursor=abc') },
  getCp: { 'not-found': one('GET', '/v1/cps/999999') },
  takeCp: { 'opening-changed': one('POST', '/v1/cps?opening=another') },
  createToken: jsonBodies('/v1/tokens'),
  revokeToken: { 'not-found': one('DELETE', '/v1/tokens/none') },
  addMirror: jsonBodies('/v1/mirrors'),
  removeMirror: {
    'not-found': one('DELETE', '/v1/mirrors/none'),
    // A fence does not keep a mirror; a volume that cannot be written does.
    fenced(app) {
      app.mirrors.remove = () => Promise.reject(new StillpointError('fenced', 'nothing can be written'))
      return app.ask({ method: 'DELETE', path: '/v1/mirrors/any' })
    },
  },
  getReadiness: {
    async 'not-yet'(app) {
      app.device.isBroken = true
      await app.ask(put('/v1/files/breaks'))
      return app.ask(get('/readyz'))
    },
  },
}

/** Of the one endpoint that only a mirror has, over the fake. */
const onMirror: Partial<Record<ErrorCode, () => Promise<Response>>> = {
  'bad-parameter': () => new Harness().onMirror('GET', '/v1/mirror?nonsense=1'),
  'bad-path': () => new Harness().onMirror('GET', '/v1/mirror#fragment'),
  unauthorized() {
    const harness = new Harness()
    harness.known.replace([], true)
    return harness.onMirror('GET', '/v1/mirror')
  },
  forbidden() {
    const harness = new Harness()
    const { text, token } = issue('reader')
    harness.known.replace([token], true)
    return harness.onMirror('GET', '/v1/mirror', { headers: bearer(text) })
  },
  internal() {
    const harness = new Harness()
    harness.clock.monotonic = () => {
      throw new TypeError('nobody foresaw this')
    }
    return harness.onMirror('GET', '/v1/mirror')
  },
}

/** HEAD has no body: the codes that the endpoint declares under this status. */
const codesOf = (endpoint: Endpoint, response: Response): ErrorCode[] =>
  declaredCodes(endpoint).filter((code) => errorCodes[code][0] === response.status)

/** Refused before any role looks at the request. */
const ofTheListener: ReadonlySet<ErrorCode> = new Set([
  'busy',
  'forbidden',
  'too-many-requests',
  'wrong-host',
])

async function provoked(endpoint: Endpoint, code: ErrorCode): Promise<Response | null> {
  const id = idOf(endpoint)
  const own = special[id]?.[code]
  if (endpoint.on === 'mirror' && !ofTheListener.has(code)) return (await onMirror[code]?.()) ?? null
  const any = general[code]
  if (own) return own(await scene(false))
  return any ? any(id, await scene(['corrupt', 'newer-format', 'disk-full'].includes(code))) : null
}

describe('every code that an endpoint declares is answered', () => {
  for (const endpoint of endpoints)
    for (const code of declaredCodes(endpoint))
      test(`${idOf(endpoint)}: ${code}`, async () => {
        const response = await provoked(endpoint, code)
        if (!response) throw new Error('nobody knows how to provoke it: is it ever answered?')
        expect(await undeclared(endpoint, response)).toBeNull()
        expect(response.status).toBe(errorCodes[code][0])
        if (endpoint.method === 'head') expect(codesOf(endpoint, response)).toContain(code)
        else await expectProblem(response, code)
      })
})

test('what the table provokes is declared', () => {
  for (const endpoint of endpoints)
    expect(
      Object.keys(special[idOf(endpoint)] ?? {}).filter(
        (code) => !declaredCodes(endpoint).includes(code as ErrorCode),
      ),
    ).toEqual([])
  expect(Object.keys(special).filter((id) => !endpoints.some((endpoint) => idOf(endpoint) === id))).toEqual(
    [],
  )
  expect(Object.keys(usual).toSorted()).toEqual(endpoints.map(idOf).toSorted())
})

describe('an answer that is not declared is found', () => {
  const stat = endpointOf('GET', '/v1/stat/a?cp=1', ['mirror'])!
  const problem = (code: string, status: number) =>
    Response.json({ code }, { status, headers: { 'Content-Type': 'application/problem+json' } })

  test('by its address and its method', () => {
    expect(idOf(stat)).toBe('getStat')
    expect(idOf(endpointOf('HEAD', 'http://h/v1/stat', ['primary'])!)).toBe('getRootStat')
    expect(idOf(endpointOf('HEAD', '/v1/files/a/b', ['primary'])!)).toBe('headFile')
    expect(endpointOf('PUT', '/v1/files/a', ['mirror'])).toBeNull()
    expect(endpointOf('GET', '/v1/nothing', ['primary', 'mirror'])).toBeNull()
  })
  test('a code, a code under another status, a status', async () => {
    expect(await undeclared(stat, problem('not-found', 404))).toBeNull()
    expect(await undeclared(stat, problem('exists', 409))).toMatch('answers exists')
    expect(await undeclared(stat, problem('not-found', 409))).toMatch('answers not-found')
    expect(await undeclared(stat, problem('disk-full', 507))).toMatch('answers 507')
    expect(await undeclared(stat, new Response(null, { status: 204 }))).toMatch('answers 204')
    expect(await undeclared(stat, Response.json({}))).toBeNull()
  })
})
