/**
 * Whoever listens where a primary expects a mirror, and does not know the secret: no secret comes that way, nothing that
 * is said there is believed, and the member can be removed. Whoever comes to a mirror without a proof binds nothing.
 */
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatUuid, systemRandom } from '../../src/lib/random.ts'
import { membersMax } from '../../src/format/geometry.ts'
import { encodeChallenge, encodeProofAnswer } from '../../src/format/wire/handshake.ts'
import { decodeFrame, encodeFrame, frameHeadBytes, frameLengths } from '../../src/format/wire/frames.ts'
import { type Message, noUuid, nowhere } from '../../src/format/wire/messages.ts'
import { served } from './served.ts'
import { idleStatus } from '../replica/idle-status.ts'

const { folder, start } = served()
const secret = 'a-secret-of-enough-length'

function secretFile(): string {
  const path = join(folder(), 'secret')
  writeFileSync(path, `${secret}\n`, { mode: 0o600 })
  return path
}

const side = formatUuid(systemRandom.bytes(16))

/** The first frame of a body, wherever in the body it begins. */
function helloIn(body: Uint8Array): Message | null {
  for (let at = 0; at + frameHeadBytes <= body.length; at++) {
    try {
      const { body: bytes } = frameLengths(body.subarray(at, at + frameHeadBytes))
      return decodeFrame(body.subarray(at, at + frameHeadBytes + bytes))
    } catch {
      continue
    }
  }
  return null
}

/** Answers everything: a challenge and a proof out of nothing, and to frames what ends a primary. */
function stranger(say: (hello: Message) => Uint8Array) {
  const seen: string[] = []
  let asked = 0
  const enough = Promise.withResolvers<void>()
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const body = await request.bytes()
      seen.push(
        `${request.url} ${JSON.stringify([...request.headers])} ${Buffer.from(body).toString('latin1')}`,
      )
      if (++asked === 6) enough.resolve()
      const { pathname } = new URL(request.url)
      const answer = (bytes: Uint8Array) => new Response(bytes as Uint8Array<ArrayBuffer>)
      if (pathname.endsWith('/introduction'))
        return answer(
          encodeChallenge({
            mirror: side,
            nonce: systemRandom.bytes(32),
            issuedMs: 1,
            cookie: new Uint8Array(32),
          }),
        )
      if (pathname.endsWith('/proof')) return answer(encodeProofAnswer(systemRandom.bytes(32)))
      const hello = helloIn(body)
      return answer(hello ? say(hello) : new Uint8Array(0))
    },
  })
  return {
    url: `http://127.0.0.1:${server.port}`,
    seen,
    enough: enough.promise,
    stop: () => server.stop(true),
  }
}

const higherEpoch = (hello: Message): Uint8Array =>
  encodeFrame({
    ...hello,
    epoch: { number: hello.epoch.number + 1, id: new Uint8Array(8) },
    kind: 'error',
    code: 'older-epoch',
    detail: 'epoch 1 has been met here',
  })

const laterCp = (hello: Message): Uint8Array => {
  const published = { cp: hello.cp + 1000, hash: new Uint8Array(32).fill(7) }
  return encodeFrame({
    ...hello,
    kind: 'hello-answer',
    opens: hello.session,
    ...idleStatus({ side, published, retained: [published] }),
  })
}

const post = (url: string, body: object) =>
  fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })

