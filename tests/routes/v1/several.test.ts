import { describe, expect, test } from 'bun:test'
import { Harness, expectProblem, readJson } from '../harness.ts'

const put = (h: Harness, path: string, body = 'x') => h.request('PUT', `/v1/files/${path}`, { body })

describe('move', () => {
  test('a name, a directory, over another, onto itself', async () => {
    const h = new Harness()
    const etag = (await put(h, 'a', 'one')).headers.get('ETag')
    const moved = await h.json('POST', '/v1/move', { from: 'a', to: 'd/b', ifMatch: etag })
    expect(moved.status).toBe(201)
    expect(moved.headers.get('ETag')).toBe(etag)
    expect(await moved.json()).toEqual({ path: 'd/b', size: 3, etag, cp: 2, durability: 'logged' })
    expect((await h.json('POST', '/v1/move', { from: 'd', to: 'e' })).status).toBe(201)
    await put(h, 'c', 'two')
    await expectProblem(h.json('POST', '/v1/move', { from: 'e/b', to: 'c' }), 'exists')
    expect((await h.json('POST', '/v1/move', { from: 'e/b', to: 'c', overwrite: true })).status).toBe(200)
    expect((await h.json('POST', '/v1/move', { from: 'c', to: 'c' })).status).toBe(200)
    expect(h.content('c')).toBe('one')
    await expectProblem(h.json('POST', '/v1/move', { from: 'e', to: 'e/f' }), 'into-itself')
    await expectProblem(h.json('POST', '/v1/move', { from: 'none', to: 'f' }), 'not-found')
    await expectProblem(
      h.json('POST', '/v1/move', { from: 'c', to: 'f', ifMatch: '"x"' }),
      'precondition-failed',
    )
    await expectProblem(h.json('POST', '/v1/move', { from: 'c', to: 'f', ifMatch: '"' }), 'bad-parameter')
    expect(h.files.keys()).toEqual(['c', 'e'])
  })
})

describe('JSON bodies', () => {
  test.each(['__proto__', '__pr\\u006fto__', '\\u005f_proto__'])(
    'a name that would be left out is refused: %s',
    async (name) => {
      const h = new Harness()
      const meta = `{"operations":[{"op":"put","path":"a","text":"x","meta":{"${name}":"x"}}]}`
      const send = (body: string) =>
        h.request('POST', '/v1/batch', { body, headers: { 'Content-Type': 'application/json' } })
      await expectProblem(send(meta), 'bad-json')
      expect((await send(meta.replace(name, 'proto').replace('"x"', '"__proto__"'))).status).toBe(200)
    },
  )

  const routes = ['/v1/move', '/v1/batch', '/v1/mirrors']
  const wrong: readonly string[] = [
    '',
    '{',
    'null',
    '[]',
    '1',
    '{"from":1,"to":"b"}',
    '{"from":"a"}',
    '{"from":"a","to":"b","extra":1}',
    '{"from":"a","to":"b","overwrite":"yes"}',
    '{"operations":{}}',
    '{"operations":[1]}',
    '{"operations":[{"op":"explode","path":"a"}]}',
    '{"operations":[{"op":"put","path":"a"}]}',
    '{"operations":[{"op":"put","path":"a","text":"","content":""}]}',
    '{"operations":[{"op":"put","path":"a","content":"*"}]}',
    '{"operations":[{"op":"put","path":"a","content":"YQ==YQ"}]}',
    '{"operations":[{"op":"put","path":"a","text":"\\ud800"}]}',
    '{"operations":[{"op":"mkdir","path":"a","text":"x"}]}',
    '{"operations":[{"op":"copy","from":"a","to":"b"}]}',
    '{"operations":[{"op":"put","path":"a","text":"","meta":{"a":1}}]}',
    '{"url":1}',
    '{"url":"ftp://a"}',
    '{"url":"http://user:pw@a"}',
    '{"url":"http://a/path"}',
    `{"url":"http://${'a'.repeat(300)}"}`,
  ]
  for (const text of wrong) {
    test(`${text.slice(0, 70) || 'nothing'} is refused`, async () => {
      const h = new Harness()
      for (const route of routes) await expectProblem(h.json('POST', route, text), 'bad-json')
      expect(h.files.keys()).toEqual([])
      expect(h.mirrors).toEqual([])
    })
  }

  test('must be declared, plain and not too long', async () => {
    const h = new Harness()
    for (const route of routes) {
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', '']) {
        const init = { body: '{}', headers: { 'Content-Type': type } }
        await expectProblem(h.request('POST', route, init), 'unsupported-media-type')
      }
      const gzip = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }
      await expectProblem(h.request('POST', route, { body: '{}', headers: gzip }), 'unsupported-media-type')
      const length = route === '/v1/batch' ? 8 * 1024 * 1024 : 64 * 1024
      await expectProblem(h.json('POST', route, ' '.repeat(length + 1)), 'too-large')
      const declared = { 'Content-Type': 'application/json', 'Content-Length': String(length + 1) }
      await expectProblem(h.request('POST', route, { body: '{}', headers: declared }), 'too-large')
      const latin = {
        body: new Uint8Array([0x22, 0xff, 0x22]),
        headers: { 'Content-Type': 'application/json' },
      }
      await expectProblem(h.request('POST', route, latin), 'bad-json')
    }
    const utf8 = { 'Content-Type': 'application/json; charset=utf-8' }
    expect((await h.request('POST', '/v1/batch', { body: '{"operations":[]}', headers: utf8 })).status).toBe(
      200,
    )
  })
})

