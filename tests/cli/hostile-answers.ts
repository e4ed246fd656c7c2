/** Everything that a server, or what stands between, can do to an answer: one row a fault. */
import { type HonestAnswer, type Spoil, type Spoiled, headOf, whole } from './hostile-server.ts'

const close = (bytes: Uint8Array | string): Spoiled => ({ bytes, end: 'close' })
const keep = (bytes: Uint8Array | string): Spoiled => ({ bytes, end: 'keep' })
const stall = (bytes: Uint8Array | string): Spoiled => ({ bytes, end: 'stall' })

const headBytesOf = (answer: HonestAnswer): number => Buffer.from(whole(answer)).indexOf('\r\n\r\n') + 4
const instead =
  (status: number, headers: Record<string, string>, body: string | Uint8Array): Spoil =>
  () =>
    keep(whole({ status, headers: new Headers(headers), body: Buffer.from(body as string) }))
const withHeaders = ({ status, headers, body }: HonestAnswer, more: Record<string, string>): HonestAnswer => {
  const said = new Headers(headers)
  for (const [name, value] of Object.entries(more)) said.set(name, value)
  return { status, headers: said, body }
}
const chunk = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
export const jsonOf = ({ headers, body }: HonestAnswer): unknown =>
  headers.get('Content-Type')?.startsWith('application/json')
    ? JSON.parse(Buffer.from(body).toString())
    : undefined
export const asJson = (honest: HonestAnswer, value: unknown): Spoiled =>
  keep(whole({ ...honest, body: Buffer.from(JSON.stringify(value)) }))
const isFile = (target: string, method: string): boolean =>
  method === 'GET' && target.startsWith('/v1/files/')
const digest = (bytes: Uint8Array): string =>
  `sha-256=:${new Bun.CryptoHasher('sha256').update(bytes).digest('base64')}:`

const json = { 'Content-Type': 'application/json' }
const html = { 'Content-Type': 'text/html' }
const page = '<html><body>Welcome to the hotel</body></html>'
const problem = (
  status: number,
  fields: Record<string, unknown>,
  headers: Record<string, string> = {},
): Spoil =>
  instead(status, { 'Content-Type': 'application/problem+json', ...headers }, JSON.stringify(fields))

/** An answer in chunks that begins like JSON, or like anything, and never ends. */
const endless = (status: number, headers: Record<string, string>, begin: string): Spoil => {
  const piece = chunk(Buffer.alloc(2 ** 18, 0x61))
  return () => ({
    bytes: Buffer.concat([
      Buffer.from(headOf(status, { ...headers, 'Transfer-Encoding': 'chunked' })),
      chunk(Buffer.from(begin)),
    ]),
    end: { endless: piece },
  })
}

/** Faults of the connection: the right bytes, but not all of them, or not by themselves. */
const transport: Record<string, Spoil> = {
  'closed without a byte': () => close(''),
  'closed in the head': (honest) => close(whole(honest).subarray(0, headBytesOf(honest) - 10)),
  'closed behind the head': (honest) =>
    honest.body.length === 0 ? null : close(whole(honest).subarray(0, headBytesOf(honest))),
  'closed before the last byte': (honest) =>
    honest.body.length === 0 ? null : close(whole(honest).slice(0, -1)),
  'half a body in chunks': ({ status, headers, body }) =>
    body.length < 2
      ? null
      : close(
          Buffer.concat([
            Buffer.from(headOf(status, { ...Object.fromEntries(headers), 'Transfer-Encoding': 'chunked' })),
            chunk(body.subarray(0, body.length >> 1)),
          ]),
        ),
  'half a body that only the close ends': ({ status, headers, body }) =>
    body.length < 2
      ? null
      : close(Buffer.concat([Buffer.from(headOf(status, headers)), body.subarray(0, body.length >> 1)])),
  'a chunk that is none': ({ status, headers }) =>
    status === 204
      ? null
      : close(
          `${headOf(status, { ...Object.fromEntries(headers), 'Transfer-Encoding': 'chunked' })}zz\r\nx\r\n0\r\n\r\n`,
        ),
  'one byte more declared': ({ status, headers, body }) =>
    status === 204
      ? null
      : close(
          Buffer.concat([
            Buffer.from(
              headOf(status, { ...Object.fromEntries(headers), 'Content-Length': String(body.length + 1) }),
            ),
            body,
          ]),
        ),
  'stalled without a byte': () => stall(''),
  'stalled in the head': (honest) => stall(whole(honest).subarray(0, headBytesOf(honest) - 10)),
  'stalled behind the head': (honest) =>
    honest.body.length === 0 ? null : stall(whole(honest).subarray(0, headBytesOf(honest))),
  'stalled before the last byte': (honest) =>
    honest.body.length === 0 ? null : stall(whole(honest).slice(0, -1)),
  'another protocol': () => close('SSH-2.0-OpenSSH_9.6\r\n'),
  'bytes of TLS': () => close(new Uint8Array([21, 3, 1, 0, 2, 2, 70])),
  'two lengths': ({ status, headers, body }) =>
    close(
      Buffer.concat([
        Buffer.from(
          headOf(status, headers).replace(/\r\n$/, 'Content-Length: 1\r\nContent-Length: 2\r\n\r\n'),
        ),
        body,
      ]),
    ),
  'a length that is none': ({ status, headers, body }) =>
    close(
      Buffer.concat([
        Buffer.from(headOf(status, { ...Object.fromEntries(headers), 'Content-Length': '-3' })),
        body,
      ]),
    ),
  'packed, and is not': (honest) =>
    honest.body.length === 0 ? null : close(whole(withHeaders(honest, { 'Content-Encoding': 'gzip' }))),
}

