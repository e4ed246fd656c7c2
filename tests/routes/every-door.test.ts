/**
 * A rule that holds at one endpoint holds at all that it is about. The endpoints come from `src/routes/endpoints.ts`, the
 * members of JSON bodies from the document that is published: one that is added is tested, or fails here.
 */
import { beforeAll, describe, expect, test } from 'bun:test'
import { buildDocument } from '../../src/routes/openapi.ts'
import { endpoints } from '../../src/routes/endpoints.ts'
import { type Endpoint, isServedBy } from '../../src/routes/http/endpoint.ts'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { declaredCodes, idOf } from './declared.ts'
import { Harness, expectProblem, readJson } from './harness.ts'
import { hostile, hostileInJson } from './hostile.ts'
import { type JsonDoor, jsonDoors } from './json-doors.ts'
import type { Ask, RealApp } from './real-app.ts'
import { jsonAsk, ok, scene, usual, usualAsk } from './usual.ts'

/** A question in SQL is a POST, and changes nothing. */
const writes = ({ method, access }: Endpoint): boolean =>
  method !== 'get' && method !== 'head' && access.action !== 'query'
const writing = endpoints.filter(writes)
const schemasOf = (endpoint: Endpoint, part: 'query' | 'headers'): readonly string[] => {
  const schema = endpoint.contract.request?.[part]
  return schema && 'shape' in schema ? Object.keys(schema.shape) : []
}
const withHeaders = (ask: Ask, headers: Record<string, string>): Ask => ({
  ...ask,
  headers: { ...ask.headers, ...headers },
})

let app: RealApp
beforeAll(async () => {
  app = await scene(false)
})

/** Everything that a client can see of the files. */
const seen = async (): Promise<unknown> => {
  const { entries } = await readJson(app.ask({ method: 'GET', path: '/v1/dirs?recursive=true&limit=1000' }))
  return entries
}

/** The answer is this problem, and nothing has changed. HEAD has no body to look at. */
async function refuses(ask: Ask, code: ErrorCode, index: number | null = null): Promise<void> {
  const before = await seen()
  const body = await expectProblem(app.ask(ask), code)
  expect(body['index'] ?? null).toBe(index)
  expect(await seen()).toEqual(before)
}

describe('every endpoint that writes', () => {
  test('is of a primary alone', () => {
    expect(writing.filter(({ on }) => on !== 'primary').map(idOf)).toEqual([])
  })

  for (const endpoint of writing)
    test(`${idOf(endpoint)} refuses after an error of the device, and when another primary has been seen`, () => {
      expect(declaredCodes(endpoint)).toContain('poisoned')
      expect(declaredCodes(endpoint)).toContain('fenced')
    })

  for (const endpoint of writing.filter((each) => schemasOf(each, 'query').includes('durability')))
    test(`${idOf(endpoint)} takes only durabilities that there are`, async () => {
      const ask = await usualAsk(idOf(endpoint), app)
      for (const wrong of [
        'durability=none',
        'durability=logged&mirrors=1',
        'durability=mirrored&mirrors=9',
        'wait=61',
      ])
        await refuses(
          { ...ask, path: `${ask.path}${ask.path.includes('?') ? '&' : '?'}${wrong}` },
          'bad-parameter',
        )
    })

  test('of files asks how durable it has to be', () => {
    const without = writing.filter((each) => !schemasOf(each, 'query').includes('durability')).map(idOf)
    expect(without).toEqual(['takeCp', 'addMirror', 'removeMirror'])
  })
})

describe('a mirror', () => {
  for (const endpoint of endpoints.filter((each) => !isServedBy(each, 'mirror')))
    test(`does not have ${idOf(endpoint)}`, async () => {
      const harness = new Harness()
      await harness.request('PUT', '/v1/files/a', { body: 'x' })
      harness.publish()
      const { method, path, headers, body } = await usualAsk(idOf(endpoint), app)
      const before = new Map(harness.files.image)
      const init = { method, headers: { ...headers }, ...(body === undefined ? {} : { body }) }
      const answer = await harness.mirror.fetch(new Request(`http://test${path}`, init))
      if (writes(endpoint)) {
        const here = endpoints.filter((each) => each.path === endpoint.path && isServedBy(each, 'mirror'))
        const allow = answer.headers.get('Allow') ?? ''
        await expectProblem(answer, 'method-not-allowed')
        expect(allow.split(', ').toSorted()).toEqual(
          [
            ...new Set([
              ...here.map((each) => each.method.toUpperCase()),
              ...(here.length > 0 ? ['HEAD'] : []),
              'OPTIONS',
            ]),
          ].toSorted(),
        )
      } else await expectProblem(answer, 'not-found')
      expect(harness.files.image).toEqual(before)
    })

  test('takes no method that writes at the address of any endpoint', async () => {
    const harness = new Harness()
    for (const id of Object.keys(usual)) {
      const { path } = await usualAsk(id, app)
      for (const method of ['PUT', 'PATCH', 'POST', 'DELETE', 'PROPFIND']) {
        // A question changes nothing.
        if (id === 'askSql' && method === 'POST') continue
        const answer = await harness.mirror.fetch(new Request(`http://test${path}`, { method }))
        await expectProblem(answer, 'method-not-allowed')
      }
    }
  })
})

