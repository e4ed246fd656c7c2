import { describe, expect, test } from 'bun:test'
import { parseHttpDate, parseTags } from '../../../src/routes/http/preconditions.ts'
import { parseRange } from '../../../src/routes/http/ranges.ts'
import { Harness, expectProblem } from '../harness.ts'

const past = 'Sat, 01 Jan 2000 00:00:00 GMT'
const future = 'Fri, 01 Jan 2100 00:00:00 GMT'
const same = 'Sat, 31 Jan 2026 12:00:00 GMT'

async function withFile() {
  const h = new Harness()
  const made = await h.request('PUT', '/v1/files/a', { body: 'hello' })
  return { h, etag: made.headers.get('ETag')! }
}

describe('reading conditions, in the order of RFC 9110 §13.2.2', () => {
  /** TAG stands for the current tag. */
  const rows: readonly (readonly [Record<string, string>, number])[] = [
    [{ 'If-Match': 'TAG' }, 200],
    [{ 'If-Match': '"other", TAG' }, 200],
    [{ 'If-Match': '*' }, 200],
    [{ 'If-Match': '"other"' }, 412],
    [{ 'If-Match': 'W/TAG' }, 412],
    [{ 'If-Match': 'TAG', 'If-Unmodified-Since': past }, 200],
    [{ 'If-Unmodified-Since': past }, 412],
    [{ 'If-Unmodified-Since': same }, 200],
    [{ 'If-Unmodified-Since': future }, 200],
    [{ 'If-Unmodified-Since': 'nonsense' }, 200],
    [{ 'If-None-Match': 'TAG' }, 304],
    [{ 'If-None-Match': 'W/TAG' }, 304],
    [{ 'If-None-Match': '*' }, 304],
    [{ 'If-None-Match': '"other"' }, 200],
    [{ 'If-None-Match': '"other"', 'If-Modified-Since': future }, 200],
    [{ 'If-None-Match': 'TAG', 'If-Modified-Since': past }, 304],
    [{ 'If-Modified-Since': future }, 304],
    [{ 'If-Modified-Since': same }, 304],
    [{ 'If-Modified-Since': past }, 200],
    [{ 'If-Modified-Since': '2100-01-01' }, 200],
    [{ 'If-Match': '"other"', 'If-None-Match': 'TAG' }, 412],
    [{ 'If-Match': 'TAG', 'If-None-Match': 'TAG' }, 304],
    [{ 'If-Unmodified-Since': past, 'If-Modified-Since': future }, 412],
    [{ 'If-Match': '"other"', Range: 'bytes=99-' }, 412],
    [{ 'If-None-Match': 'TAG', Range: 'bytes=99-' }, 304],
    [{ Range: 'bytes=0-0', 'If-Range': 'TAG' }, 206],
    [{ Range: 'bytes=0-0', 'If-Range': '"other"' }, 200],
    [{ Range: 'bytes=0-0', 'If-Range': 'W/TAG' }, 200],
    [{ Range: 'bytes=0-0', 'If-Range': same }, 200],
    [{ Range: 'bytes=0-0', 'If-Range': future }, 200],
    [{ Range: 'bytes=99-', 'If-Range': '"other"' }, 200],
    [{ 'If-Match': 'nonsense "' }, 400],
    [{ 'If-None-Match': '' }, 400],
  ]
  for (const [headers, status] of rows) {
    test(`${JSON.stringify(headers)} → ${status}`, async () => {
      const { h, etag } = await withFile()
      const sent = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, value.replace('TAG', etag)]),
      )
      for (const method of ['GET', 'HEAD']) {
        const answer = await h.request(method, '/v1/files/a', { headers: sent })
        expect(answer.status).toBe(method === 'HEAD' && status === 206 ? 200 : status)
        if (status === 304) {
          expect(answer.headers.get('ETag')).toBe(etag)
          expect(answer.headers.get('Stillpoint-CP')).toBe('2')
          expect(await answer.text()).toBe('')
        }
        if (status === 412 && method === 'GET') {
          const body = await expectProblem(answer, 'precondition-failed')
          expect(body['etag']).toBe(etag)
        }
        if (status === 400 && method === 'GET') await expectProblem(answer, 'bad-parameter')
      }
      expect(h.files.openFiles + h.files.openViews).toBe(0)
    })
  }
})