/** Answers that are whole, and are not the answer. */
const wrong: Record<string, Spoil> = {
  'a page of a portal': instead(200, html, page),
  'an empty page': instead(200, {}, ''),
  'no content': ({ status }) => (status === 204 ? null : keep(headOf(204, {}))),
  'a deletion of somebody else': ({ status }) => (status === 204 ? keep(headOf(204, {})) : null),
  accepted: instead(202, json, '{}'),
  'not modified': () => keep(headOf(304, {})),
  'a part': (honest) => keep(whole({ ...honest, status: 206 })),
  'JSON that says to be a page': (honest) =>
    jsonOf(honest) === undefined ? null : keep(whole(withHeaders(honest, html))),
  ...Object.fromEntries(
    [
      'null',
      '[]',
      '{}',
      '"x"',
      '7',
      'true',
      '{"cp":1}',
      '[{"op":1}]',
      `${'['.repeat(5000)}${']'.repeat(5000)}`,
    ].map((text) => [`JSON ${text.slice(0, 12)}`, instead(200, json, text)]),
  ),
  ...Object.fromEntries(
    [
      ['GET', '/v1/stat'],
      ['GET', '/v1/dirs'],
      ['GET', '/v1/files/odd/file'],
      ['GET', '/v1/cps'],
      ['GET', '/v1/cps/1'],
      ['GET', '/v1/mirrors'],
      ['GET', '/healthz'],
      ['GET', '/openapi.json'],
      ['PUT', '/v1/files/odd/new'],
      ['PUT', '/v1/dirs/odd/folder'],
      ['DELETE', '/v1/files/odd/file'],
      ['POST', '/v1/batch'],
    ].map(([method, target]): [string, Spoil] => [
      `the answer of ${method} ${target}`,
      async (honest, asked) => {
        const body = target === '/v1/batch' ? '{"operations":[]}' : target!.endsWith('/new') ? 'odd' : ''
        const other = await asked.other(method!, target!, method === 'DELETE' ? '' : body)
        const isTheSame =
          `${asked.method} ${asked.target.split('?')[0]}` === `${method} ${target}` ||
          // A deletion answers without a word, and a content does not say its path: these cannot be told apart.
          (asked.method === 'DELETE' && method === 'DELETE') ||
          (isFile(asked.target, asked.method) && isFile(target!, method!)) ||
          Buffer.from(other.body).equals(honest.body)
        return isTheSame ? null : keep(whole(other))
      },
    ]),
  ),
}

const refusals: Record<string, Spoil> = {
  'a page with 500': instead(500, html, page),
  'a page with 404': instead(404, html, page),
  'nothing with 502': instead(502, {}, ''),
  '429 with Retry-After': problem(429, { code: 'busy', detail: 'too many' }, { 'Retry-After': '3600' }),
  '429 in plain text': instead(429, { 'Retry-After': '3600', 'Content-Type': 'text/plain' }, 'slow down'),
  '503 in the form of the contract': problem(503, { code: 'busy', detail: 'too many connections' }),
  '401': problem(401, { code: 'unauthorized', detail: 'who are you' }, { 'WWW-Authenticate': 'Basic' }),
  'a code of no list': problem(418, { code: 'teapot', detail: 'short and stout' }),
  'a code that is no word': problem(500, { code: '\u001b]0;x\u0007', detail: 'x' }),
  'a code that is a number': problem(500, { code: 7, detail: 'x' }),
  'a detail that a terminal obeys': problem(500, { code: 'internal', detail: 'a\u001b[2J\u009b1m\nb\u202e' }),
  'a detail that is an object': problem(500, { code: 'internal', detail: { a: 1 } }),
  'a very long detail': problem(500, { code: 'internal', detail: 'x'.repeat(60_000) }),
  'a refusal that is cut': ({ headers }) => close(`${headOf(500, headers)}{"code":"inter`),
}