describe('an address that there is not', () => {
  for (const role of ['primary', 'mirror'] as const)
    test(`is a problem on a ${role}, whatever the method`, async () => {
      const harness = new Harness()
      for (const path of [
        '//',
        '/v1',
        '/v1/file/a',
        '/v2/files/a',
        '/v1/cps/1/2',
        '/v1/mirrors/',
        '/healthz/',
      ])
        for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
          const answer = await harness[role].fetch(new Request(`http://test${path}`, { method }))
          await expectProblem(answer, 'not-found')
        }
    })
})

describe('hostile paths are refused', () => {
  for (const endpoint of endpoints.filter(({ path }) => path.endsWith('{path}')))
    test(`by ${idOf(endpoint)}`, async () => {
      const ask = await usualAsk(idOf(endpoint), app)
      const [prefix] = endpoint.path.split('{path}')
      const query = ask.path.includes('?') ? ask.path.slice(ask.path.indexOf('?')) : ''
      const before = await seen()
      for (const [name, raw] of hostile) {
        const answer = await app.ask({ ...ask, path: `${prefix}${raw}${query}` })
        expect([name, answer.status]).toEqual([name, 400])
        if (endpoint.method !== 'head') await expectProblem(answer, 'bad-path')
      }
      expect(await seen()).toEqual(before)
    })

  const doors = jsonDoors(buildDocument('primary'), 'path')
  test('JSON has so many places for a path', () => expect(doors.length).toBeGreaterThanOrEqual(7))
  for (const door of doors)
    test(`by ${door.title}`, async () => {
      for (const path of hostileInJson)
        for (const { body, index } of door.bodies(path))
          await refuses(jsonAsk(door.path, body), 'bad-path', index)
    })
})

describe('a condition that does not hold is refused', () => {
  /** At a file or a directory that there is. */
  const wrong: Readonly<Record<string, string>> = {
    'If-Match': '"0-0-0"',
    'If-None-Match': '*',
    'If-Unmodified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT',
  }
  /** Endpoints that have more than one way through. */
  const ways: Readonly<Record<string, readonly Partial<Ask>[]>> = {
    putFile: [
      { path: '/v1/files/a' },
      { path: '/v1/files/a', headers: { 'Content-Length': '1' } },
      { path: '/v1/files/a', body: 'x'.repeat(200_000) },
      { path: '/v1/files/link', headers: { 'Stillpoint-Link': 'b' }, body: '' },
    ],
    patchFile: [
      { path: '/v1/files/a?offset=1' },
      { path: '/v1/files/a?offset=end' },
      { path: '/v1/files/a?size=2', body: '' },
      { path: '/v1/files/a?offset=1', body: 'x'.repeat(200_000) },
    ],
    makeDirectory: [{ path: '/v1/dirs/d' }],
    deleteDirectory: [{}, { path: '/v1/dirs/d?recursive=true' }],
  }
  for (const endpoint of writing)
    for (const header of schemasOf(endpoint, 'headers').filter((name) => name.startsWith('If-')))
      test(`${header} of ${idOf(endpoint)}`, async () => {
        const ask = await usualAsk(idOf(endpoint), app)
        for (const way of ways[idOf(endpoint)] ?? [{}])
          await refuses(
            withHeaders({ ...ask, ...way }, { ...way.headers, [header]: wrong[header]! }),
            'precondition-failed',
          )
      })

  for (const member of ['ifMatch', 'ifNoneMatch'] as const)
    for (const door of jsonDoors(buildDocument('primary'), member))
      test(door.title, async () => {
        const value = member === 'ifMatch' ? '"0-0-0"' : '*'
        for (const { body, index } of door.bodies(value))
          await refuses(jsonAsk(door.path, body), 'precondition-failed', index)
      })

  test('and one of a list is enough, wherever it stands', async () => {
    const path = '/v1/files/listed'
    const others = ['"0-0-1"', '"0-0-2"']
    for (const at of [0, 1, 2]) {
      const etag = (await app.ask({ method: 'PUT', path, body: `x${at}` })).headers.get('ETag')!
      const list = others.toSpliced(at, 0, etag).join(', ')
      await refuses(
        { method: 'PUT', path, body: 'z', headers: { 'If-None-Match': list } },
        'precondition-failed',
      )
      const asked = { method: 'GET', path, headers: { 'If-None-Match': list } }
      expect((await app.ask(asked)).status).toBe(304)
      await ok(
        app.ask({ method: 'PATCH', path: `${path}?offset=0`, body: 'y', headers: { 'If-Match': list } }),
      )
    }
  })
})

