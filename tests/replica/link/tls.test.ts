/** A mirror behind TLS with a certificate that nobody vouches for but the key of the pair. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bindingOf, pinnedChannel } from '../../../src/replica/link/channel.ts'
import { answersPath, binaryType, framesPath, proofPath } from '../../../src/replica/link/replica-paths.ts'
import { type Tls, httpPair, soon } from './http-pair.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillpoint-tls-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
function openssl(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(['openssl', ...args], { cwd: folder })
  if (exitCode !== 0) throw new Error(stderr.toString())
}
function read(name: string, above = ''): Tls {
  const cert = readFileSync(join(folder, `${name}.pem`), 'utf8')
  const key = readFileSync(join(folder, `${name}.key`), 'utf8')
  return { cert: cert + above, key, binding: bindingOf(new X509Certificate(cert).raw) }
}
function selfSigned(name: string): Tls {
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
  )
  return read(name)
}
function issued(name: string, issuer: string): Tls {
  openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
  const by = ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial']
  openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.pem`, '-days', '2')
  return read(name, readFileSync(join(folder, `${issuer}.pem`), 'utf8'))
}

const { ends, newMirror, newPrimaryEnd } = httpPair()

/** Somebody with a certificate of their own who hands everything on to the mirror. */
function relay(tls: Tls, to: string | null, port = 0) {
  const heard: string[] = []
  const server = Bun.serve({
    port,
    hostname: '127.0.0.1',
    tls: { cert: tls.cert, key: tls.key },
    async fetch(request) {
      const { pathname } = new URL(request.url)
      heard.push(pathname)
      if (to === null) return new Response(null, { status: 503 })
      return fetch(to + pathname, {
        method: 'POST',
        body: await request.bytes(),
        headers: { 'content-type': binaryType },
        tls: { rejectUnauthorized: false },
      })
    },
  })
  ends.push(() => server.stop(true))
  return { url: `https://127.0.0.1:${server.port}`, heard }
}

describe.skipIf(Bun.which('openssl') === null)('with openssl', () => {
  test('is followed by its own certificate, and by one of an authority that only the two know', async () => {
    selfSigned('authority')
    for (const tls of [selfSigned('mirror'), issued('leaf', 'authority')]) {
      const mirror = await newMirror({ tls })
      const { mirrors, cp } = await newPrimaryEnd()
      expect((await mirrors.add(mirror.url)).reached).toBe(true)
      expect(await mirrors.waitMirrored(await cp(5), 1, soon())).toBe(true)
      mirrors.close()
    }
  })

  test('a listener in between, who hands everything on under another certificate, gets no session', async () => {
    const mirror = await newMirror({ tls: selfSigned('one') })
    const between = relay(selfSigned('two'), mirror.url)
    const { mirrors, reasons } = await newPrimaryEnd()
    expect((await mirrors.add(between.url)).reached).toBe(false)
    expect(between.heard).toContain(proofPath)
    expect(between.heard).not.toContain(framesPath)
    expect(between.heard).not.toContain(answersPath)
    expect(reasons).toEqual(['it does not know this primary, or has another key (401)'])
    expect(mirror.sessions.size).toBe(0)
    // Neither does one who offers the mirror no certificate at all.
    const plain = await newMirror({ seed: 7 })
    const toPlain = relay(selfSigned('three'), plain.url)
    expect((await mirrors.add(toPlain.url)).reached).toBe(false)
    expect(plain.sessions.size).toBe(0)
  })

  test('a pinned certificate is that one, and no other of the same authority', async () => {
    selfSigned('authority')
    for (const [first, second] of [
      [issued('leaf1', 'authority'), issued('leaf2', 'authority')],
      [selfSigned('self1'), selfSigned('self2')],
    ] as const) {
      const serve = (tls: Tls, port = 0) =>
        Bun.serve({
          port,
          hostname: '127.0.0.1',
          tls: { cert: tls.cert, key: tls.key },
          fetch: () => new Response('heard'),
        })
      const mirror = serve(first)
      const { port } = mirror
      const url = `https://127.0.0.1:${port}`
      const { binding, tls } = await pinnedChannel(url, new AbortController().signal)
      expect(binding).toEqual(first.binding)
      const ask = async () =>
        (await fetch(url, { method: 'POST', body: 'x', ...(tls ? { tls } : {}) })).text()
      expect(await ask()).toBe('heard')
      await mirror.stop(true)
      const other = serve(second, port)
      await expect(ask()).rejects.toThrow(/certificate/)
      await other.stop(true)
      const again = serve(first, port)
      expect(await ask()).toBe('heard')
      await again.stop(true)
    }
  })
})