describe('writing conditions', () => {
  const rows: readonly (readonly [Record<string, string>, boolean])[] = [
    [{ 'If-Match': 'TAG' }, true],
    [{ 'If-Match': '*' }, true],
    [{ 'If-Match': '"other"' }, false],
    [{ 'If-Match': 'W/TAG' }, false],
    [{ 'If-None-Match': '*' }, false],
    [{ 'If-None-Match': 'TAG' }, false],
    [{ 'If-None-Match': 'W/TAG' }, false],
    [{ 'If-None-Match': '"other"' }, true],
    [{ 'If-Unmodified-Since': past }, false],
    [{ 'If-Unmodified-Since': same }, true],
    [{ 'If-Match': 'TAG', 'If-Unmodified-Since': past }, true],
    [{ 'If-Modified-Since': future }, true],
  ]
  for (const [headers, passes] of rows) {
    test(`${JSON.stringify(headers)} ${passes ? 'passes' : 'fails'}`, async () => {
      for (const method of ['PUT', 'PATCH', 'DELETE']) {
        const { h, etag } = await withFile()
        const sent = Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, value.replace('TAG', etag)]),
        )
        const query = method === 'PATCH' ? '?offset=0' : ''
        const body = method === 'DELETE' ? null : 'HELLO'
        const answer = await h.request(method, `/v1/files/a${query}`, { body, headers: sent })
        if (passes) expect(answer.ok).toBe(true)
        else {
          await expectProblem(answer, 'precondition-failed')
          expect(h.content('a')).toBe('hello')
        }
        expect(h.files.openViews).toBe(0)
      }
    })
  }

  test('create only, on what is not there', async () => {
    const h = new Harness()
    await expectProblem(
      h.request('PUT', '/v1/files/b', { body: 'x', headers: { 'If-Match': '*' } }),
      'precondition-failed',
    )
    const headers = { 'If-None-Match': '*', 'If-Unmodified-Since': past }
    expect((await h.request('PUT', '/v1/files/b', { body: 'x', headers })).status).toBe(201)
    await expectProblem(
      h.request('PUT', '/v1/files/c', { body: 'x', headers: { 'If-Match': '"a' } }),
      'bad-parameter',
    )
    expect(h.files.keys()).toEqual(['b'])
  })
})

describe('ranges', () => {
  const rows: readonly (readonly [string, number, string, string | null])[] = [
    ['bytes=0-0', 206, 'h', 'bytes 0-0/5'],
    ['bytes=1-3', 206, 'ell', 'bytes 1-3/5'],
    ['bytes=1-', 206, 'ello', 'bytes 1-4/5'],
    ['bytes=-2', 206, 'lo', 'bytes 3-4/5'],
    ['bytes=-99', 206, 'hello', 'bytes 0-4/5'],
    ['bytes=0-99999999999999999999', 206, 'hello', 'bytes 0-4/5'],
    ['BYTES=4-4', 206, 'o', 'bytes 4-4/5'],
    ['bytes=0-1,3-4', 200, 'hello', null],
    ['bytes=3-1', 200, 'hello', null],
    ['bytes=', 200, 'hello', null],
    ['bytes=-', 200, 'hello', null],
    ['bytes=a-b', 200, 'hello', null],
    ['lines=0-1', 200, 'hello', null],
    ['bytes=5-', 416, '', 'bytes */5'],
    ['bytes=99-100', 416, '', 'bytes */5'],
    ['bytes=-0', 416, '', 'bytes */5'],
    ['bytes=99999999999999999999-', 416, '', 'bytes */5'],
  ]
  for (const [header, status, text, contentRange] of rows) {
    test(`${header} → ${status}`, async () => {
      const { h } = await withFile()
      const answer = await h.request('GET', '/v1/files/a', { headers: { Range: header } })
      expect(answer.status).toBe(status)
      expect(answer.headers.get('Content-Range')).toBe(contentRange)
      if (status === 416) await expectProblem(answer, 'range-not-satisfiable')
      else expect(await answer.text()).toBe(text)
      expect(h.files.openFiles + h.files.openViews).toBe(0)
    })
  }

  test('of a long file', async () => {
    const h = new Harness()
    const body = Buffer.from(Array.from({ length: 500_000 }, (_, i) => i % 251))
    await h.request('PUT', '/v1/files/a', { body })
    const answer = await h.request('GET', '/v1/files/a', { headers: { Range: 'bytes=100000-399999' } })
    expect(answer.headers.get('Content-Range')).toBe('bytes 100000-399999/500000')
    expect(Buffer.from(await answer.arrayBuffer()).equals(body.subarray(100_000, 400_000))).toBe(true)
  })

  test('of an empty file', () => {
    expect(() => parseRange('bytes=0-', 0)).toThrow()
    expect(() => parseRange('bytes=-1', 0)).toThrow()
    expect(parseRange(null, 0)).toBeNull()
  })
})

test('tags with commas, without quotes, and what is none', () => {
  expect(parseTags('"a,b" , W/"c",', 'x')).toEqual([
    { weak: false, tag: 'a,b' },
    { weak: true, tag: 'c' },
  ])
  expect(parseTags('0-1-2', 'x')).toEqual([{ weak: false, tag: '0-1-2' }])
  for (const bad of ['"a', 'a"b"', '"a" "b"', 'w/"a"', ',', '*, "a"'])
    expect(() => parseTags(bad, 'x')).toThrow()
})

test('the three forms of a date', () => {
  const ms = Date.UTC(1994, 10, 6, 8, 49, 37)
  expect(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(ms)
  expect(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT')).toBe(ms)
  expect(parseHttpDate('Sun Nov  6 08:49:37 1994')).toBe(ms)
  expect(parseHttpDate('Sun, 06 Nov 1994 08:49:37 +0100')).toBeNull()
  expect(parseHttpDate('1994-11-06T08:49:37Z')).toBeNull()
})