describe('limits and forms of attributes', () => {
  /** Of the header and of the member of JSON: the same value, and the same code. */
  const wrong: readonly (readonly [header: string, member: string, value: string, code: ErrorCode])[] = [
    ['Stillpoint-Mode', 'mode', '999', 'bad-parameter'],
    ['Stillpoint-Mode', 'mode', '10000', 'bad-parameter'],
    ['Stillpoint-Modified', 'modified', 'yesterday', 'bad-parameter'],
    ['Stillpoint-Modified', 'modified', '2026-01-01T00:00:00', 'bad-parameter'],
    ['Stillpoint-Meta-Name', 'meta', 'v'.repeat(3000), 'metadata-too-large'],
    ['Stillpoint-Meta-Name', 'meta', 'a\u00e4', 'bad-parameter'],
  ]
  const withAttributes = writing.filter((each) => schemasOf(each, 'headers').includes('Stillpoint-Mode'))
  for (const endpoint of withAttributes)
    test(`of ${idOf(endpoint)}`, async () => {
      const ask = await usualAsk(idOf(endpoint), app)
      const prefixes = Object.keys(endpoint.contract['x-request-header-prefixes'] as object)
      const sent = wrong.map(([header]) => prefixes.find((prefix) => header.startsWith(prefix)) ?? header)
      const declared = [...schemasOf(endpoint, 'headers'), ...prefixes]
      expect(declared.filter((name) => name.startsWith('Stillpoint-M')).toSorted()).toEqual(
        [...new Set(sent)].toSorted(),
      )
      for (const [header, , value, code] of wrong) await refuses(withHeaders(ask, { [header]: value }), code)
    })
  for (const [, member, value, code] of wrong)
    for (const door of jsonDoors(buildDocument('primary'), member))
      test(`${door.title}: ${value.slice(0, 20)}`, async () => {
        const given = member === 'meta' ? { name: value } : value
        for (const { body, index } of door.bodies(given)) await refuses(jsonAsk(door.path, body), code, index)
      })
  test('a content type, at both doors', async () => {
    const ask = await usualAsk('putFile', app)
    const [door] = jsonDoors(buildDocument('primary'), 'contentType') as [JsonDoor]
    for (const [value, code] of [
      ['text', 'bad-parameter'],
      [`text/${'x'.repeat(300)}`, 'metadata-too-large'],
    ] as const) {
      await refuses(withHeaders(ask, { 'Content-Type': value }), code)
      for (const { body, index } of door.bodies(value)) await refuses(jsonAsk(door.path, body), code, index)
    }
  })
})

describe('a JSON body', () => {
  const taking = endpoints.filter((endpoint) => {
    const content = endpoint.contract.request?.body?.content
    return content !== undefined && 'application/json' in content
  })
  test('is taken by so many endpoints', () => expect(taking.length).toBeGreaterThanOrEqual(3))

  for (const endpoint of taking) {
    const ask = async (more: Partial<Ask>): Promise<Ask> => ({
      ...(await usualAsk(idOf(endpoint), app)),
      ...more,
    })
    test(`of ${idOf(endpoint)} has a limit, whether its length is declared or not`, async () => {
      const body = 'x'.repeat(8 * 2 ** 20 + 1)
      await refuses(await ask({ body }), 'too-large')
      const { path, method, headers } = await ask({})
      const declared = { ...headers, 'Content-Length': String(body.length) }
      await refuses({ path, method, headers: declared, body: '{}' }, 'too-large')
    })
    test(`of ${idOf(endpoint)} is JSON that says so, without codings, prototypes and unknown names`, async () => {
      const json = { 'Content-Type': 'application/json' }
      await refuses(await ask({ headers: {} }), 'unsupported-media-type')
      await refuses(await ask({ headers: { ...json, 'Content-Encoding': 'gzip' } }), 'unsupported-media-type')
      for (const body of [
        '',
        '[]',
        '{',
        '{"__proto__":{}}',
        '{"nonsense":1}',
        new Uint8Array([0x22, 0xff, 0x22]),
      ])
        await refuses(await ask({ body }), 'bad-json')
    })
  }
})
