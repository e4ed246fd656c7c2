import { describe, expect, test } from 'bun:test'
import { Harness, expectProblem, readJson } from '../harness.ts'

const put = (
  h: Harness,
  path: string,
  body: RequestInit['body'] = 'hello',
  headers: Record<string, string> = {},
) => h.request('PUT', `/v1/files/${path}`, { body, headers })

describe('writing and reading', () => {
  test('a new file, then a replaced one', async () => {
    const h = new Harness()
    const first = await put(h, 'a/b.txt', 'hello', { 'Content-Type': 'text/plain' })
    expect(first.status).toBe(201)
    const etag = first.headers.get('ETag')!
    expect(await first.json()).toEqual({ path: 'a/b.txt', size: 5, etag, cp: 2, durability: 'logged' })
    expect(first.headers.get('Stillpoint-CP')).toBe('2')
    expect(first.headers.get('Stillpoint-Durability')).toBe('logged')
    const second = await put(h, 'a/b.txt', '')
    expect(second.status).toBe(200)
    expect(second.headers.get('ETag')).not.toBe(etag)
    expect(h.content('a/b.txt')).toBe('')
  })

  test('what was attached comes back', async () => {
    const h = new Harness()
    await put(h, 'a', 'x', {
      'Content-Type': 'text/plain; charset=utf-8',
      'Stillpoint-Meta-Owner': 'alice%20b, c',
      'Stillpoint-Mode': '0600',
      'Stillpoint-Modified': '2020-02-29T10:00:00.123+01:00',
    })
    const read = await h.request('GET', '/v1/files/a')
    expect(await read.text()).toBe('x')
    expect(Object.fromEntries(read.headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'stillpoint-meta-owner': 'alice%20b, c',
      'stillpoint-mode': '0600',
      'stillpoint-modified': '2020-02-29T09:00:00.123Z',
      'last-modified': 'Sat, 29 Feb 2020 09:00:00 GMT',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'stillpoint-cp': '2',
    })
    const stat = await readJson(h.request('GET', '/v1/stat/a'))
    expect(stat).toEqual({
      path: 'a',
      kind: 'file',
      size: 1,
      etag: read.headers.get('ETag'),
      contentType: 'text/plain; charset=utf-8',
      created: '2026-01-31T12:00:00.000Z',
      modified: '2020-02-29T09:00:00.123Z',
      mode: '0600',
      cp: 2,
      meta: { owner: 'alice%20b, c' },
    })
  })

  test.each([
    ['2020-02-29T10:00:00.123456789+01:00', '2020-02-29T09:00:00.123456789Z'],
    ['2020-02-29T10:00:00.1234567899z', '2020-02-29T10:00:00.123456789Z'],
    ['2020-02-29T10:00:00.12345Z', '2020-02-29T10:00:00.12345Z'],
    ['2020-02-29T10:00:00.5Z', '2020-02-29T10:00:00.500Z'],
    ['2020-02-29T10:00:00Z', '2020-02-29T10:00:00.000Z'],
    ['1969-12-31T23:59:59.999999999Z', '1969-12-31T23:59:59.999999999Z'],
    ['0000-01-01T00:00:00Z', '0000-01-01T00:00:00.000Z'],
    ['0001-01-01T00:00:00.000000001Z', '0001-01-01T00:00:00.000000001Z'],
    ['9999-12-31T23:59:59.999999999Z', '9999-12-31T23:59:59.999999999Z'],
  ])('a time of %s comes back as %s', async (sent, kept) => {
    const h = new Harness()
    await put(h, 'a', 'x', { 'Stillpoint-Modified': sent })
    const operations = [{ op: 'put', path: 'b', text: 'x', modified: sent }]
    expect((await h.json('POST', '/v1/batch', { operations })).status).toBe(200)
    for (const path of ['a', 'b']) {
      const read = await h.request('GET', `/v1/files/${path}`)
      expect(read.headers.get('Stillpoint-Modified')).toBe(kept)
      const wholeSeconds = new Date(Math.floor(Date.parse(kept) / 1000) * 1000)
      expect(read.headers.get('Last-Modified')).toBe(wholeSeconds.toUTCString())
      expect(await readJson(h.request('GET', `/v1/stat/${path}`))).toMatchObject({ modified: kept })
    }
  })

  test('the default type is an attachment', async () => {
    const h = new Harness()
    await put(h, 'a', new Uint8Array(3))
    const plain = await h.request('GET', '/v1/files/a')
    expect(plain.headers.get('Content-Type')).toBe('application/octet-stream')
    expect(plain.headers.get('Content-Disposition')).toBe('attachment')
  })

  test('HEAD says the length and reads nothing', async () => {
    const h = new Harness()
    await put(h, 'a', 'x'.repeat(300_000))
    const head = await h.request('HEAD', '/v1/files/a', { headers: { Range: 'bytes=0-1' } })
    expect(head.status).toBe(200)
    expect(head.headers.get('Content-Length')).toBe('300000')
    expect(await head.text()).toBe('')
    expect((await h.request('HEAD', '/v1/files/none')).status).toBe(404)
    expect(h.files.openFiles + h.files.openViews).toBe(0)
  })

  test('a long file is streamed, and everything is released', async () => {
    const h = new Harness()
    const body = Buffer.alloc(1_000_000, 'stillpoint')
    await put(h, 'a', body)
    const read = await h.request('GET', '/v1/files/a')
    expect(Buffer.from(await read.arrayBuffer()).equals(body)).toBe(true)
    const left = await h.request('GET', '/v1/files/a')
    const reader = left.body!.getReader()
    await reader.read()
    expect(h.files.openFiles).toBe(1)
    await reader.cancel()
    expect(h.files.openFiles + h.files.openViews).toBe(0)
  })

  test('damage: an error before the first byte, a cut after it', async () => {
    const h = new Harness()
    await put(h, 'small', 'x')
    await put(h, 'large', Buffer.alloc(1_000_000))
    h.files.corrupt = { path: 'small', from: 0 }
    const body = await expectProblem(h.request('GET', '/v1/files/small'), 'corrupt')
    expect(body['status']).toBe(500)
    h.files.corrupt = { path: 'large', from: 0 }
    await expectProblem(h.request('GET', '/v1/files/large'), 'corrupt')
    h.files.corrupt = { path: 'large', from: 500_000 }
    const read = await h.request('GET', '/v1/files/large')
    expect(read.status).toBe(200)
    expect(read.arrayBuffer()).rejects.toThrow()
    await Bun.sleep(0)
    expect(h.files.openFiles + h.files.openViews).toBe(0)
  })

  test('delete', async () => {
    const h = new Harness()
    await put(h, 'a')
    const answer = await h.request('DELETE', '/v1/files/a')
    expect(answer.status).toBe(204)
    expect(answer.headers.get('Stillpoint-CP')).toBe('2')
    expect(answer.headers.get('Stillpoint-Durability')).toBe('logged')
    await expectProblem(h.request('GET', '/v1/files/a'), 'not-found')
    await expectProblem(h.request('DELETE', '/v1/files/a'), 'not-found')
  })

  test('kinds that do not fit', async () => {
    const h = new Harness()
    await put(h, 'd/f')
    await expectProblem(put(h, 'd'), 'is-a-directory')
    await expectProblem(h.request('GET', '/v1/files/d'), 'is-a-directory')
    await expectProblem(h.request('DELETE', '/v1/files/d'), 'is-a-directory')
    await expectProblem(h.request('PATCH', '/v1/files/d?offset=0', { body: 'x' }), 'is-a-directory')
    await expectProblem(put(h, 'd/f/g'), 'not-a-directory')
    await expectProblem(h.request('GET', '/v1/files/none'), 'not-found')
    expect((await h.request('GET', '/v1/files/none')).headers.get('Stillpoint-CP')).toBe('2')
  })
})

