/** Frames over real sockets on loopback: a primary and a mirror in one process, and requests that nobody should send. */
import { expect, test } from 'bun:test'
import { assert } from '../../../src/lib/assert.ts'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { formatUuid, seededRandom } from '../../../src/lib/random.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import type { WriteRun } from '../../../src/blockdev/block-device.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { createMirror } from '../../../src/cp-engine/create-volume.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { PatchWriter } from '../../../src/format/wire/patch-codec.ts'
import { decodeFrame, encodeFrame } from '../../../src/format/wire/frames.ts'
import { type Message, nowhere } from '../../../src/format/wire/messages.ts'
import { noUuid } from '../../../src/format/wire/messages.ts'
import { FrameStream } from '../../../src/replica/link/frame-stream.ts'
import { keyOfPair } from '../../../src/replica/link/peer-proof.ts'
import { bodiesMax, sessionsMax } from '../../../src/replica/link/peer-sessions.ts'
import { positionOf } from '../../../src/replica/link/positions.ts'
import { expectModel, smallGeometry } from '../../cp-engine/workload.ts'
import { Prover, askAt } from './peers.ts'
import { httpPair, sharedSecret, soon } from './http-pair.ts'

const secret = sharedSecret
const { ends, startMirror, newMirror, newPrimaryEnd } = httpPair()

test('a mirror follows over HTTP, waits are woken, and a restart of either end is caught up', async () => {
  const { mirrors, workload, cp } = await newPrimaryEnd()
  const mirror = await newMirror()
  await cp(50)
  const added = await mirrors.add(mirror.url)
  expect(added.reached).toBeTrue()
  for (let i = 0; i < 10; i++) expect(await mirrors.waitMirrored(await cp(10), 1, soon())).toBeTrue()
  expect(await mirrors.waitMirrored(1, 2, systemClock.monotonic() + 20)).toBeFalse()
  const [info] = await mirrors.list()
  expect(info).toMatchObject({ state: 'live', url: mirror.url, lagCps: 0, needs: null })

  await mirror.stop()
  const last = await cp(30)
  const port = Number(new URL(mirror.url).port)
  const { volume } = await startMirror(mirror.device, { port })
  expect(await mirrors.waitMirrored(last, 1, soon())).toBeTrue()
  const view = volume.view(volume.current())
  await expectModel(view, workload.sealed.get(volume.current().root.cp)!)
  view.release()
  expect((await checkVolume(mirror.device)).findings).toEqual([])
})

test('a mirror that cannot be reached is known, and can be removed', async () => {
  const { mirrors } = await newPrimaryEnd()
  const nobody = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: () => new Response('no', { status: 500 }),
  })
  ends.push(() => nobody.stop(true))
  const { reached, record } = await mirrors.add(`http://127.0.0.1:${nobody.port}`)
  expect(reached).toBeFalse()
  expect(await mirrors.list()).toMatchObject([{ id: record.id, state: 'away', cp: null }])
  expect(await mirrors.remove(record.id)).toBeTrue()
  expect(await mirrors.remove(record.id)).toBeFalse()
  expect(await mirrors.list()).toEqual([])
})

test('a mirror at two addresses is one member', async () => {
  const { mirrors, cp } = await newPrimaryEnd()
  const mirror = await newMirror()
  await mirrors.add(mirror.url)
  expect(await mirrors.waitMirrored(await cp(1), 1, soon())).toBeTrue()
  await mirrors.add(mirror.url.replace('127.0.0.1', 'localhost'))
  // Each hello ends the session of the other: which address stays is chance, that it is one member is not.
  const side = formatUuid(mirror.volume.superblock.sideUuid)
  expect((await mirrors.list()).filter(({ id }) => id === side)).toHaveLength(1)
  expect(await mirrors.waitMirrored(await cp(2), 2, systemClock.monotonic() + 200)).toBeFalse()
})

test('without the secret nothing is read', async () => {
  const mirror = await newMirror()
  const { mirrors, reasons } = await newPrimaryEnd({ secret: 'not this secret' })
  const { reached } = await mirrors.add(mirror.url)
  expect(reached).toBeFalse()
  expect(mirror.volume.superblock.volumeUuid.some((byte) => byte !== 0)).toBeFalse()
  expect(reasons).toEqual(['it does not know this primary, or has another key (401)'])
})

test('whatever is at an address where no mirror proves itself, one thing is said, and the log says more', async () => {
  const { mirrors, reasons } = await newPrimaryEnd()
  const servers = [
    () => new Response('', { status: 404 }),
    () => new Response('a page', { status: 200 }),
    () => new Response('', { status: 500 }),
    () => Response.redirect('http://127.0.0.1:9/'),
    () => new Response('', { status: 200 }),
  ].map((answer) => Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer }))
  await servers[4]!.stop(true)
  const urls = servers.map(({ port }) => `http://127.0.0.1:${port}`)
  const texts = new Set<string | null>()
  const add = async (url: string) => {
    const { reached, record } = await mirrors.add(url)
    expect([reached, record.state, record.cp, record.lastSeenMs]).toEqual([false, 'away', null, null])
    texts.add(record.needs)
  }
  await Promise.all([...urls, (await newMirror({ secret: 'another secret' })).url].map(add))
  for (const server of servers) await server.stop(true)
  expect([...texts]).toEqual(['the mirror does not answer as expected: the log of this primary says more'])
  expect(reasons).toContain('no mirror answers at this address (404)')
  expect(reasons).toContain('nobody listens at this address')
  expect(reasons).toContain('it does not know this primary, or has another key (401)')
})