for (const [what, say] of [
  ['a higher epoch', higherEpoch],
  ['a later consistency point', laterCp],
] as const)
  test(`a listener without the secret that answers with ${what} gets no secret, and fences nobody`, async () => {
    const data = folder()
    const flags = { secretFile: secretFile() }
    const primary = await start(data, { flags })
    const listener = stranger(say)
    expect((await post(`${primary.url}/v1/mirrors`, { url: listener.url })).status).toBe(202)
    await listener.enough
    expect(listener.seen.join('\n')).not.toContain(secret)
    const put = await fetch(`${primary.url}/v1/files/f`, { method: 'PUT', body: 'x' })
    expect(put.status).toBe(201)
    const { items } = (await (await fetch(`${primary.url}/v1/mirrors`)).json()) as {
      items: { id: string; state: string; needs: string; cp: number | null }[]
    }
    expect(items).toMatchObject([
      { state: 'away', cp: null, needs: expect.stringContaining('does not answer as expected') as unknown },
    ])
    const gone = await fetch(`${primary.url}/v1/mirrors/${items[0]!.id}`, { method: 'DELETE' })
    expect(gone.status).toBe(204)
    await listener.stop()
    await primary.stop()
    const again = await start(data, { flags })
    expect((await fetch(`${again.url}/v1/files/g`, { method: 'PUT', body: 'x' })).status).toBe(201)
    await again.stop()
  })

test('strangers do not fill the table: one that never proved itself gives its place to the next', async () => {
  const flags = { secretFile: secretFile() }
  const primary = await start(folder(), { flags })
  const add = async (url: string) => (await post(`${primary.url}/v1/mirrors`, { url })).status
  const strangers = Array.from({ length: membersMax + 2 }, (_, i) => `http://127.0.0.1:${i + 1}`)
  for (const batch of [strangers.slice(0, membersMax), strangers.slice(membersMax)])
    expect(new Set(await Promise.all(batch.map(add)))).toEqual(new Set([202]))
  const mirror = await start(folder(), { verb: 'mirror', flags })
  expect(await add(mirror.url)).toBe(201)
  const { items } = (await (await fetch(`${primary.url}/v1/mirrors`)).json()) as { items: { url: string }[] }
  const urls = items.map(({ url }) => url)
  expect(urls).toHaveLength(membersMax)
  expect(urls).toContain(mirror.url)
  await primary.stop()
  await mirror.stop()
}, 15_000)

test('a primary is not its own mirror, whatever its address is called', async () => {
  const primary = await start(folder())
  const { port } = new URL(primary.url)
  for (const host of [
    '127.0.0.1',
    'localhost',
    'localhost.',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '0.0.0.0',
    '2130706433',
    '0x7f.1',
  ])
    expect([
      host,
      (await post(`${primary.url}/v1/mirrors`, { url: `http://${host}:${port}` })).status,
    ]).toEqual([host, 400])
  for (const url of [`http://user:word@127.0.0.1:9`, 'ftp://127.0.0.1:9', 'http://127.0.0.1:9/path'])
    expect((await post(`${primary.url}/v1/mirrors`, { url })).status).toBe(400)
  expect(await (await fetch(`${primary.url}/v1/mirrors`)).json()).toMatchObject({ items: [] })
  await primary.stop()
})

test('one blind request of a page binds a fresh mirror to nothing', async () => {
  const mirror = await start(folder(), { verb: 'mirror' })
  const uuid = formatUuid(systemRandom.bytes(16))
  const geometry = { blocksMax: 65536, growBlocks: 4096, logAddress: 16, logBlocks: 2048 }
  const head = {
    volume: uuid,
    session: uuid,
    epoch: { number: 0, id: new Uint8Array(8) },
    cp: 1,
    base: nowhere,
  }
  const hello = encodeFrame({ ...head, number: 0, kind: 'hello', side: uuid, member: noUuid, geometry })
  for (const [type, origin] of [
    ['text/plain', 'http://elsewhere.example'],
    ['text/plain', 'null'],
    ['application/octet-stream', 'http://elsewhere.example'],
    ['application/octet-stream', null],
  ] as const) {
    const headers = { 'content-type': type, ...(origin === null ? {} : { origin }) }
    const answer = await fetch(`${mirror.url}/replica/v1/frames`, {
      method: 'POST',
      body: hello as Uint8Array<ArrayBuffer>,
      headers,
    })
    expect([401, 403, 415]).toContain(answer.status)
  }
  expect(await (await fetch(`${mirror.url}/v1/mirror`)).json()).toMatchObject({ volume: null })
  await mirror.stop()
})