describe('links', () => {
  test('made without a body, read as a conflict', async () => {
    const h = new Harness()
    const made = await h.request('PUT', '/v1/files/l', { headers: { 'Stillpoint-Link': '../caf%C3%A9' } })
    expect(made.status).toBe(201)
    expect(await readJson(h.request('GET', '/v1/stat/l'))).toMatchObject({
      kind: 'link',
      target: '../café',
      contentType: null,
    })
    await expectProblem(h.request('GET', '/v1/files/l'), 'is-a-link')
  })

  test('what is refused', async () => {
    const h = new Harness()
    await expectProblem(put(h, 'l', 'body', { 'Stillpoint-Link': 'a' }), 'bad-parameter')
    for (const target of ['', '%00', '%ff', '%', 'a'.repeat(4096)]) {
      await expectProblem(
        h.request('PUT', '/v1/files/l', { headers: { 'Stillpoint-Link': target } }),
        'bad-parameter',
      )
    }
    expect(h.files.keys()).toEqual([])
  })
})

describe('patch', () => {
  test('a range, an append, a gap, a cut', async () => {
    const h = new Harness()
    await put(h, 'a', 'hello', { 'Stillpoint-Meta-k': 'v' })
    const patch = (query: string, body: RequestInit['body'] = null) =>
      h.request('PATCH', `/v1/files/a?${query}`, { body })
    expect(await readJson(patch('offset=1', 'EL'))).toMatchObject({ path: 'a', size: 5, offset: 1, cp: 2 })
    expect(await readJson(patch('offset=end', '!'))).toMatchObject({ size: 6, offset: 5 })
    expect(h.content('a')).toBe('hELlo!')
    const answer = await patch('offset=8', 'x')
    expect(answer.headers.get('ETag')).toBe(
      (await readJson(h.request('GET', '/v1/stat/a')))['etag'] as string,
    )
    expect(h.content('a')).toBe('hELlo!\0\0x')
    expect(await readJson(patch('size=2'))).toMatchObject({ size: 2 })
    expect(h.content('a')).toBe('hE')
    expect((await readJson(h.request('GET', '/v1/stat/a')))['meta']).toEqual({ k: 'v' })
  })

  test('what is refused', async () => {
    const h = new Harness()
    await put(h, 'a', 'hello')
    const refused = [
      '',
      '?offset=-1',
      '?offset=1.5',
      '?offset=1e3',
      '?offset=99999999999999999999',
      '?offset=End',
    ]
    refused.push('?size=', '?size=1&offset=1', '?offset=1&offset=2', '?offset=9007199254740992')
    for (const query of refused) {
      await expectProblem(h.request('PATCH', `/v1/files/a${query}`, { body: 'x' }), 'bad-parameter')
    }
    await expectProblem(h.request('PATCH', '/v1/files/a?size=1', { body: 'x' }), 'bad-parameter')
    await expectProblem(h.request('PATCH', '/v1/files/a?offset=9007199254740991', { body: 'x' }), 'too-large')
    await expectProblem(h.request('PATCH', '/v1/files/none?offset=0', { body: 'x' }), 'not-found')
    expect(h.content('a')).toBe('hello')
  })
})

