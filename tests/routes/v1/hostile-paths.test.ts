import { describe, expect, test } from 'bun:test'
import { parsePlainPath, parseUrlPath } from '../../../src/fs/paths.ts'
import { Harness, expectProblem } from '../harness.ts'
import { hostile, hostileInJson } from '../hostile.ts'

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
    for (const to of hostileInJson) {
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
