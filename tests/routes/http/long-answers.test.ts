/** Long answers over real sockets: to clients that stall, that leave, and when there is damage. */
import { afterEach, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { systemClock } from '../../../src/lib/clock.ts'
import { type HttpServer, startHttpServer } from '../../../src/routes/http/server.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { issue } from '../../access/issued.ts'
import { Harness } from '../harness.ts'

const servers: HttpServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(100)
})

/** More than the kernel takes for a client that reads nothing. */
const fileBytes = 24 * 2 ** 20

async function serve(body: Uint8Array) {
  const h = new Harness()
  const mounts = [{ prefix: '/', fetch: (request: Request) => h.primary.fetch(request) }]
  const server = startHttpServer({ hostname: '127.0.0.1', port: 0, mounts, clock: systemClock })
  servers.push(server)
  await fetch(`${server.url}/v1/files/a`, { method: 'PUT', body })
  return { h, server }
}

/** Reads the beginning of the answer and nothing more, until told to. */
async function stalled(server: HttpServer, header = '') {
  const socket = connect(server.port, '127.0.0.1')
  const parts: Buffer[] = []
  const ended = new Promise<void>((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  socket.write(`GET /v1/files/a HTTP/1.1\r\nHost: x\r\n${header}Connection: close\r\n\r\n`)
  await new Promise<void>((resolve) =>
    socket.once('data', (part: Buffer) => {
      socket.pause()
      parts.push(part)
      resolve()
    }),
  )
  await Bun.sleep(200)
  return {
    leave: () => socket.destroy(),
    async rest(): Promise<{ readonly body: Buffer; readonly isWhole: boolean }> {
      socket.on('data', (part: Buffer) => parts.push(part))
      socket.resume()
      await ended
      return unchunked(Buffer.concat(parts))
    },
  }
}

function unchunked(answer: Buffer): { readonly body: Buffer; readonly isWhole: boolean } {
  const parts: Buffer[] = []
  let at = answer.indexOf('\r\n\r\n') + 4
  for (;;) {
    const lineEnd = answer.indexOf('\r\n', at)
    const size = Number.parseInt(answer.toString('latin1', at, Math.max(at, lineEnd)), 16)
    if (!(size > 0)) return { body: Buffer.concat(parts), isWhole: size === 0 }
    parts.push(answer.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
}

test('a client that stalls gets every byte, though the buffers are used again', async () => {
  const content = seededRandom(1).bytes(fileBytes)
  const { h, server } = await serve(content)
  const { body, isWhole } = await (await stalled(server)).rest()
  expect(isWhole).toBe(true)
  expect(Buffer.compare(body, content)).toBe(0)
  expect(h.files.openFiles + h.files.openViews).toBe(0)
})

test('a client that leaves leaves nothing open', async () => {
  const { h, server } = await serve(new Uint8Array(fileBytes))
  const client = await stalled(server)
  expect(h.files.openFiles).toBe(1)
  client.leave()
  for (let i = 0; i < 100 && h.files.openFiles > 0; i++) await Bun.sleep(10)
  expect(h.files.openFiles + h.files.openViews).toBe(0)
})

test('damage in the middle cuts the connection', async () => {
  const { h, server } = await serve(new Uint8Array(fileBytes))
  h.files.corrupt = { path: 'a', from: fileBytes - 100_000 }
  const { body, isWhole } = await (await stalled(server)).rest()
  expect(isWhole).toBe(false)
  expect(body.length).toBeLessThan(fileBytes - 100_000 + 1)
  expect(h.files.openFiles + h.files.openViews).toBe(0)
})

describe('a long answer', () => {
  const mine = issue('reader', '', 1000)
  const rows: [string, boolean, (h: Harness) => void][] = [
    ['to a token that is revoked in the middle', false, (h) => h.known.replace([], true)],
    [
      'to a token that opens another folder from now on',
      false,
      (h) => h.known.replace([{ ...mine.token, prefix: 'b' }], true),
    ],
    ['to a token that expires in the middle', false, (h) => void (h.nowMs = 1000)],
    ['while another token goes', true, (h) => h.known.replace([mine.token], true)],
  ]
  test.each(rows)('%s: whole is %p', async (_, expected, meanwhile) => {
    const { h, server } = await serve(new Uint8Array(fileBytes))
    h.known.replace([mine.token], true)
    const client = await stalled(server, `Authorization: Bearer ${mine.text}\r\n`)
    meanwhile(h)
    const { body, isWhole } = await client.rest()
    expect(isWhole).toBe(expected)
    expect(body.length === fileBytes).toBe(expected)
    expect(h.files.openFiles + h.files.openViews).toBe(0)
  })
})