describe('bodies', () => {
  const stream = (...parts: (string | Error)[]) =>
    new ReadableStream({
      start(controller) {
        for (const part of parts) {
          if (part instanceof Error) return controller.error(part)
          controller.enqueue(new TextEncoder().encode(part))
        }
        controller.close()
      },
    })

  test('a stream that fails leaves nothing', async () => {
    const h = new Harness()
    await expectProblem(put(h, 'a', stream('part', new Error('cut'))), 'bad-parameter')
    await expectProblem(put(h, 'a', stream('part'), { 'Content-Length': '100000' }), 'bad-parameter')
    await expectProblem(put(h, 'a', stream('part'), { 'Content-Length': '9' }), 'bad-parameter')
    await expectProblem(
      put(h, 'a', stream('p'.repeat(70_000), 'x'), { 'Content-Length': '70000' }),
      'bad-parameter',
    )
    await expectProblem(put(h, 'a', 'abc', { 'Content-Length': '3, 3' }), 'bad-parameter')
    expect(h.files.keys()).toEqual([])
  })

  test('codings and ranges are refused', async () => {
    const h = new Harness()
    await expectProblem(put(h, 'a', 'x', { 'Content-Encoding': 'gzip' }), 'unsupported-media-type')
    await expectProblem(put(h, 'a', 'x', { 'Content-Range': 'bytes 0-0/1' }), 'bad-parameter')
    expect((await put(h, 'a', 'x', { 'Content-Encoding': 'identity' })).status).toBe(201)
  })

  const digest = (algorithm: 'sha256' | 'sha512', text: string) =>
    `:${new Bun.CryptoHasher(algorithm).update(text).digest('base64')}:`

  test('digests are checked, whole or streamed', async () => {
    const h = new Harness()
    const long = 'long'.repeat(50_000)
    for (const text of ['', 'short', long]) {
      const good = `sha-256=${digest('sha256', text)}, unknown=:AA==:, sha-512=${digest('sha512', text)}`
      expect((await put(h, 'good', text, { 'Repr-Digest': good })).ok).toBe(true)
      const wrong = { 'Repr-Digest': `sha-256=${digest('sha256', `${text}x`)}` }
      await expectProblem(put(h, 'wrong', text, wrong), 'digest-mismatch')
      await expectProblem(put(h, 'wrong', stream(text), wrong), 'digest-mismatch')
      await expectProblem(
        put(h, 'wrong', text, { 'Content-Digest': `sha-512=${digest('sha512', 'y')}` }),
        'digest-mismatch',
      )
    }
    for (const bad of ['sha-256=abc', 'sha-256=:abc:', 'sha-256', 'sha-512=:AAAA:']) {
      await expectProblem(put(h, 'wrong', 'x', { 'Repr-Digest': bad }), 'bad-parameter')
    }
    const patch = { body: 'x', headers: { 'Repr-Digest': `sha-256=${digest('sha256', 'x')}` } }
    await expectProblem(h.request('PATCH', '/v1/files/good?offset=0', patch), 'bad-parameter')
    expect(h.files.keys()).toEqual(['good'])
  })
})

