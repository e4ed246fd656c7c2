import { describe, expect, test } from 'bun:test'
import { parsePlainPath, parseUrlPath } from '../../../src/fs/paths.ts'
import { Harness, expectProblem } from '../harness.ts'

/** As they stand in a URL. The constructor of Request resolves plain dot segments, as the server's URL parser does. */
const hostile: readonly (readonly [string, string])[] = [
  ['encoded dot segments behind an encoded slash', 'a%2F..%2Fb'],
  ['a dot segment behind an encoded slash', 'a%2f.%2Fb'],
  ['an encoded slash at the end', 'a%2F'],
  ['an encoded slash at the start', '%2Fa'],
  ['a doubled slash', 'a//b'],
  ['a doubled slash, half encoded', 'a/%2Fb'],
  ['a slash at the start', '/a'],
  ['a slash at the end', 'a/'],
  ['NUL', 'a%00b'],
  ['a control character', 'a%1Fb'],
  ['a line feed', 'a%0Ab'],
  ['DEL', 'a%7Fb'],
  ['a C1 control character', 'a%C2%85b'],
  ['a byte that is not UTF-8', 'a%FFb'],
  ['a truncated sequence', 'a%C3'],
  ['an overlong slash', 'a%C0%AFb'],
  ['an encoded surrogate', 'a%ED%A0%80b'],
  ['a percent sign alone', 'a%'],
  ['a percent sign and no digits', 'a%zz'],
  ['a percent sign and one digit', 'a%1'],
  ['a name of 256 bytes', 'n'.repeat(256)],
  ['a name of 256 bytes in 128 characters', '%C3%A9'.repeat(128)],
  ['a path of 5,000 bytes', Array.from({ length: 20 }, () => 'n'.repeat(249)).join('/')],
  ['257 segments', Array.from({ length: 257 }, () => 'd').join('/')],
  ['nothing', ''],
  ['a fragment', 'a#b'],
]

describe('hostile paths', () => {
  for (const [name, raw] of hostile) {
    test(`${name} is refused everywhere, and nothing is written`, async () => {
      const h = new Harness()
      const calls: readonly (readonly [string, string, RequestInit?])[] = [
        ['GET', `/v1/files/${raw}`],
        ['HEAD', `/v1/files/${raw}`],
        ['PUT', `/v1/files/${raw}`, { body: 'x' }],
        ['PATCH', `/v1/files/${raw}?offset=0`, { body: 'x' }],
        ['DELETE', `/v1/files/${raw}`],
        ['GET', `/v1/stat/${raw}`],
        ['GET', `/v1/dirs/${raw}`],
        ['PUT', `/v1/dirs/${raw}`],
        ['DELETE', `/v1/dirs/${raw}?recursive=true`],
      ]
      for (const [method, path, init] of calls) {
        const answer = await h.request(method, path, init)
        if (method === 'HEAD') expect(answer.status).toBe(400)
        else await expectProblem(answer, 'bad-path')
      }
      expect(h.files.keys()).toEqual([])
    })
  }

  test('JSON paths are as strict', async () => {
    const h = new Harness()
    await h.request('PUT', '/v1/files/a', { body: 'x' })
    const refused = ['/b', 'b/', 'b//c', '.', '..', 'b/../c', 'b/.', 'b\0', 'b\u0007', 'b\u009f', '\ud800']
    refused.push('n'.repeat(256), 'é'.repeat(128), Array.from({ length: 257 }, () => 'd').join('/'))
    for (const to of refused) {
      await expectProblem(h.json('POST', '/v1/move', { from: 'a', to }), 'bad-path')
      const body = await expectProblem(
        h.json('POST', '/v1/batch', {
          operations: [
            { op: 'put', path: 'c', text: '' },
            { op: 'mkdir', path: to },
          ],
        }),
        'bad-path',
      )
      expect(body['index']).toBe(1)
    }
    expect(h.files.keys()).toEqual(['a'])
  })

  test('what looks hostile and is a name', async () => {
    const h = new Harness()
    const names: readonly (readonly [string, string])[] = [
      ['a+b', 'a+b'],
      ['a%5Cb', 'a\\b'],
      ['a%2525', 'a%25'],
      ['...', '...'],
      ['.%2E.%2E', '....'],
      ['a%20b', 'a b'],
      ['%3F%23', '?#'],
      ['e%CC%81', 'e\u0301'],
      ['%C3%A9', '\u00e9'],
      ['%EF%BB%BFx', '\ufeffx'],
      ['n'.repeat(255), 'n'.repeat(255)],
      ['CON', 'CON'],
    ]
    for (const [raw, name] of names) {
      expect((await h.request('PUT', `/v1/files/${raw}`, { body: raw })).status).toBe(201)
      expect(h.content(name)).toBe(raw)
      expect(parseUrlPath(raw)).toEqual(parsePlainPath(name))
    }
    expect((await h.request('GET', '/v1/files/a%2Fb')).status).toBe(404)
    await h.request('PUT', '/v1/files/d%2Ff', { body: 'x' })
    expect(h.content('d/f')).toBe('x')
    expect(await (await h.request('GET', '/v1/files/d/f')).text()).toBe('x')
  })

  test('plain dot segments are resolved before this code, as the URL standard says', async () => {
    const h = new Harness()
    await h.request('PUT', '/v1/files/a/../b', { body: 'x' })
    expect(h.files.keys()).toEqual(['b'])
    await h.request('PUT', '/v1/files/c\\d', { body: 'x' })
    expect(h.content('c/d')).toBe('x')
  })
})