describe('batch', () => {
  const batch = (h: Harness, ...operations: unknown[]) => h.json('POST', '/v1/batch', { operations })

  test('in order, later ones see earlier ones', async () => {
    const h = new Harness()
    const answer = await batch(
      h,
      { op: 'mkdir', path: 'd', mode: '0700' },
      { op: 'put', path: 'd/a', text: 'né', contentType: 'text/plain', meta: { Owner: 'me' } },
      { op: 'put', path: 'd/b', content: 'AP8', ifNoneMatch: '*' },
      { op: 'move', from: 'd/a', to: 'c' },
      { op: 'delete', path: 'd', recursive: true },
    )
    expect(answer.status).toBe(200)
    const body = await readJson(answer)
    expect(body).toMatchObject({ cp: 2, durability: 'logged' })
    const results = body['results'] as { status: number; etag: string | null }[]
    expect(results.map(({ status }) => status)).toEqual([201, 201, 201, 201, 204])
    expect(results[4]!.etag).toBeNull()
    expect(h.files.keys()).toEqual(['c'])
    expect(await readJson(h.request('GET', '/v1/stat/c'))).toMatchObject({
      etag: results[1]!.etag,
      size: 3,
      contentType: 'text/plain',
      meta: { owner: 'me' },
    })
  })

  const failures: readonly (readonly [unknown, string])[] = [
    [{ op: 'delete', path: 'none' }, 'not-found'],
    [{ op: 'put', path: 'new', text: '', ifMatch: '"x"' }, 'precondition-failed'],
    [{ op: 'put', path: 'new/x', text: '' }, 'not-a-directory'],
    [{ op: 'put', path: 'dir', text: '' }, 'is-a-directory'],
    [{ op: 'delete', path: 'dir' }, 'directory-not-empty'],
    [{ op: 'move', from: 'dir', to: 'dir/x' }, 'into-itself'],
    [{ op: 'move', from: 'dir', to: 'new' }, 'exists'],
    [{ op: 'put', path: '../x', text: '' }, 'bad-path'],
    [{ op: 'put', path: 'x', text: '', meta: { a: 'é' } }, 'bad-parameter'],
    [{ op: 'put', path: 'x', text: '', meta: { a: 'v'.repeat(3000) } }, 'metadata-too-large'],
    [{ op: 'put', path: 'x', content: '?' }, 'bad-json'],
  ]
  for (const [operation, code] of failures) {
    test(`one that fails with ${code} takes all with it`, async () => {
      const h = new Harness()
      await put(h, 'dir/file')
      h.publish()
      const answer = batch(h, { op: 'put', path: 'new', text: 'x' }, operation, {
        op: 'delete',
        path: 'none',
      })
      const body = await expectProblem(answer, code as 'not-found')
      expect(body['index']).toBe(1)
      expect(h.files.keys()).toEqual(['dir', 'dir/file'])
      expect(h.files.dirty).toBe(false)
    })
  }

  test('at most 1,000', async () => {
    const h = new Harness()
    const many = Array.from({ length: 1001 }, (_, i) => ({ op: 'mkdir', path: `d${i}` }))
    await expectProblem(batch(h, ...many), 'too-large')
    expect(h.files.keys()).toEqual([])
    expect((await batch(h, ...many.slice(1))).status).toBe(200)
  })

  test('large ones are received and applied a few at a time, small ones beside them', async () => {
    const h = new Harness()
    const applyNow = h.files.batch.bind(h.files)
    const gate = Promise.withResolvers<void>()
    const inside = { now: 0, most: 0 }
    h.files.batch = async (operations) => {
      inside.most = Math.max(inside.most, ++inside.now)
      await gate.promise
      inside.now--
      return applyNow(operations)
    }
    const body = (path: string) => JSON.stringify({ operations: [{ op: 'mkdir', path }] })
    const type = { 'Content-Type': 'application/json' }
    // A body of unknown length may be of 8 MiB, and three times that in memory: two of one client fit.
    const large = Array.from({ length: 20 }, (_, i) =>
      h.request('POST', '/v1/batch', { body: i === 3 ? '{' : body(`d${i}`), headers: type }),
    )
    while (inside.now < 2) await Bun.sleep(1)
    const length = String(body('small').length)
    const small = h.request('POST', '/v1/batch', {
      body: body('small'),
      headers: { ...type, 'Content-Length': length },
    })
    while (inside.now < 3) await Bun.sleep(1)
    gate.resolve()
    const statuses = (await Promise.all([...large, small])).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(20)
    expect(statuses[3]).toBe(400)
    expect(inside.most).toBe(3)
  })
})
