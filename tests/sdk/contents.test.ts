/** Downloads that go on, and uploads in parts, where a server is not what it was. */
import { expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { type ClientError, isClientError } from '../../sdk/src/index.ts'
import { FakeServers, refusal, saysStat, statOf, written } from './fake-servers.ts'

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const error: unknown = await work.catch((thrown: unknown) => thrown)
  return isClientError(error) ? error.code : `no failure of a client: ${String(error)}`
}

/** Sends the beginning, and then breaks. */
function cutBody(text: string): ReadableStream<Uint8Array> {
  let sent = false
  return new ReadableStream({
    pull(controller) {
      if (sent) return controller.error(new Error('reset'))
      sent = true
      controller.enqueue(Buffer.from(text))
    },
  })
}
const file = (body: ReadableStream<Uint8Array> | string, headers: Record<string, string>, status = 200) =>
  new Response(body, {
    status,
    headers: { ETag: '"1-2-3"', 'Stillpoint-CP': '7', 'Transfer-Encoding': 'chunked', ...headers },
  })

test('a download goes on after the last byte, of the same version, and only of that', async () => {
  const servers = new FakeServers((_, i) =>
    i === 0
      ? file(cutBody('0123'), { 'Content-Length': '10' })
      : i === 1
        ? file(cutBody('45'), { 'Content-Range': 'bytes 4-9/10' }, 206)
        : file('6789', { 'Content-Range': 'bytes 6-9/10' }, 206),
  )
  const got = await servers.client().get('a')
  expect(await servers.ended(got.text())).toBe('0123456789')
  expect(servers.heard.map(({ headers }) => [headers.get('Range'), headers.get('If-Match')])).toEqual([
    [null, null],
    ['bytes=4-', '"1-2-3"'],
    ['bytes=6-', '"1-2-3"'],
  ])
  for (const [again, code] of [
    [() => refusal(412, 'precondition-failed'), 'precondition-failed'],
    [() => file('456789', { 'Content-Range': 'bytes 0-9/10' }, 206), 'bad-answer'],
    [() => file('0123456789', {}), 'bad-answer'],
  ] as const) {
    const other = new FakeServers((_, i) => (i === 0 ? file(cutBody('0123'), {}) : again()))
    expect(await codeOf(other.ended((await other.client().get('a')).text()))).toBe(code)
    expect(other.heard.length).toBe(2)
  }
})

test('a range that is cut goes on within the range', async () => {
  const servers = new FakeServers((_, i) =>
    i === 0
      ? file(cutBody('23'), { 'Content-Range': 'bytes 2-5/10' }, 206)
      : file('45', { 'Content-Range': 'bytes 4-5/10' }, 206),
  )
  const got = await servers.client().get('a', { range: { offset: 2, length: 4 } })
  expect(await servers.ended(got.text())).toBe('2345')
  expect(servers.heard.map(({ headers }) => headers.get('Range'))).toEqual(['bytes=2-5', 'bytes=4-5'])
  for (const [text, said] of [
    ['456789', 'bytes 4-9/10'],
    ['456789', 'bytes 4-5/10'],
    ['4', 'bytes 4-4/10'],
  ] as const) {
    const received: string[] = []
    const other = new FakeServers((_, i) =>
      i === 0
        ? file(cutBody('23'), { 'Content-Range': 'bytes 2-5/10' }, 206)
        : file(text, { 'Content-Range': said }, 206),
    )
    const read = async (): Promise<void> => {
      for await (const piece of await other.client().get('a', { range: { offset: 2, length: 4 } }))
        received.push(Buffer.from(piece).toString())
    }
    expect([said, await codeOf(other.ended(read())), received]).toEqual([said, 'bad-answer', ['23']])
  }
})

test('what goes on is the rest, of the same version: nothing else is put behind what was read', async () => {
  const rest = { 'Content-Range': 'bytes 4-9/10' }
  for (const first of [{ 'Content-Length': '10' }, {}])
    for (const [text, headers] of [
      ['BBBBBB', { ...rest, ETag: '"1-2-4"' }],
      ['456', { 'Content-Range': 'bytes 4-6/10' }],
      ['45678', { 'Content-Range': 'bytes 4-8/9' }],
      ['456789a', { 'Content-Range': 'bytes 4-10/10' }],
      ['456789a', { 'Content-Range': 'bytes 4-10/11' }],
      ['456789', { 'Content-Range': 'bytes 4-9/*' }],
      ['456789', { 'Content-Range': 'bytes 40-9/10' }],
      ['456789', { ...rest, 'Content-Length': '7' }],
      ['456789a', rest],
    ] as const) {
      // A whole file that does not say how long it is may end anywhere, as long as the rest says so.
      const isKnown = 'Content-Length' in first || !/-(?:8.9|10.11)$/.test(headers['Content-Range'])
      const servers = new FakeServers((_, i) =>
        i === 0 ? file(cutBody('0123'), first) : file(text, headers, 206),
      )
      const read = servers.ended((await servers.client().get('a')).text())
      expect([headers, await codeOf(read)]).toEqual([
        headers,
        isKnown ? 'bad-answer' : 'no failure of a client: 0123' + text,
      ])
    }
})

