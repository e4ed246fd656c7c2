/**
 * Every endpoint of both roles, asked by everybody: what is allowed, what asks for a token, what is forbidden. The
 * endpoints come from the list of the contract: a new one has to be put into the table here.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { endpoints } from '../../src/routes/endpoints.ts'
import { type Endpoint, isServedBy } from '../../src/routes/http/endpoint.ts'
import { idOf } from '../routes/declared.ts'
import { served } from '../server/served.ts'
import { AccessPair } from './access-pair.ts'

type Group = 'everybody' | 'tokens' | 'files' | 'root' | 'changes' | 'taking' | 'watching' | 'ruling'

/** What each endpoint is about. The root lies above every prefix. */
const groups: Readonly<Record<string, Group>> = {
  getHealth: 'everybody',
  getReadiness: 'everybody',
  getOpenApi: 'everybody',
  getDocs: 'everybody',
  getRoot: 'everybody',
  whoami: 'tokens',
  listCps: 'tokens',
  getCp: 'tokens',
  getEvents: 'tokens',
  getFile: 'files',
  headFile: 'files',
  getStat: 'files',
  listDirectory: 'files',
  getRootStat: 'root',
  listRoot: 'root',
  askSql: 'root',
  getSqlSchema: 'root',
  putFile: 'changes',
  patchFile: 'changes',
  deleteFile: 'changes',
  makeDirectory: 'changes',
  deleteDirectory: 'changes',
  move: 'changes',
  batch: 'changes',
  takeCp: 'taking',
  getMetrics: 'watching',
  getStatus: 'watching',
  listMirrors: 'watching',
  getMirror: 'watching',
  listTokens: 'ruling',
  createToken: 'ruling',
  revokeToken: 'ruling',
  addMirror: 'ruling',
  removeMirror: 'ruling',
}

const callers = [
  'none',
  'wrong',
  'expired',
  'revoked',
  'reader',
  'writer',
  'reader of the prefix',
  'writer of the prefix',
  'reader of another prefix',
  'writer of another prefix',
  'monitor',
  'admin',
] as const
type Caller = (typeof callers)[number]

const unknown: readonly Caller[] = ['none', 'wrong', 'expired', 'revoked']
const everywhere: readonly Caller[] = ['reader', 'writer', 'admin']
const here: readonly Caller[] = [...everywhere, 'reader of the prefix', 'writer of the prefix']
const mayDo: Readonly<Record<Group, readonly Caller[]>> = {
  everybody: callers,
  tokens: callers.filter((each) => !unknown.includes(each)),
  files: here,
  root: everywhere,
  changes: ['writer', 'writer of the prefix', 'admin'],
  taking: ['writer', 'writer of the prefix', 'writer of another prefix', 'admin'],
  watching: ['monitor', 'admin'],
  ruling: ['admin'],
}

const expected = (caller: Caller, group: Group): 'allowed' | 401 | 403 =>
  mayDo[group].includes(caller) ? 'allowed' : unknown.includes(caller) ? 401 : 403

/** The prefix is `home/a`; another prefix is `home/ab`. */
const file = 'home/a/file'
const json = (value: unknown): RequestInit => ({
  body: JSON.stringify(value),
  headers: { 'Content-Type': 'application/json' },
})

/** A request that reaches the handler, and changes nothing where it is allowed. */
function requestOf(endpoint: Endpoint): [path: string, more: RequestInit] {
  const address = endpoint.path
  switch (idOf(endpoint)) {
    case 'putFile':
      return [`/v1/files/${file}`, { body: 'x', headers: { 'If-None-Match': '*' } }]
    case 'patchFile':
      return [`/v1/files/${file}?offset=0`, { body: 'x', headers: { 'If-Match': '"0-0-0"' } }]
    case 'deleteFile':
      return [`/v1/files/${file}`, { headers: { 'If-Match': '"0-0-0"' } }]
    case 'makeDirectory':
      return ['/v1/dirs/home/a', {}]
    case 'deleteDirectory':
      return ['/v1/dirs/home/a', {}]
    case 'listDirectory':
      return ['/v1/dirs/home/a', {}]
    case 'move':
      return ['/v1/move', json({ from: file, to: file })]
    case 'batch':
      return ['/v1/batch', json({ operations: [{ op: 'mkdir', path: 'home/a' }] })]
    case 'askSql':
      return ['/v1/sql', json({ query: 'SELECT 1' })]
    case 'addMirror':
      return ['/v1/mirrors', json({ url: 'nonsense' })]
    case 'createToken':
      return ['/v1/tokens', json({ name: '', role: 'admin' })]
    default:
      return [address.replace('{path}', file).replace(/\{\w+\}/, '0'), {}]
  }
}

const place = served(afterAll)
let pair: AccessPair
let cp = 0
const tokens = {} as Record<Caller, string>