test('requests that nobody should send get an answer, and change nothing', async () => {
  const mirror = await newMirror()
  const uuid = formatUuid(seededRandom(3).bytes(16))
  const peer = await new Prover(askAt(mirror.url), { volume: uuid, primary: uuid }, (side) => ({
    keyKind: 'secret',
    key: keyOfPair('secret', encodeUtf8(secret), { primary: uuid, mirror: side }),
  })).begin()
  const post = (body: Uint8Array) => peer.post('/replica/v1/frames', body)
  expect((await post(new Uint8Array(0))).status).toBe(200)
  const unknown = await askAt(mirror.url)('/replica/v1/other', new Uint8Array(0))
  expect([unknown.status, await unknown.json()]).toMatchObject([404, { code: 'not-found' }])
  const wrong = await fetch(`${mirror.url}/replica/v1/frames`)
  expect([wrong.status, wrong.headers.get('Allow')]).toEqual([405, 'POST'])
  expect(await wrong.json()).toMatchObject({ code: 'method-not-allowed' })
  expect((await fetch(`${mirror.url}/elsewhere`)).status).toBe(404)
  expect((await post(seededRandom(1).bytes(5000))).status).toBe(400)
  expect((await post(new Uint8Array(20 * 2 ** 20))).status).toBe(413)
  const head = {
    volume: uuid,
    session: uuid,
    epoch: { number: 0, id: new Uint8Array(8) },
    cp: 1,
    base: nowhere,
  }
  const frame = encodeFrame({ ...head, number: 0, kind: 'poll', remark: 'nothing' })
  for (let length = 1; length < frame.length; length += 13) {
    expect((await post(frame.slice(0, length))).status).toBe(400)
  }
  expect(mirror.applier.status().stage).toBe('idle')
})

class SlowDevice extends MemoryDevice {
  private slow: PromiseWithResolvers<void> | null = null

  override async write(runs: readonly WriteRun[]): Promise<void> {
    await this.slow?.promise
    await super.write(runs)
  }

  stop(): void {
    this.slow = Promise.withResolvers()
  }
  goOn(): void {
    this.slow?.resolve()
  }
}

test('short frames that make much fill the queue to its limit, whatever the number of requests', async () => {
  const device = new SlowDevice()
  await createMirror(device, { clock: systemClock, random: seededRandom(5), geometry: smallGeometry(32) })
  const { volume, applier, url } = await startMirror(device)
  const { mirrors, cp } = await newPrimaryEnd()
  await mirrors.add(url)
  expect(await mirrors.waitMirrored(await cp(10), 1, soon())).toBeTrue()
  mirrors.close()

  const { geometry, superblock } = volume
  const root = volume.current()
  const uuid = formatUuid(superblock.volumeUuid)
  const head = { volume: uuid, session: uuid, epoch: superblock.epoch, base: positionOf(root) }
  const peers = await Promise.all(
    Array.from({ length: sessionsMax }, () =>
      new Prover(askAt(url), { volume: uuid, primary: uuid }, (mirror) => ({
        keyKind: 'secret',
        key: keyOfPair('secret', encodeUtf8(secret), { primary: uuid, mirror }),
      })).begin(),
    ),
  )
  let posted = 0
  const post = async (body: Uint8Array): Promise<number> => {
    const response = await peers[posted++ % peers.length]!.post('/replica/v1/frames', body)
    await response.bytes()
    return response.status
  }
  const hello = { kind: 'hello', side: uuid, member: noUuid, geometry } as const
  const bytes = encodeFrame({ ...head, cp: 1, number: 0, ...hello })
  let answer: Message | null = null
  while (!answer) {
    // The request that the primary had waiting may take an answer with it: then the same hello is answered again.
    for (const received of new FrameStream().push(bytes)) await applier.receive(received)
    await systemClock.sleep(10)
    const [first] = applier.takeAnswers()
    answer = first ? decodeFrame(first) : null
  }
  assert(answer.kind === 'hello-answer', 'a hello is answered')
  const session = answer.opens
  // 4 MiB each. Without a checksum it is not known that they are there already.
  const writer = new PatchWriter(100)
  writer.zeros(256 * blockBytes)
  const address = geometry.logAddress + geometry.logBlocks
  const run = { address, blocks: 256, base: null, sum: null, patch: writer.finish()! }
  const runs = [run, run, run, run]
  const { cp: published } = root.root
  const body = { kind: 'patches', source: 'live', runs } as const
  const frame = encodeFrame({ ...head, session, cp: published + 1, number: 1, ...body })
  expect(frame.length).toBeLessThan(300)
  const received = () => applier.status().receivedBytes.get('live') ?? 0
  const [before, { refused }] = [received(), applier.status()]
  const taken = () => (received() - before) / frame.length
  device.stop()
  const count = sessionsMax * bodiesMax
  const requests = Array.from({ length: count }, () => post(frame))
  while (taken() < 8) await systemClock.sleep(1)
  // More would come at once.
  await systemClock.sleep(200)
  // 32 MiB, what is being written, and one.
  expect(taken()).toBeLessThan(12)
  device.goOn()
  for (const request of requests) expect(await request).toBe(200)
  expect(taken()).toBe(count)
  expect(applier.status().refused).toBe(refused)
})
