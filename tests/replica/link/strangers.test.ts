/**
 * Bodies that do not come: whoever has proved nothing takes no place of those that belong together, however many
 * connections there are, and a head that a listener has copied is of no use.
 */
import { afterEach, expect, test } from 'bun:test'
import { type Socket, connect } from 'node:net'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { formatUuid, seededRandom } from '../../../src/lib/random.ts'
import { sealedLayout } from '../../../src/format/wire/handshake.ts'
import { bodiesMax } from '../../../src/replica/link/peer-sessions.ts'
import { keyOfPair } from '../../../src/replica/link/peer-proof.ts'
import {
  answersPath,
  binaryType,
  framesPath,
  introductionPath,
  proofPath,
} from '../../../src/replica/link/replica-paths.ts'
import { strangerMsMax, strangersMax } from '../../../src/replica/link/strangers.ts'
import { type HttpServer, startHttpServer } from '../../../src/routes/http/server.ts'
import { comesTrue } from '../../noticing/quiet.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { Prover, askAt, askOf, fromHeader, mirrorEnd, taker } from './peers.ts'

const random = seededRandom(4)
const [volume, primary, mirror] = Array.from({ length: 3 }, () => formatUuid(random.bytes(16))) as [
  string,
  string,
  string,
]
const secret = 'a secret of the two'

function scene() {
  const clock = new VirtualClock()
  const door = mirrorEnd({ side: mirror, secret, clock }).fetchOf(taker)
  const ask = askOf(door)
  const prover = (at = ask) =>
    new Prover(at, { volume, primary }, (side) => ({
      keyKind: 'secret',
      key: keyOfPair('secret', encodeUtf8(secret), { primary, mirror: side }),
    })).begin()
  /** A body of which nothing more comes than what is given. */
  const half = (path: string, from: string, given: Uint8Array = new Uint8Array(1)) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(given),
      cancel: () => resolve(),
    })
    const headers = { 'content-type': binaryType, [fromHeader]: from }
    const request = new Request(`http://mirror${path}`, { method: 'POST', headers, body })
    const answer = (async () => (await door(request))!.status)()
    return { answer, cancelled: promise }
  }
  return { clock, ask, door, prover, half }
}

test('a body that has proved nothing has two seconds', async () => {
  const { clock, half } = scene()
  for (const path of [introductionPath, proofPath, framesPath, answersPath]) {
    let status: number | null = null
    const { answer, cancelled } = half(path, 'slow')
    const heard = (async () => (status = await answer))()
    clock.jump(strangerMsMax - 1)
    await Bun.sleep(0)
    expect(status).toBeNull()
    clock.jump(1)
    expect(await heard).toBe(400)
    await cancelled
  }
})

test('in a crowd the oldest body of the greediest client leaves, and whoever comes at once gets through', async () => {
  const { clock, half, prover } = scene()
  const left: string[] = []
  const held: Promise<unknown>[] = []
  const hold = (from: string) => {
    const { answer } = half(introductionPath, from)
    held.push((async () => left.push(`${from} ${await answer}`))())
  }
  hold('quiet')
  for (let i = 1; i < strangersMax; i++) hold(`greedy ${i % 2}`)
  await Bun.sleep(0)
  expect(left).toEqual([])
  // A message of the handshake takes the place of one that does not come.
  const peer = await prover()
  expect(left).toEqual(['greedy 1 503'])
  for (const path of [framesPath, answersPath]) {
    hold('greedy 1')
    expect((await peer.post(path)).status).toBe(200)
  }
  expect(left.some((who) => who.startsWith('quiet'))).toBe(false)
  clock.jump(strangerMsMax)
  await Promise.all(held)
})

test('a copied head takes no place of its session, whole or with another length', async () => {
  const { ask, half, prover } = scene()
  const peer = await prover()
  for (const path of [framesPath, answersPath]) {
    const body = peer.sealed(path, new Uint8Array(0))
    const head = body.slice(0, sealedLayout.bytes)
    expect((await ask(path, body)).status).toBe(200)
    const longer = head.slice()
    longer[24] = 100
    const later = head.slice()
    later[16] = 200
    for (const copy of [head, longer, later])
      for (let i = 0; i <= 2 * bodiesMax; i++) expect(await half(path, 'copies', copy).answer).toBe(401)
    expect((await peer.post(path)).status).toBe(200)
  }
})

const servers: HttpServer[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) await server.stop(100)
})

test('320 connections from five addresses that hold half a body shut nobody out', async () => {
  const clock = new VirtualClock()
  const { sessions, fetchOf } = mirrorEnd({ side: mirror, secret, clock })
  const door = fetchOf(taker)
  const server = startHttpServer({
    hostname: '127.0.0.1',
    port: 0,
    clock,
    mounts: [{ prefix: '/replica/', onlyPeers: true, fetch: async (request) => (await door(request))! }],
  })
  servers.push(server)
  const begin = () =>
    new Prover(askAt(server.url), { volume, primary }, (side) => ({
      keyKind: 'secret',
      key: keyOfPair('secret', encodeUtf8(secret), { primary, mirror: side }),
    })).begin()
  const before = await begin()
  for (const path of [introductionPath, framesPath]) {
    for (let i = 0; i < 320; i++) {
      const socket = connect({ port: server.port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (i % 5)}` })
      sockets.push(socket)
      socket.on('error', () => {})
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${binaryType}\r\nContent-Length: 72\r\n\r\nx`,
      )
    }
    expect(await comesTrue(() => server.requests() >= strangersMax)).toBe(true)
    for (const at of [framesPath, answersPath]) expect((await before.post(at)).status).toBe(200)
    expect((await (await begin()).post(answersPath)).status).toBe(200)
  }
  expect(sessions.size).toBe(3)
})
