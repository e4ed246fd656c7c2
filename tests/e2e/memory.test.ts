/**
 * Showcase 8: what passes through never stays. A large upload of known and of unknown length, readers that hardly read,
 * and uploads that stand still keep each server under its bound, and nobody else waits for them.
 */
import { expect, test } from 'bun:test'
import { closeSync, openSync, writeSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { run } from '../../tools/live/command.ts'
import type { Pair } from '../../tools/live/pair.ts'
import { becomes, isFull, live, mebibytes, put, rssBytesMax, testMsMax } from './live.ts'

const { pair: startPair } = live()
const gibibytes = isFull ? 4 : 1
const size = gibibytes * 2 ** 30

function expectSmall(pair: Pair): void {
  for (const server of [pair.primary, pair.mirror])
    expect(mebibytes(server.peakBytes())).toBeLessThan(mebibytes(rssBytesMax))
}

function writeLargeFile(path: string): string {
  const piece = crypto.getRandomValues(new Uint8Array(65_536))
  const block = new Uint8Array(2 ** 20)
  for (let at = 0; at < block.length; at += piece.length) block.set(piece, at)
  const hash = new Bun.CryptoHasher('sha256')
  const file = openSync(path, 'wx')
  for (let at = 0; at < size; at += block.length) {
    new DataView(block.buffer).setUint32(0, at / block.length)
    hash.update(block)
    for (let written = 0; written < block.length;) written += writeSync(file, block, written)
  }
  closeSync(file)
  return hash.digest('hex')
}

async function hashOf(url: string): Promise<string> {
  const response = await fetch(url, { timeout: false })
  if (!response.ok || !response.body) throw new Error(`${response.status} ${await response.text()}`)
  const hash = new Bun.CryptoHasher('sha256')
  const body: ReadableStream<Uint8Array> = response.body
  for await (const chunk of body) hash.update(chunk)
  return hash.digest('hex')
}

async function curl(...args: string[]): Promise<{ cp: number; size: number }> {
  const { code, out, err } = await run(['curl', '-sS', '-f', ...args], testMsMax)
  expect([code, err]).toEqual([0, ''])
  return JSON.parse(out) as { cp: number; size: number }
}

async function reaches(pair: Pair, cp: number): Promise<void> {
  const isThere = async () => {
    const response = await fetch(`${pair.mirror.url}/v1/stat?minCp=${cp}&wait=10`)
    await response.text()
    return response.ok
  }
  expect(await becomes(isThere, testMsMax)).toBeTrue()
}

test.skipIf(Bun.which('curl') === null)(
  `an upload of ${gibibytes} GiB with curl -T, and one of unknown length`,
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    const local = join(pair.folder, 'large')
    const expected = writeLargeFile(local)
    const known = await curl('-T', local, `${primary.url}/v1/files/known`)
    expect(known.size).toBe(size)
    await reaches(pair, known.cp)
    expect(await hashOf(`${mirror.url}/v1/files/known`)).toBe(expected)
    expectSmall(pair)
    if (!isFull) return
    const unknown = await curl(
      '-H',
      'Transfer-Encoding: chunked',
      '-T',
      local,
      `${primary.url}/v1/files/unknown`,
    )
    expect(unknown.size).toBe(size)
    await reaches(pair, unknown.cp)
    expect(await hashOf(`${primary.url}/v1/files/unknown`)).toBe(expected)
    expectSmall(pair)
  },
  testMsMax,
)

/** Sends a head and what else is given, and then reads nothing. */
function silentClient(port: number, ...parts: (string | Uint8Array)[]): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.pause()
  for (const part of parts) socket.write(part)
  return socket
}

test(
  'readers that hardly read and uploads that stand still cost little, and nobody waits for them',
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    const bytes = new Uint8Array(64 * 2 ** 20).fill(7)
    const { cp } = await put(primary.url, 'large', bytes)
    await reaches(pair, cp)
    const head = (method: string, path: string, more = '') =>
      `${method} /v1/files/${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
    const sockets: Socket[] = []
    try {
      for (const { port } of [primary, mirror])
        for (let i = 0; i < 16; i++) sockets.push(silentClient(port, head('GET', 'large')))
      for (let i = 0; i < 16; i++) {
        const [length, begun] = [`Content-Length: ${2 ** 30}\r\n`, bytes.subarray(0, 2 ** 20)]
        sockets.push(silentClient(primary.port, head('PUT', `stalled${i}`, length), begun))
        const chunk = ['Transfer-Encoding: chunked\r\n', '100000\r\n'] as const
        sockets.push(silentClient(primary.port, head('PUT', `chunked${i}`, chunk[0]), chunk[1], begun))
      }
      let slowest = 0
      for (let i = 0; i < (isFull ? 200 : 15); i++) {
        const began = performance.now()
        const written = await put(primary.url, `small/${i}`, `${i}`)
        const read = await fetch(`${mirror.url}/v1/files/small/${i}?minCp=${written.cp}&wait=20`)
        expect(await read.text()).toBe(`${i}`)
        slowest = Math.max(slowest, performance.now() - began)
        // Every reader takes a little now and then.
        for (const socket of sockets) socket.read(4096)
      }
      expect(slowest).toBeLessThan(10_000)
      const listing = await fetch(`${primary.url}/v1/dirs`)
      expect(
        ((await listing.json()) as { entries: { name: string }[] }).entries.map(({ name }) => name),
      ).toEqual(['large', 'small'])
      expectSmall(pair)
    } finally {
      for (const socket of sockets) socket.destroy()
    }
    // What they had begun is taken away again.
    expect(await primary.stop()).toBe(0)
  },
  testMsMax,
)
