/** TLS on the real door: what it serves, and another certificate while it serves. */
import { afterEach, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { systemClock } from '../../../src/lib/clock.ts'
import { systemRandom } from '../../../src/lib/random.ts'
import { type HttpServer, ListenError, startHttpServer } from '../../../src/routes/http/server.ts'
import { makeSelfSigned } from '../../../src/server/tls/self-signed.ts'

const servers: HttpServer[] = []
const sockets: TLSSocket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) await server.stop(100)
})

const make = () =>
  makeSelfSigned({ clock: systemClock, random: systemRandom, names: ['localhost', '127.0.0.1'], days: 2 })

function serve(
  tls: { cert: string; key: string },
  port = 0,
  answer: () => Promise<string> = async () => 'ok',
) {
  const mounts = [
    {
      prefix: '/',
      fetch: async (request: Request) => new Response(`${await answer()} ${server.clientOf(request)}`),
    },
  ]
  const server = startHttpServer({ hostname: '127.0.0.1', port, clock: systemClock, mounts, tls })
  servers.push(server)
  return server
}

async function handshake(port: number, options: Record<string, unknown> = {}): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  sockets.push(socket)
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  return socket
}
const serialOf = (socket: TLSSocket): string => socket.getPeerCertificate().serialNumber

test('https alone, with the certificate, from TLS 1.2 on', async () => {
  const pair = await make()
  const server = serve(pair)
  expect(server.url).toBe(`https://127.0.0.1:${server.port}`)
  const answer = await fetch(server.url, { tls: { ca: pair.cert } })
  expect(await answer.text()).toBe('ok 127.0.0.1')
  expect(fetch(server.url, { tls: { ca: (await make()).cert } })).rejects.toThrow()
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const socket = await handshake(server.port, { minVersion: version, maxVersion: version })
    expect(socket.getProtocol()).toBe(version)
  }
  expect(handshake(server.port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' })).rejects.toThrow()
  const plain = connect(server.port, '127.0.0.1')
  let said = ''
  plain.on('data', (bytes) => (said += bytes.toString()))
  plain.on('error', () => {})
  plain.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await new Promise((resolve) => plain.once('close', resolve))
  expect(said).not.toContain('HTTP/1.1 200')
})

test('another certificate while requests are in progress: none is lost, new connections get the new one', async () => {
  const [before, after] = [await make(), await make()]
  const gate = Promise.withResolvers<string>()
  const inside = Promise.withResolvers<void>()
  let waits = true
  const server = serve(before, 0, () => {
    if (!waits) return Promise.resolve('now')
    inside.resolve()
    return gate.promise
  })
  const old = await handshake(server.port)
  const slow = fetch(server.url, { tls: { ca: before.cert } })
  await inside.promise
  waits = false
  server.renew(after)
  const renewed = await handshake(server.port)
  expect(serialOf(renewed)).not.toBe(serialOf(old))
  expect(await (await fetch(server.url, { tls: { ca: after.cert } })).text()).toBe('now 127.0.0.1')
  expect(server.requests()).toBe(1)
  gate.resolve('late')
  // The request came through the listener before, and still has its client.
  expect(await (await slow).text()).toBe('late 127.0.0.1')
  for (let i = 0; i < 20; i++) expect(serialOf(await handshake(server.port))).toBe(serialOf(renewed))
})

test('a port that another one serves is refused, with TLS too', async () => {
  const pair = await make()
  const { port } = serve(pair)
  expect(() => serve(pair, port)).toThrow(ListenError)
})