/** Location is filled in by the test: no client goes there. */
export const redirects = (location: string): Record<string, Spoil> =>
  Object.fromEntries(
    [301, 302, 303, 307, 308].map((status) => [
      `${status}`,
      () => keep(whole({ status, headers: new Headers({ Location: location }), body: new Uint8Array() })),
    ]),
  )

/** Costly to read: one request of each command, and all of a listing. */
export const hugeFaults: Record<string, Spoil> = {
  'JSON without an end': endless(200, json, '{"cp":1,"path":"'),
  'a refusal without an end': endless(500, html, '<'),
  'a packed answer that is much larger': () => {
    const packed = Bun.gzipSync(new Uint8Array(2 ** 20).fill(0x20))
    // A file of many members is one stream.
    const body = Buffer.concat(Array.from({ length: 8 }, () => packed))
    return close(whole({ status: 200, headers: new Headers({ ...json, 'Content-Encoding': 'gzip' }), body }))
  },
}

/** What only a content can have wrong: each must be noticed by whoever writes a file. */
export const contentFaults: Record<string, Spoil> = {
  'another byte than the digest says': (honest, { target, method }) => {
    if (!isFile(target, method) || honest.body.length === 0) return null
    const body = honest.body.slice()
    body[body.length - 1]! ^= 1
    return keep(whole({ ...withHeaders(honest, { 'Content-Digest': digest(honest.body) }), body }))
  },
  'one byte less than the digest says': (honest, { target, method }) =>
    !isFile(target, method) || honest.body.length === 0
      ? null
      : keep(
          whole({
            ...withHeaders(honest, { 'Repr-Digest': digest(honest.body) }),
            body: honest.body.slice(0, -1),
          }),
        ),
  'the second of two digests': (honest, { target, method }) =>
    isFile(target, method)
      ? keep(
          whole(
            withHeaders(honest, {
              'Repr-Digest': `md5=:AAAA:, ${digest(honest.body)}, sha-512=:${Buffer.alloc(64).toString('base64')}:`,
            }),
          ),
        )
      : null,
  'no consistency point': (honest, { target, method }) => {
    const headers = new Headers(honest.headers)
    headers.delete('Stillpoint-CP')
    return isFile(target, method) ? keep(whole({ ...honest, headers })) : null
  },
  'no entity tag': (honest, { target, method }) => {
    const headers = new Headers(honest.headers)
    headers.delete('ETag')
    return isFile(target, method) ? keep(whole({ ...honest, headers })) : null
  },
}

/** Attributes that come with a content; a tree takes them from its listing. */
export const attributeFaults: Record<string, Spoil> = {
  'a mode that is none': (honest, { target, method }) =>
    isFile(target, method) ? keep(whole(withHeaders(honest, { 'Stillpoint-Mode': 'rwx' }))) : null,
  'a time that is none': (honest, { target, method }) =>
    isFile(target, method) ? keep(whole(withHeaders(honest, { 'Stillpoint-Modified': 'yesterday' }))) : null,
}

/** What a client notices that knows already what is to come: a tree, which has the listing. */
export const knownFaults: Record<string, Spoil> = {
  'another file': (honest, { target, method }) =>
    isFile(target, method) ? keep(whole(withHeaders(honest, { ETag: '"other"' }))) : null,
  'another consistency point': (honest, { target, method }) =>
    isFile(target, method) ? keep(whole(withHeaders(honest, { 'Stillpoint-CP': '999' }))) : null,
  'one byte less': (honest, { target, method }) =>
    isFile(target, method) ? keep(whole({ ...honest, body: honest.body.slice(0, -1) })) : null,
  'one byte more': (honest, { target, method }) =>
    isFile(target, method)
      ? keep(whole({ ...honest, body: Buffer.concat([honest.body, Buffer.from('x')]) }))
      : null,
}

export const faults: Record<string, Spoil> = { ...transport, ...wrong, ...refusals }

/** All ways to change one member of a JSON value to `value`: of the value, and of the first of each list in it. */
export function changedMembers(of: unknown, value: unknown, into: (changed: unknown) => void): void {
  if (Array.isArray(of)) {
    const [first, ...rest] = of as unknown[]
    if (of.length === 0) return
    // A list without its first entry is a list as good as another.
    if (value !== undefined) into([value, ...rest])
    changedMembers(first, value, (inner) => into([inner, ...rest]))
  } else if (typeof of === 'object' && of !== null)
    for (const [name, member] of Object.entries(of)) {
      // A member that is undefined is left out of the JSON.
      into({ ...of, [name]: value })
      changedMembers(member, value, (inner) => into({ ...of, [name]: inner }))
    }
}