test('a range is the one that was asked for, from its first byte to its last', async () => {
  const asked = { offset: 5, length: 4 }
  for (const [range, text, said, code] of [
    [asked, '5678', 'bytes 5-8/1000', null],
    [asked, '56', 'bytes 5-6/7', null],
    [{ offset: 5 }, '56', 'bytes 5-6/7', null],
    [asked, '56789', 'bytes 5-9/1000', 'bad-answer'],
    [asked, '567', 'bytes 5-7/1000', 'bad-answer'],
    [asked, '56789', 'bytes 5-8/1000', 'bad-answer'],
    [asked, '5678', 'bytes 4-7/1000', 'bad-answer'],
    [asked, '5678', 'bytes 50-53/1000', 'bad-answer'],
    [asked, '5678', 'items 5-8/1000', 'bad-answer'],
    [{ offset: 5 }, '56', 'bytes 5-6/8', 'bad-answer'],
  ] as const) {
    const servers = new FakeServers(() => file(text, { 'Content-Range': said }, 206))
    const read = async () => (await servers.client().get('a', { range })).text()
    expect([said, await codeOf(servers.ended(read()))]).toEqual([
      said,
      code ?? `no failure of a client: ${text}`,
    ])
    expect(servers.heard.length).toBe(1)
  }
})

test('an answer that ends early goes on, and one that is cut behind its last byte is whole', async () => {
  const early = new FakeServers((_, i) =>
    i === 0
      ? file('23', { 'Content-Range': 'bytes 2-5/10' }, 206)
      : file('45', { 'Content-Range': 'bytes 4-5/10' }, 206),
  )
  const got = await early.client().get('a', { range: { offset: 2, length: 4 } })
  expect([await early.ended(got.text()), early.heard.length]).toEqual(['2345', 2])
  for (const range of [undefined, { offset: 0, length: 4 }, { offset: 0 }]) {
    const late = new FakeServers(() =>
      range === undefined
        ? file(cutBody('0123'), { 'Content-Length': '4' })
        : file(cutBody('0123'), { 'Content-Range': 'bytes 0-3/4' }, 206),
    )
    const whole = await late.client().get('a', { range })
    expect([await late.ended(whole.text()), late.heard.length]).toEqual(['0123', 1])
  }
})

test('the digest of a content is that of all its pieces', async () => {
  const digest = createHash('sha256').update('0123456789').digest('base64')
  for (const [rest, code] of [
    ['6789', null],
    ['6780', 'digest-mismatch'],
  ] as const) {
    const servers = new FakeServers((_, i) =>
      i === 0
        ? file(cutBody('012345'), { 'Repr-Digest': `sha-256=:${digest}:` })
        : file(rest, { 'Content-Range': 'bytes 6-9/10' }, 206),
    )
    const read = servers.ended((await servers.client({ createHash }).get('a')).text())
    if (code === null) expect(await read).toBe('0123456789')
    else expect(await codeOf(read)).toBe(code)
  }
})

test('a part that somebody else has written is no part of this upload', async () => {
  const servers = new FakeServers(({ method, path }) => {
    if (method === 'PUT') return written(decodeURIComponent(path).slice('/v1/files/'.length), 1, 4)
    if (method === 'PATCH') return refusal(412, 'precondition-failed')
    if (servers.heard.length === 1) return refusal(404, 'not-found')
    return Response.json({ ...statOf(decodeURIComponent(path).slice('/v1/stat/'.length), 1), size: 5 })
  })
  const upload = servers.client().upload('d/a', '01234567', { partBytes: 4, id: 'mine' })
  const error = (await servers.ended(upload.catch((thrown: unknown) => thrown))) as ClientError
  expect([error.code, error.message]).toEqual([
    'precondition-failed',
    'somebody else writes to d/.upload-mine',
  ])
  expect(servers.heard.map(({ method }) => method)).toEqual(['GET', 'PUT', 'PATCH', 'GET'])
  // No part goes where another version is, or a gap that a crash of the server has left.
  const [, first, second] = servers.heard
  expect([first!.headers.get('If-None-Match'), second!.headers.get('If-Match')]).toEqual(['*', '"1-2-3"'])
})

test('an upload that goes on wants a body that has what has arrived', async () => {
  const servers = new FakeServers(() => saysStat('.upload-mine', 1))
  for (const body of ['', new Blob([]), new Blob([]).stream()])
    expect(await codeOf(servers.ended(servers.client().upload('a', body, { id: 'mine' })))).toBe('bad-body')
})

test('an upload without a name of its own leaves nothing behind', async () => {
  const servers = new FakeServers(({ method, path }) => {
    if (method === 'PUT') return written(decodeURIComponent(path).slice('/v1/files/'.length), 1, 4)
    if (method === 'DELETE') return new Response(null, { status: 204, headers: { 'Stillpoint-CP': '1' } })
    return refusal(507, 'disk-full')
  })
  const upload = (id?: string) =>
    codeOf(servers.ended(servers.client().upload('a', '01234567', { partBytes: 4, id })))
  expect(await upload()).toBe('disk-full')
  expect(servers.heard.map(({ method }) => method)).toEqual(['PUT', 'PATCH', 'DELETE'])
  expect(servers.heard[2]!.path).toBe(servers.heard[0]!.path)
  expect(await codeOf(servers.client().upload('a', 'x', { id: 'a/b' }))).toBe('bad-parameter')
})