describe('metadata', () => {
  test('limits', async () => {
    const h = new Harness()
    const meta = (name: string, value: string) => put(h, 'a', 'x', { [`Stillpoint-Meta-${name}`]: value })
    await expectProblem(meta('n'.repeat(65), 'v'), 'metadata-too-large')
    await expectProblem(meta('n', 'v'.repeat(2048)), 'metadata-too-large')
    await expectProblem(meta('n', 'caf\u00e9'), 'bad-parameter')
    await expectProblem(put(h, 'a', 'x', { 'Content-Type': `a/${'b'.repeat(254)}` }), 'metadata-too-large')
    await expectProblem(put(h, 'a', 'x', { 'Content-Type': 'nonsense' }), 'bad-parameter')
    for (const mode of ['8', '10000', '-1', '0x1', 'rw']) {
      await expectProblem(put(h, 'a', 'x', { 'Stillpoint-Mode': mode }), 'bad-parameter')
    }
    for (const time of [
      'yesterday',
      '2026-02-30T00:00:00Z',
      '2026-01-01',
      '2026-01-01T00:00:00',
      '1767225600',
    ]) {
      await expectProblem(put(h, 'a', 'x', { 'Stillpoint-Modified': time }), 'bad-parameter')
    }
    expect(h.files.keys()).toEqual([])
    expect((await meta('n'.repeat(64), 'v'.repeat(1984))).status).toBe(201)
  })
})

