/** One request of each endpoint that would succeed, over the real engine: what tests of all endpoints begin with. */
import { expect } from 'bun:test'
import { type Ask, RealApp } from './real-app.ts'

export const jsonAsk = (path: string, value: unknown): Ask => ({
  method: 'POST',
  path,
  body: JSON.stringify(value),
  headers: { 'Content-Type': 'application/json' },
})
export const get = (path: string): Ask => ({ method: 'GET', path })
export const put = (path: string, body: string | null = 'x', headers: Record<string, string> = {}): Ask => ({
  method: 'PUT',
  path,
  headers,
  ...(body === null ? {} : { body }),
})
export const mirrorUrl = 'http://127.0.0.1:1'
const knownMirror = async (app: RealApp): Promise<string> => {
  const { id } = (await (await app.ask(jsonAsk('/v1/mirrors', { url: mirrorUrl }))).json()) as { id: string }
  return id
}

/** The server stays open: the tests of other endpoints show no token. */
const knownToken = async (app: RealApp): Promise<string> => {
  const ask = usual['createToken'] as Ask
  const { id } = (await (await app.ask(ask)).json()) as { id: string }
  app.known.replace([], false)
  return id
}

/** One request of each endpoint that would succeed. */
export const usual: Readonly<Record<string, Ask | ((app: RealApp) => Promise<Ask>)>> = {
  getFile: get('/v1/files/a'),
  headFile: { method: 'HEAD', path: '/v1/files/a' },
  putFile: put('/v1/files/new'),
  patchFile: { method: 'PATCH', path: '/v1/files/a?offset=0', body: 'y' },
  deleteFile: { method: 'DELETE', path: '/v1/files/a' },
  getRootStat: get('/v1/stat'),
  getStat: get('/v1/stat/a'),
  listRoot: get('/v1/dirs'),
  listDirectory: get('/v1/dirs/d'),
  makeDirectory: put('/v1/dirs/new', null),
  deleteDirectory: { method: 'DELETE', path: '/v1/dirs/empty' },
  move: jsonAsk('/v1/move', { from: 'a', to: 'b' }),
  batch: jsonAsk('/v1/batch', { operations: [{ op: 'put', path: 'new', text: 'x' }] }),
  listCps: get('/v1/cps'),
  getCp: async (app) => get(`/v1/cps/${app.engine.current().root.cp}`),
  takeCp: { method: 'POST', path: '/v1/cps' },
  askSql: jsonAsk('/v1/sql', { query: 'SELECT 1' }),
  getSqlSchema: get('/v1/sql/schema'),
  listMirrors: get('/v1/mirrors'),
  addMirror: jsonAsk('/v1/mirrors', { url: mirrorUrl }),
  removeMirror: async (app) => ({ method: 'DELETE', path: `/v1/mirrors/${await knownMirror(app)}` }),
  getMirror: get('/v1/mirror'),
  listTokens: get('/v1/tokens'),
  createToken: jsonAsk('/v1/tokens', { name: 'a test', role: 'admin' }),
  revokeToken: async (app) => ({ method: 'DELETE', path: `/v1/tokens/${await knownToken(app)}` }),
  whoami: get('/v1/whoami'),
  getStatus: get('/v1/status'),
  getEvents: get('/v1/events'),
  getHealth: get('/healthz'),
  getReadiness: get('/readyz'),
  getMetrics: get('/metrics'),
  getRoot: get('/'),
  getOpenApi: get('/openapi.json'),
  getDocs: get('/docs'),
}

export const usualAsk = async (id: string, app: RealApp): Promise<Ask> => {
  const ask = usual[id]!
  return typeof ask === 'function' ? ask(app) : ask
}
export const ok = async (response: Promise<Response>): Promise<void> => expect((await response).ok).toBe(true)
export const takeCp = async (app: RealApp): Promise<number> => {
  await ok(app.ask(put('/v1/files/tick')))
  const { cp } = (await (await app.ask({ method: 'POST', path: '/v1/cps' })).json()) as { cp: number }
  return cp
}

/** `isLarge`: the tree has so many nodes that a reopened volume has not all of them in memory. */
export async function scene(isLarge: boolean): Promise<RealApp> {
  const app = await RealApp.create()
  const many = Array.from({ length: 800 }, (_, i) => ({ op: 'mkdir', path: `m/${'n'.repeat(100)}${i}` }))
  await ok(app.ask(put('/v1/files/a', 'hello')))
  await ok(app.ask(put('/v1/files/d/file')))
  await ok(app.ask(put('/v1/dirs/empty', null)))
  await ok(app.ask(put('/v1/files/link', null, { 'Stillpoint-Link': 'a' })))
  if (isLarge) await ok(app.json('POST', '/v1/batch', { operations: many }))
  await takeCp(app)
  await takeCp(app)
  await takeCp(app)
  return app
}
