/** The processes themselves: how they start, share, refuse, stop and end. */
import { expect, test } from 'bun:test'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { checkVolume, queryCatalog, runProgram } from '../../tools/live/command.ts'
import { cleanEnvironment, project, type ServerProcess } from '../../tools/live/server-process.ts'
import { becomes, live, put, settle, testMsMax } from './live.ts'

const { pair: startPair, server, folder } = live()
const oneLine = /^stillpoint: [^\n]+\n$/

test(
  'SIGTERM ends both with 0 after a last CP, and they go on where they were, at the same ports',
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    const written = await put(primary.url, 'a/b', 'first', '?durability=buffered')
    const ports = [primary.port, mirror.port]
    expect(await primary.stop()).toBe(0)
    // The primary waited until the mirror had its last CP.
    expect(await (await fetch(`${mirror.url}/v1/files/a/b?minCp=${written.cp}`)).text()).toBe('first')
    expect(await mirror.stop()).toBe(0)
    await checkVolume(primary.data)
    await checkVolume(mirror.data)

    await mirror.start()
    await primary.start()
    expect([primary.port, mirror.port]).toEqual(ports)
    expect(primary.cp).toBeGreaterThanOrEqual(written.cp)
    expect(mirror.cp).toBe(primary.cp)
    expect(await (await fetch(`${primary.url}/v1/files/a/b`)).text()).toBe('first')
    const again = await put(primary.url, 'a/b', 'second', '?durability=mirrored&wait=30')
    expect(again.durability).toBe('mirrored')
    expect(again.cp).toBeGreaterThan(primary.cp)
    expect(await (await fetch(`${mirror.url}/v1/files/a/b`)).text()).toBe('second')
    expect(primary.log).not.toContain('recovered')
  },
  testMsMax,
)

test(
  'SIGTERM while clients wait for a mirror that does not answer: they hear what was reached, and it ends soon',
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    await settle(pair)
    mirror.signal('SIGSTOP')
    const waiting = [1, 2, 3].map((i) => put(primary.url, `w${i}`, 'x', '?durability=mirrored&wait=60'))
    let answered = 0
    const count = () => answered++
    for (const answer of waiting) answer.then(count, count)
    const isThere = async () => (await fetch(`${primary.url}/v1/stat/w3`)).ok
    expect(await becomes(isThere, 10_000)).toBeTrue()
    await Bun.sleep(200)
    expect(answered).toBe(0)

    const began = performance.now()
    const stopped = primary.stop()
    for (const { durability } of await Promise.all(waiting)) expect(durability).toBe('committed')
    expect(performance.now() - began).toBeLessThan(20_000)
    expect(await stopped).toBe(0)
    expect(performance.now() - began).toBeLessThan(30_000)
    await primary.start()
    expect(await (await fetch(`${primary.url}/v1/files/w1`)).text()).toBe('x')
  },
  testMsMax,
)

test(
  'SIGINT in the middle of requests: what was answered is there, the rest is refused or cut',
  async () => {
    const pair = await startPair()
    const { primary } = pair
    const answered = new Map<string, string>()
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let i = 0; ; i++) {
        const path = `c${client}/f${i % 20}`
        const text = `${client} ${i} ${'x'.repeat(i * 37)}`
        try {
          await put(primary.url, path, text, '?durability=buffered')
          answered.set(path, text)
        } catch {
          // The last one may or may not have happened.
          answered.delete(path)
          return
        }
      }
    })
    expect(await becomes(() => Promise.resolve(answered.size > 20), 10_000)).toBeTrue()
    primary.signal('SIGINT')
    await Promise.all(clients)
    expect(await primary.ended()).toEqual({ code: 0, signal: null })
    await primary.start()
    for (const [path, text] of answered)
      expect(await (await fetch(`${primary.url}/v1/files/${path}`)).text()).toBe(text)
  },
  testMsMax,
)

test(
  'a taken port, a served volume, a volume of the other role: one sentence, and nothing else happens',
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    const args = (verb: string, data: string, port: number) => [
      verb,
      '--data',
      data,
      '--listen',
      `127.0.0.1:${port}`,
    ]
    const refusals = [
      [args('serve', join(pair.folder, 'other'), primary.port), 'taken'],
      [args('serve', primary.data, 0), 'served'],
      [args('mirror', mirror.data, 0), 'served'],
      [['check', primary.data], 'served'],
    ] as const
    for (const [inputs] of refusals) {
      const { code, out, err } = await runProgram([...inputs])
      expect([code === 0, out]).toEqual([false, ''])
      expect(err).toMatch(oneLine)
    }
    await put(primary.url, 'still', 'here', '?durability=mirrored&wait=30')
    expect(await primary.stop()).toBe(0)
    const { code, err } = await runProgram(args('mirror', primary.data, 0))
    expect(code).not.toBe(0)
    expect(err).toMatch(oneLine)
    await primary.start()
    expect(await (await fetch(`${primary.url}/v1/files/still`)).text()).toBe('here')
  },
  testMsMax,
)

