/** What clients and time do to a server, in rounds that end as they began. */
import { expect } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { readConfiguration } from '../../src/server/configuration/configuration.ts'
import { startServer } from '../../src/server/start.ts'
import { valueHead } from '../../src/format/pointer.ts'
import { RecordedCps } from '../../src/server/catalog/cp-history.ts'
import { keyOf } from '../cp-engine/workload.ts'
import { Pair } from '../replica/pair.ts'

interface Scene {
  round(i: number): Promise<void>
  end(): Promise<void> | void
}

/** Requests of every kind to a primary and its mirror; names are new in each round, and go with it. */
export async function atTheDoor(): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'stillpoint-growth-'))
  const mirrorServer = await startOn('mirror', join(folder, 'mirror'))
  const primaryServer = await startOn('serve', join(folder, 'primary'), [mirrorServer.url])
  const { url: primary } = primaryServer
  const { url: mirror } = mirrorServer
  const ask = async (
    method: string,
    path: string,
    body: string | Uint8Array<ArrayBuffer> | null = null,
    headers: Record<string, string> = {},
  ): Promise<Response> => {
    const base = path.startsWith('mirror:') ? mirror + path.slice(7) : primary + path
    const answer = await fetch(base, { method, body, headers: { ...own, ...headers } })
    const bytes = await answer.arrayBuffer()
    return new Response(bytes.byteLength > 0 ? bytes : null, {
      status: answer.status,
      headers: answer.headers,
    })
  }
  const json = (path: string, value: unknown, headers = {}) =>
    ask('POST', path, JSON.stringify(value), { 'Content-Type': 'application/json', ...headers })
  const answers = async (status: number, asked: Promise<Response>): Promise<Response> => {
    const answer = await asked
    if (answer.status !== status) throw new Error(`${answer.status}: ${await answer.text()}`)
    return answer
  }
  const own: Record<string, string> = {}
  const first = await answers(201, json('/v1/tokens', { name: 'of the operator', role: 'admin' }))
  own['Authorization'] = `Bearer ${((await first.json()) as { token: string }).token}`
  const large = new Uint8Array(3_000_000).map((_, i) => i >> 8)
  await answers(201, ask('PUT', '/v1/files/kept?durability=mirrored', large))

  /** The client leaves in the middle. */
  const leaves = async (method: string, path: string): Promise<void> => {
    const control = new AbortController()
    let pieces = 0
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (pieces++ < 4) return controller.enqueue(large.subarray(0, 300_000))
        await new Promise((resolve) => setTimeout(resolve, 5))
        control.abort()
        controller.close()
      },
    })
    const sent = method === 'PUT' ? { body } : {}
    try {
      const answer = await fetch(primary + path, { method, headers: own, signal: control.signal, ...sent })
      await answer.body?.getReader().read()
      control.abort()
    } catch {
      // The abort.
    }
  }

  const round = async (i: number): Promise<void> => {
    const d = `round${i}`
    await answers(201, ask('PUT', `/v1/files/${d}/a?durability=mirrored`, 'x'))
    await answers(201, ask('PUT', `/v1/files/${d}/large`, large))
    await answers(200, ask('PATCH', `/v1/files/${d}/large?offset=100000`, large.subarray(0, 200_000)))
    await answers(200, ask('PUT', `/v1/files/${d}/a?durability=mirrored&wait=0`, 'y'))
    await answers(
      201,
      json('/v1/batch', { operations: [{ op: 'put', path: `${d}/b`, text: 'x' }] }).then(created),
    )
    await answers(200, json('/v1/move', { from: `${d}/b`, to: `${d}/c` }).then(okay))
    await answers(200, ask('GET', `/v1/files/${d}/large`))
    await answers(206, ask('GET', `/v1/files/kept`, null, { Range: 'bytes=1000-2000000' }))
    await answers(200, ask('GET', 'mirror:/v1/files/kept'))
    await waits()
    await listed(`/v1/dirs/${d}?limit=1`)
    await listed('mirror:/v1/dirs?recursive=true&limit=3')
    await answers(200, ask('GET', `/v1/stat/${d}/a`))
    const { cp } = (await (await ask('POST', '/v1/cps')).json()) as { cp: number }
    await answers(200, ask('GET', `/v1/cps/${cp}`))
    // An image that a client names stays for 30 seconds.
    if (i < 3) await answers(200, ask('GET', `/v1/stat/${d}/a?cp=${cp}`))
    await answers(200, ask('GET', '/v1/mirrors'))
    await answers(404, ask('GET', `/v1/files/${d}/none`))
    await answers(412, ask('PUT', `/v1/files/${d}/a`, 'z', { 'If-None-Match': '*' }))
    await answers(412, ask('PUT', `/v1/files/${d}/a`, large, { 'If-Match': '"none"' }))
    await leaves('PUT', `/v1/files/${d}/left`)
    await leaves('GET', '/v1/files/kept')
    await answers(200, ask('GET', '/metrics'))
    await answers(200, ask('GET', '/v1/status'))
    for (const url of [primary, mirror]) await follows(url)
    await answers(200, ask('GET', '/healthz'))
    await tokens(i)
    await answers(200, ask('DELETE', `/v1/dirs/${d}?recursive=true`).then(okay))
    await answers(200, ask('PUT', `/v1/files/kept?durability=committed`, large))
  }

  /** For a CP that does not come before the client leaves. */
  async function waits(): Promise<void> {
    const control = new AbortController()
    const asked = `${primary}/v1/stat/kept?wait=30&minCp=1000000`
    const left = fetch(asked, { headers: own, signal: control.signal }).catch(() => null)
    await answers(200, ask('GET', '/v1/stat/kept'))
    control.abort()
    await left
  }

  /** Hears a first piece, and leaves. */
  async function follows(url: string): Promise<void> {
    const control = new AbortController()
    const answer = await fetch(`${url}/v1/events`, { headers: own, signal: control.signal })
    await answer.body!.getReader().read()
    control.abort()
  }

  async function listed(path: string): Promise<void> {
    let next: string | null = null
    do {
      const at: string = next === null ? '' : `&cursor=${encodeURIComponent(next)}`
      const page = (await (await answers(200, ask('GET', path + at))).json()) as { next: string | null }
      next = page.next
    } while (next !== null)
  }

  async function tokens(i: number): Promise<void> {
    const made = await answers(201, json('/v1/tokens', { name: `of round ${i}`, role: 'admin' }))
    const { id, token } = (await made.json()) as { id: string; token: string }
    await answers(200, ask('GET', '/v1/whoami', null, { Authorization: `Bearer ${token}` }))
    await answers(401, ask('GET', '/v1/whoami', null, { Authorization: `Bearer ${token}x` }))
    await answers(200, ask('DELETE', `/v1/tokens/${id}`).then(okay))
  }

  return {
    round,
    async end() {
      await primaryServer.stop()
      await mirrorServer.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function startOn(verb: 'serve' | 'mirror', data: string, mirrors: readonly string[] = []) {
  const configuration = readConfiguration(verb === 'serve' ? 'primary' : 'mirror', {
    flags: {
      data,
      listen: '127.0.0.1:0',
      ...(verb === 'serve' ? { volumeBytesMax: '512MiB', logBytes: '8MiB', mirrors } : {}),
    },
    environment: {},
    file: undefined,
  })
  return startServer(verb, configuration, {
    clock: systemClock,
    random: systemRandom,
    acceptLoss: [],
    pair: false,
    wrongCredentials: { burst: 1000, perSecond: 1 },
  })
}

/** 201 and 204 count as what is asked for here. */
const created = (answer: Response): Response => (answer.ok ? new Response(null, { status: 201 }) : answer)
const okay = (answer: Response): Response => (answer.ok ? new Response(null, { status: 200 }) : answer)
/** A catalog that cannot be used: nothing but memory is left. */
const noCatalog = {
  onFresh: () => {},
  recordCp: () => {},
  listCps: () => Promise.resolve([]),
  getCp: () => Promise.resolve(null),
  newestAtOrBefore: () => Promise.resolve(null),
} as unknown as ConstructorParameters<typeof RecordedCps>[0]

/** Writes that wait, mirrors that are added, leave and break off, listeners and readers, on a clock of the test. */
export async function betweenTwo(): Promise<Scene> {
  const pair = await Pair.create({ seed: 3, mebibytes: 64 })
  const { engine, mirrors, clock } = pair
  const cps = new RecordedCps(noCatalog, engine, 'primary')
  await pair.join()
  const ends = async <T>(work: Promise<T>): Promise<T> => {
    const state = { isOver: false }
    const over = () => void (state.isOver = true)
    work.then(over, over)
    expect(await clock.until(() => state.isOver, 60_000)).toBe(true)
    return work
  }
  const put = async (n: number, bytes: number) => {
    const records = await engine.prepare(new Uint8Array(bytes).fill(1 + (n % 250)))
    return engine.run((tx) => tx.put(keyOf(n % 5), valueHead([tx.use(records[0]!)], 'xxh3')), { records })
  }
  const round = async (i: number): Promise<void> => {
    const { cp } = await put(i, 5000)
    await put(i + 1, 60_000)
    engine.discard(await engine.prepare(new Uint8Array(50_000).fill(1), 'write', { leavesEarly: true }))
    const pin = engine.pin(engine.current())
    const view = engine.openView()
    // Some hear that the mirror has the CP; others give up, and ask for more mirrors than there are.
    const waits = [1, 1, 2, 3].map((count) => mirrors.waitMirrored(cp, count, clock.monotonic() + 200))
    const flushes = [
      mirrors.flush(cp, clock.monotonic() + 200),
      mirrors.flush(cp + 1000, clock.monotonic() + 5),
    ]
    await engine.requestCp('requested')
    await ends(Promise.all([...waits, ...flushes]))
    await ends(mirrors.list())
    const stops = [
      engine.onPublished(() => {}),
      pair.mirrorVolume.onPublished(() => {}),
      pair.applier.onAnswer(() => {}),
      engine.observe({ sealed: () => {}, leaving: () => false, published: () => {} }),
    ]
    await put(i + 2, 300)
    const stream = engine.openStream()
    const records = await engine.prepare(new Uint8Array(70_000).fill(2), 'write', { leavesEarly: true })
    const key = keyOf(7)
    await stream.add((tx) => tx.put(key, valueHead([tx.use(records[0]!)], 'xxh3')), records)
    await engine.run((tx) => tx.delete(keyOf(7)), { stream })
    for (const stop of stops) stop()
    view.release()
    pin.release()
    const lost = await cps.list(10, null)
    expect(lost.length).toBeGreaterThan(0)
    if (i % 4 === 0) {
      pair.network.cutAll()
      await engine.requestCp('requested')
    }
    if (i % 4 === 1) {
      // This one is never reached, and never proves itself.
      const mirror = pair.network.mirror
      pair.network.attach(null)
      const { record } = await ends(mirrors.add(`http://mirror${i}`))
      await engine.requestCp('requested')
      expect(await ends(mirrors.remove(record.id))).toBe(true)
      pair.network.attach(mirror)
    }
    if (i % 8 === 7) {
      const [known] = await ends(mirrors.list())
      expect(await ends(mirrors.remove(known!.id))).toBe(true)
      await pair.join()
    }
    await engine.requestCp('requested')
    expect(await clock.until(() => pair.isEqual, 60_000)).toBe(true)
    await clock.advance(300)
  }
  return {
    round,
    end() {
      cps.close()
      mirrors.close()
    },
  }
}