describe('durability', () => {
  test('wishes and what was reached', async () => {
    const h = new Harness()
    for (const level of ['buffered', 'logged', 'committed'] as const) {
      const answer = await h.request('PUT', `/v1/files/a?durability=${level}`, { body: 'x' })
      expect(answer.headers.get('Stillpoint-Durability')).toBe(level)
    }
    h.reached = 'committed'
    const answer = await h.request('PUT', '/v1/files/a?durability=mirrored&mirrors=2&wait=3', { body: 'x' })
    expect(await answer.json()).toMatchObject({ durability: 'committed' })
    expect(h.wishes.pop()).toEqual({ level: 'mirrored', mirrors: 2, waitMs: 3000 })
    expect(h.wishes[0]).toEqual({ level: 'buffered', mirrors: 1, waitMs: null })
  })

  test('what is refused changes nothing', async () => {
    const h = new Harness()
    const refused = [
      'durability=',
      'durability=best',
      'durability=logged&mirrors=1',
      'wait=61',
      'wait=-1',
      'wait=x',
    ]
    refused.push(
      'durability=mirrored&mirrors=0',
      'durability=mirrored&mirrors=9',
      'fsync=1',
      'cp=1',
      '=1',
      '%ff=1',
    )
    for (const query of refused) {
      await expectProblem(h.request('PUT', `/v1/files/a?${query}`, { body: 'x' }), 'bad-parameter')
    }
    expect(h.files.keys()).toEqual([])
  })
})

describe('which consistency point', () => {
  test('cp, at, minCp, wait', async () => {
    const h = new Harness()
    await put(h, 'a', 'one')
    const cp = h.publish()
    await put(h, 'a', 'two')
    const read = async (query: string) => {
      const answer = await h.request('GET', `/v1/files/a${query}`)
      return [answer.headers.get('Stillpoint-CP'), await answer.text()]
    }
    expect(await read('')).toEqual(['3', 'two'])
    expect(await read(`?cp=${cp}`)).toEqual(['2', 'one'])
    expect(await read('?minCp=3')).toEqual(['3', 'two'])
    const at = (ms: number) => encodeURIComponent(new Date(ms).toISOString())
    expect(await read(`?at=${at(h.committedAt(2))}`)).toEqual(['2', 'one'])
    expect(await read(`?at=${at(h.committedAt(3))}`)).toEqual(['2', 'one'])
    await expectProblem(h.request('GET', `/v1/files/a?at=${at(h.committedAt(2) - 1)}`), 'not-found')
    await expectProblem(h.request('GET', '/v1/files/a?at=1999-01-01T00:00:00Z'), 'cp-gone')

    const mirror = await h.onMirror('GET', '/v1/files/a')
    expect([mirror.headers.get('Stillpoint-CP'), await mirror.text()]).toEqual(['2', 'one'])
    const early = await h.onMirror('GET', '/v1/files/a?minCp=3')
    expect(early.headers.get('Retry-After')).toBe('1')
    await expectProblem(early, 'not-yet')
    const waited = await h.onMirror('GET', '/v1/files/a?minCp=3&wait=5')
    expect(await waited.text()).toBe('two')
    expect(h.files.openViews).toBe(0)
  })

  test('what is refused', async () => {
    const h = new Harness()
    await put(h, 'a', 'one')
    h.publish()
    const refused = [
      'cp=1&minCp=1',
      'cp=x',
      'cp=-1',
      'cp=01',
      'cp=1.0',
      'cp=9007199254740992',
      'cp=9007199254740991',
    ]
    refused.push(
      'minCp=9000000000000000',
      'wait=61',
      'at=now',
      'at=2026-01-01T00:00:00Z&cp=1',
      'at=2026-13-01T00:00:00Z',
    )
    refused.push('cp=1&cp=1', 'version=1', 'cp', 'cp=', 'minCp=+1', 'wait=1.5')
    for (const query of refused) {
      for (const route of ['/v1/files/a', '/v1/stat/a', '/v1/stat', '/v1/dirs']) {
        await expectProblem(h.request('GET', `${route}?${query}`), 'bad-parameter')
        await expectProblem(h.onMirror('GET', `${route}?${query}`), 'bad-parameter')
      }
    }
    h.images.delete(1)
    const gone = await expectProblem(h.request('GET', '/v1/files/a?cp=1'), 'cp-gone')
    expect(gone['readable']).toEqual([2])
    await expectProblem(h.request('GET', '/v1/files/a?cp=77'), 'not-yet')
    expect(h.files.openViews).toBe(0)
  })
})