/** The process may not write behind the first 38 MiB of a file: the log is there, what a CP writes is not. */
const limited = ['bash', '-c', 'trap "" XFSZ; ulimit -f 38912; exec "$@"', 'limited']

async function gone(process: ServerProcess): Promise<number | null> {
  return (await process.ended(20_000))?.code ?? null
}

test(
  'a device that fails: no acknowledgement any more, exit 70, and nothing acknowledged before is lost',
  async () => {
    const data = join(folder(), 'volume')
    const whole = server({ verb: 'serve', data })
    await whole.start()
    // Takes the space that can still be written.
    await put(whole.url, 'large', new Uint8Array(8 * 2 ** 20).fill(1), '?durability=committed')
    expect(await whole.stop()).toBe(0)

    const broken = server({ verb: 'serve', data, wrapper: limited, flags: ['--cp-interval-ms', '500'] })
    await broken.start()
    const acknowledged: string[] = []
    for (let i = 0; ; i++) {
      try {
        await put(broken.url, `f${i}`, `text ${i}`, i % 5 === 4 ? '?durability=committed' : '')
        acknowledged.push(`f${i}`)
      } catch {
        break
      }
    }
    expect(await gone(broken)).toBe(70)
    expect(broken.log).toContain('a write to the device failed')
    await checkVolume(data)

    const again = await server({ verb: 'serve', data }).start()
    for (const path of acknowledged)
      expect(await (await fetch(`${again.url}/v1/files/${path}`)).text()).toBe(`text ${path.slice(1)}`)
    expect(await again.stop()).toBe(0)
    await checkVolume(data)
  },
  testMsMax,
)

async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const probe = createServer()
  probe.once('error', reject)
  probe.listen(0, '127.0.0.1', () => {
    const address = probe.address()
    probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
  })
  return promise
}

test.skipIf(Bun.which('node') === null)(
  'npm start: a primary and its mirror, what it prints works, and Ctrl-C stops both',
  async () => {
    const [port, mirrorPort] = [await freePort(), await freePort()]
    const script = join(project, 'scripts/start.mjs')
    const data = folder()
    const start = Bun.spawn(
      ['node', script, '--port', `${port}`, '--mirror-port', `${mirrorPort}`, '--data', data],
      { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore', env: cleanEnvironment() },
    )
    try {
      const urls = { primary: `http://127.0.0.1:${port}`, mirror: `http://127.0.0.1:${mirrorPort}` }
      const isReady = async () => {
        try {
          const answers = Object.values(urls).map(async (url) => fetch(`${url}/readyz`))
          return (await Promise.all(answers)).every(({ ok }) => ok)
        } catch {
          return false
        }
      }
      expect(await becomes(isReady, 60_000)).toBeTrue()
      const { cp } = await put(urls.primary, 'a', 'b')
      const read = await fetch(`${urls.mirror}/v1/files/a?minCp=${cp}&wait=30`)
      expect(await read.text()).toBe('b')
      start.kill('SIGINT')
      expect(await start.exited).toBe(0)
      const printed = await start.stdout.text()
      expect(printed).toContain(urls.primary)
      expect(printed).toContain(urls.mirror)
      for (const url of Object.values(urls)) await expect(fetch(`${url}/healthz`)).rejects.toThrow()
      await checkVolume(join(data, 'primary'))
      await checkVolume(join(data, 'mirror'))
    } finally {
      start.kill('SIGKILL')
      await start.exited
    }
  },
  testMsMax,
)

async function transferred(data: string): Promise<{ copies: number; bytes: number }> {
  const query = "select sum(kind = 'first-copy') as copies, sum(bytes) as bytes from transfers"
  const [row] = await queryCatalog(data, query)
  return { copies: Number(row?.['copies']), bytes: Number(row?.['bytes']) }
}

test(
  'a mirror that was away gets what it missed, and not everything again',
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    await put(primary.url, 'large', crypto.getRandomValues(new Uint8Array(65_536)), '')
    for (let i = 0; i < 40; i++)
      await put(primary.url, `files/f${i}`, new Uint8Array(300_000).fill(i), '?durability=buffered')
    await settle(pair)
    const before = await transferred(primary.data)
    await mirror.kill()
    for (let i = 0; i < 5; i++) await put(primary.url, `files/f${i}`, `changed ${i}`, '?durability=committed')
    await mirror.start()
    await settle(pair)
    expect(await (await fetch(`${mirror.url}/v1/files/files/f3`)).text()).toBe('changed 3')
    const { items } = (await (await fetch(`${primary.url}/v1/mirrors`)).json()) as {
      items: { state: string; lagCps: number }[]
    }
    expect(items).toMatchObject([{ state: 'live', lagCps: 0 }])
    const after = await transferred(primary.data)
    expect([before.copies, after.copies]).toEqual([1, 1])
    // Five small files and the nodes above them, not twelve megabytes.
    expect(after.bytes - before.bytes).toBeLessThan(2 ** 20)
  },
  testMsMax,
)