beforeAll(async () => {
  pair = await AccessPair.start(place)
  tokens.admin = pair.admin
  tokens.reader = (await pair.make('reader')).token
  tokens.writer = (await pair.make('writer')).token
  tokens.monitor = (await pair.make('monitor')).token
  tokens['reader of the prefix'] = (await pair.make('reader', { prefix: 'home/a' })).token
  tokens['writer of the prefix'] = (await pair.make('writer', { prefix: 'home/a' })).token
  tokens['reader of another prefix'] = (await pair.make('reader', { prefix: 'home/ab' })).token
  tokens['writer of another prefix'] = (await pair.make('writer', { prefix: 'home/ab' })).token
  const expiresAt = new Date(pair.clock.now() + 600_000).toISOString()
  tokens.expired = (await pair.make('writer', { expiresAt })).token
  const revoked = await pair.make('writer')
  tokens.revoked = revoked.token
  tokens.wrong = tokens.admin.replace(/_.{43}$/, (secret) => `_${'A'.repeat(secret.length - 1)}`)
  tokens.none = ''
  await pair.put(file)
  await pair.put('home/ab/file')
  cp = await pair.put('home/a/dir/file')
  // Both were good when this consistency point was taken.
  for (const token of [tokens.expired, tokens.revoked])
    for (const url of [pair.primary.url, pair.mirror.url])
      expect(
        (await fetch(`${url}/v1/stat/${file}?cp=${cp}`, { headers: { Authorization: `Bearer ${token}` } }))
          .status,
      ).toBe(200)
  pair.clock.pass(700_000)
  const { unconfirmed } = await pair.revoke(revoked.id)
  expect(unconfirmed).toEqual([])
})

const outcome = ({ status }: Response): 'allowed' | 401 | 403 =>
  status === 401 || status === 403 ? status : 'allowed'

test('the table has every endpoint', () => {
  expect(Object.keys(groups).toSorted()).toEqual(endpoints.map(idOf).toSorted())
})

for (const role of ['primary', 'mirror'] as const)
  describe(`on a ${role}`, () => {
    const ask = (caller: Caller, method: string, path: string, more: RequestInit) =>
      role === 'primary'
        ? pair.ask(tokens[caller], method, path, more)
        : pair.askMirror(tokens[caller], method, path, more)

    for (const endpoint of endpoints.filter((each) => isServedBy(each, role)))
      test(idOf(endpoint), async () => {
        const before = await pair.files()
        const found: Partial<Record<Caller, unknown>> = {}
        const wanted: Partial<Record<Caller, unknown>> = {}
        for (const caller of callers) {
          const [path, more] = requestOf(endpoint)
          const answer = await ask(caller, endpoint.method.toUpperCase(), path, more)
          found[caller] = outcome(answer)
          wanted[caller] = expected(caller, groups[idOf(endpoint)]!)
          expect(answer.status).toBeLessThan(500)
          expect(answer.headers.has('WWW-Authenticate')).toBe(answer.status === 401)
          await answer.body?.cancel()
        }
        expect(found).toEqual(wanted)
        expect(await pair.files()).toEqual(before)
      })

    const reading = endpoints.filter((each) => ['files', 'root'].includes(groups[idOf(each)]!))
    test.each(reading.map((each) => [idOf(each), each] as const))(
      '%s of an older consistency point is decided by the newest tokens',
      async (_, endpoint) => {
        for (const caller of callers) {
          const [path] = requestOf(endpoint)
          const answer = await ask(caller, endpoint.method.toUpperCase(), `${path}?cp=${cp}`, {})
          expect([caller, outcome(answer)]).toEqual([caller, expected(caller, groups[idOf(endpoint)]!)])
          await answer.body?.cancel()
        }
      },
    )
  })

describe('an operation inside of a batch', () => {
  const inside = 'home/a/b'
  const outside = 'home/abc'
  const steps = (path: string, other: string): readonly Record<string, unknown>[] => [
    { op: 'put', path, text: 'x' },
    { op: 'mkdir', path },
    { op: 'delete', path },
    { op: 'move', from: path, to: other },
    { op: 'move', from: other, to: path },
  ]
  for (const caller of callers)
    test(`of ${caller}`, async () => {
      const before = await pair.files()
      const isPrefixed = caller === 'writer of the prefix'
      const allowedAnywhere = expected(caller, 'changes') === 'allowed'
      for (const bad of steps(outside, inside)) {
        if (allowedAnywhere && !isPrefixed) continue
        // The first operation is harmless and, for a writer of the prefix, allowed.
        const operations = [{ op: 'put', path: inside, text: 'x' }, bad]
        const answer = await pair.ask(tokens[caller], 'POST', '/v1/batch', json({ operations }))
        expect(outcome(answer)).toBe(isPrefixed ? 403 : (expected(caller, 'changes') as 401 | 403))
        const { index } = (await answer.json()) as { index?: number }
        if (isPrefixed) expect(index).toBe(1)
        expect(await pair.files()).toEqual(before)
      }
    })
})

describe('an end of a move', () => {
  const ends = [
    ['home/a/dir', 'home/ab/dir'],
    ['home/ab/file', 'home/a/taken'],
    ['home/a/dir', 'home/abc'],
    ['home/a', 'home/b'],
    ['home/a/dir', ''],
    ['', 'home/a/root'],
  ] as const
  for (const [from, to] of ends)
    for (const overwrite of [false, true])
      test(`from "${from}" to "${to}"${overwrite ? ' over what is there' : ''}`, async () => {
        const before = await pair.files()
        for (const caller of callers.filter((each) => !['writer', 'admin'].includes(each))) {
          const answer = await pair.ask(tokens[caller], 'POST', '/v1/move', json({ from, to, overwrite }))
          expect([caller, answer.status]).toEqual([caller, unknown.includes(caller) ? 401 : 403])
          expect(await pair.files()).toEqual(before)
        }
      })
})
