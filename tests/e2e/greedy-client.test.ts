/**
 * One client that takes all it can get, from an address of its own: what other clients, operators and the mirror need is
 * there all the same, and memory stays under its bound.
 */
import { afterEach, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { ServerProcess } from '../../tools/live/server-process.ts'
import { becomes, isFull, live, mebibytes, put, rssBytesMax, testMsMax } from './live.ts'

const { pair: startPair, server: startServer, folder } = live()
const greedyAddress = '127.0.0.2'
const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** A connection of the greedy client; `status` of the first answer, as soon as there is one. */
class Greedy {
  status = 0
  isOver = false
  readonly socket: Socket

  constructor(port: number, parts: readonly (string | Uint8Array)[], reads = true) {
    this.socket = connect({ port, host: '127.0.0.1', localAddress: greedyAddress })
    sockets.push(this.socket)
    this.socket.on('error', () => {})
    this.socket.on('close', () => (this.isOver = true))
    if (reads) {
      this.socket.on('data', (chunk: Uint8Array) => {
        const [, status] =
          /^HTTP\/1\.1 (\d{3})/.exec(Buffer.from(chunk.subarray(0, 16)).toString('latin1')) ?? []
        if (this.status === 0 && status !== undefined) this.status = Number(status)
      })
    }
    for (const part of parts) this.socket.write(part)
  }
}

const many = (count: number, make: (i: number) => Greedy): Greedy[] =>
  Array.from({ length: count }, (_, i) => make(i))
const countOf = (clients: readonly Greedy[], status: number) =>
  clients.filter((client) => client.status === status).length

async function refusedFor(server: ServerProcess, why: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  return Number(new RegExp(`^stillpoint_refused_total\\{why="${why}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
}

async function expectServed(server: ServerProcess): Promise<void> {
  for (const path of ['/healthz', '/readyz', '/metrics', '/v1/dirs'])
    expect((await fetch(server.url + path)).status).toBe(200)
}

/** Above what one client may have at once, 1,024. */
const requests = isFull ? 4200 : 1500
/** Of each more than the gates of bytes let in together. */
const transfers = isFull ? 400 : 120
const share = 1024

test(
  `${requests} half requests and ${requests} that wait: the others, health and the mirror go on`,
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    const half = (i: number) =>
      `PUT /v1/files/half${i} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc`
    const waits = 'GET /v1/stat?minCp=8000000000000000&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const halves = many(requests, (i) => new Greedy(primary.port, [half(i)]))
    const waiting = many(requests, () => new Greedy(mirror.port, [waits]))
    const undecided = (clients: readonly Greedy[]) =>
      clients.filter(({ status, isOver }) => status === 0 && !isOver).length
    const areDecided = async () =>
      undecided(halves) <= share &&
      undecided(waiting) <= share &&
      (await refusedFor(primary, 'requests-of-client')) > 0 &&
      (await refusedFor(mirror, 'waits-of-client')) > 0
    // A connection may be reset before its client has read the refusal, so the servers say whether a share was full.
    expect(await becomes(areDecided, 90_000)).toBeTrue()
    await expectServed(primary)
    await expectServed(mirror)
    expect((await put(primary.url, 'a', 'x', '?durability=mirrored&wait=60')).durability).toBe('mirrored')
    expect(await (await fetch(`${mirror.url}/v1/files/a`)).text()).toBe('x')
    for (const [server, clients, why] of [
      [primary, halves, 'requests-of-client'],
      [mirror, waiting, 'waits-of-client'],
    ] as const) {
      expect(await refusedFor(server, why)).toBeGreaterThanOrEqual(countOf(clients, 429))
    }
    // A client that leaves gives its share back.
    for (const { socket } of [...halves, ...waiting]) socket.destroy()
    const whole = 'PUT /v1/files/whole HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx'
    const now = 'GET /v1/stat?wait=1 HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const comesBack = async () => {
      const asks = [new Greedy(primary.port, [whole]), new Greedy(mirror.port, [now])]
      await becomes(async () => asks.every(({ status, isOver }) => isOver || status !== 0), 10_000)
      return asks.every(({ status }) => status === 200 || status === 201)
    }
    expect(await becomes(comesBack, 30_000)).toBeTrue()
  },
  testMsMax,
)

test(
  'large uploads: each ends, memory stays bounded, another client goes on',
  async () => {
    const server = await startServer({ verb: 'serve', data: join(folder(), 'primary') }).start()
    const bytes = Math.round(6.4 * 2 ** 20)
    const body = crypto.getRandomValues(new Uint8Array(65_536))
    const content = new Uint8Array(bytes)
    for (let at = 0; at < bytes; at += body.length)
      content.set(body.subarray(0, Math.min(body.length, bytes - at)), at)
    const head = (i: number) =>
      `PUT /v1/files/large${i} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes}\r\n\r\n`
    const clients = many(transfers, (i) => new Greedy(server.port, [head(i), content.subarray(0, bytes - 1)]))
    for (let i = 0; i < 20; i++) expect((await put(server.url, `other${i}`, content)).size).toBe(bytes)
    await expectServed(server)
    for (const { socket } of clients) socket.write(content.subarray(bytes - 1))
    const haveEnded = async () => clients.every(({ status, isOver }) => isOver || status !== 0)
    expect(await becomes(haveEnded, testMsMax)).toBeTrue()
    expect(countOf(clients, 201)).toBeGreaterThan(0)
    expect(await refusedFor(server, 'uploads-of-client')).toBeGreaterThanOrEqual(countOf(clients, 429))
    expect(mebibytes(server.peakBytes())).toBeLessThan(mebibytes(rssBytesMax))
  },
  testMsMax,
)

test(
  'stalled readers of a long file, and others of one that fits an answer: bounded, and another client reads on',
  async () => {
    const server = await startServer({ verb: 'serve', data: join(folder(), 'primary') }).start()
    const sizes = { long: 100 * 2 ** 20, short: 2 ** 20 }
    for (const [name, size] of Object.entries(sizes))
      await put(server.url, name, new Uint8Array(size).fill(7))
    const get = (name: string) => `GET /v1/files/${name} HTTP/1.1\r\nHost: localhost\r\n\r\n`
    for (const name of ['long', 'short']) {
      const clients = many(transfers, () => new Greedy(server.port, [get(name)], false))
      for (const { socket } of clients) socket.pause()
      await Promise.all(
        clients.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve))),
      )
      for (let i = 0; i < 3; i++) {
        const read = await fetch(`${server.url}/v1/files/long`)
        expect((await read.bytes()).length).toBe(sizes.long)
      }
      await expectServed(server)
    }
    expect(mebibytes(server.peakBytes())).toBeLessThan(mebibytes(rssBytesMax))
  },
  testMsMax,
)
