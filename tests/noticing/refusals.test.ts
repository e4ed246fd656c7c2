/**
 * After a refusal everything is where it was: turns, reservations, gates, pins, buffers, tables (`quiet.ts`), and as many
 * refusals as would fill every bound stop nobody who comes later.
 */
import { describe, expect, test } from 'bun:test'
import type { Body } from '../../src/fs/contract.ts'
import { fileBytesMax, patchBytesMax } from '../../src/fs/contract.ts'
import { keptCpsMax } from '../../src/fs/read/image-leases.ts'
import { StillpointError } from '../../src/lib/errors.ts'
import { bytesOf, chunked, codeOf, p } from '../fs/volume.ts'
import { RealVolume } from '../fs/real-volume.ts'
import { RealApp } from '../routes/real-app.ts'
import { comesTrue, expectQuiet, heldOf } from './quiet.ts'

const mebibyte = 2 ** 20
const body = bytesOf(700_000, 1)

/** Space ends at the so-many-th look at it, for whoever writes. */
function fullAfter({ engine }: RealVolume, looks: number): () => void {
  const space = engine['spaceWatch']
  const available = space.available.bind(space)
  const ensure = space.ensure.bind(space)
  let count = 0
  const isFull = () => count > looks
  space.available = (floor) => {
    if (floor === 'write') count++
    return floor === 'write' && isFull() ? 0 : available(floor)
  }
  space.ensure = async (blocks, floor) => {
    if (floor === 'write' && isFull()) throw new StillpointError('disk-full', 'the test has filled it')
    await ensure(blocks, floor)
  }
  return () => {
    space.available = available
    space.ensure = ensure
  }
}

async function* failing(bytes: Uint8Array, error: Error): AsyncGenerator<Uint8Array> {
  yield* chunked(bytes, 50_000)
  throw error
}

const cut = () => new StillpointError('bad-parameter', 'the body was cut short')
const declared = { lengthHint: body.length }
type Work = (volume: RealVolume, body: () => Body) => Promise<unknown>

/** Whatever takes bytes of a body. */
const writes: Readonly<Record<string, Work>> = {
  'a put': ({ files }, of) => files.putFile(p('f'), of(), {}),
  'a put of a declared length': ({ files }, of) => files.putFile(p('f'), of(), {}, declared),
  'a put with a large extra': ({ files }, of) =>
    files.putFile(p('f'), of(), { meta: { a: 'x'.repeat(1500) } }),
  'a patch': ({ files }, of) => files.patchFile(p('there'), 70_001, of()),
  'an append': ({ files }, of) => files.patchFile(p('there'), 'end', of()),
}
const bodies = {
  small: bytesOf(30_000, 2),
  'of some records': bytesOf(200_000, 3),
  large: body,
}

async function volumeWithFile(): Promise<RealVolume> {
  const volume = await RealVolume.create({ seed: 1 })
  await volume.files.putFile(p('there'), bytesOf(300_000, 9), {})
  await expectQuiet(() => volume.counts())
  return volume
}

/** Ends when what it waits for can only wait for ever: nothing else is under way. */
async function mustWork(volume: RealVolume): Promise<void> {
  let isDone = false
  const put = volume.files
    .putFile(p('after'), chunked(body, 50_000), {}, declared)
    .then(() => (isDone = true))
  expect(await comesTrue(() => isDone)).toBe(true)
  await put
  await expectQuiet(() => volume.counts())
}

describe('want of space', () => {
  for (const [name, write] of Object.entries(writes))
    test(`at any moment of ${name} leaves nothing behind`, async () => {
      const volume = await volumeWithFile()
      for (const [size, bytes] of Object.entries(bodies))
        for (let looks = 0; ; looks++) {
          const restore = fullAfter(volume, looks)
          const code = await codeOf(write(volume, () => chunked(bytes, 50_000)))
          restore()
          await expectQuiet(() => volume.counts())
          if (code === 'ok') break
          expect([name, size, looks, code]).toEqual([name, size, looks, 'disk-full'])
        }
      await mustWork(volume)
      expect(await volume.check()).toEqual([])
      await volume.close()
    }, 60_000)

  test('refuses more than everything that is bounded, and then the next upload goes on', async () => {
    const volume = await volumeWithFile()
    const restore = fullAfter(volume, 0)
    // More than the way to the device, what is prepared, and all buffers that rest have room for.
    for (let bytes = 0; bytes < 40 * mebibyte; bytes += 2 * body.length)
      for (const stream of [chunked(body, 50_000), body])
        expect(await codeOf(volume.files.putFile(p('f'), stream, {}, declared))).toBe('disk-full')
    restore()
    await mustWork(volume)
    await volume.close()
  }, 60_000)
})

test('a body that is cut anywhere leaves nothing behind', async () => {
  const volume = await volumeWithFile()
  for (const write of Object.values(writes))
    for (const length of [0, 1, 65_536, 65_537, 200_000, 262_144, 270_000, body.length]) {
      const code = await codeOf(write(volume, () => failing(body.subarray(0, length), cut())))
      expect(code).toBe('bad-parameter')
      await expectQuiet(() => volume.counts())
    }
  await mustWork(volume)
  expect(await volume.check()).toEqual([])
  await volume.close()
}, 60_000)

test('a condition that fails once the body has come, a place that is gone, and what is too large leave nothing behind', async () => {
  const volume = await volumeWithFile()
  const { files } = volume
  let round = 0
  for (const bytes of Object.values(bodies)) {
    const meanwhile = async function* () {
      yield* chunked(bytes, 50_000)
      await files.putFile(p(`new ${round}`), bytesOf(1), {})
    }
    const asked = [
      files.putFile(p(`new ${round}`), meanwhile(), {}, { ifNoneMatch: '*' }),
      files.putFile(p('there'), bytes, {}, { ifMatch: ['other'] }),
      files.putFile(p('there/below'), bytes, {}),
      files.patchFile(p('not there'), 0, chunked(bytes, 50_000)),
      files.patchFile(p('there'), 0, chunked(bytes, 50_000), { ifMatch: ['other'] }),
      files.patchFile(p('there'), fileBytesMax - 1, chunked(bytes, 50_000)),
      files.resizeFile(p('there'), fileBytesMax + 1),
      files.batch([
        { op: 'put', path: p('batched'), content: bytes },
        { op: 'delete', path: p('not there') },
      ]),
    ]
    const codes = await Promise.all(asked.map((each) => codeOf(each)))
    expect(codes).toEqual([
      'precondition-failed',
      'precondition-failed',
      'not-a-directory',
      'not-found',
      'precondition-failed',
      'too-large',
      'too-large',
      'not-found',
    ])
    await expectQuiet(() => volume.counts())
    round++
  }
  const endless = async function* () {
    for (let sent = 0; sent <= patchBytesMax; sent += mebibyte) yield new Uint8Array(mebibyte)
  }
  expect(await codeOf(files.patchFile(p('there'), 0, endless()))).toBe('too-large')
  await expectQuiet(() => volume.counts())
  await mustWork(volume)
  expect(await volume.check()).toEqual([])
  await volume.close()
}, 60_000)

test('a fenced engine refuses at any moment of an upload, and holds nothing for it', async () => {
  for (const write of Object.values(writes)) {
    const volume = await volumeWithFile()
    const fenced = async function* () {
      yield* chunked(body.subarray(0, 300_000), 50_000)
      await volume.engine.fence()
      yield* chunked(body.subarray(300_000), 50_000)
    }
    expect(await codeOf(write(volume, fenced))).toBe('fenced')
    expect(await codeOf(write(volume, () => bodies.small))).toBe('fenced')
    await expectQuiet(() => volume.counts())
    await volume.files.close()
  }
}, 60_000)

test('a poisoned engine holds back nobody: whoever waits is told', async () => {
  for (const write of Object.values(writes)) {
    const volume = await volumeWithFile()
    const poisoned = async function* () {
      yield* chunked(body.subarray(0, 300_000), 50_000)
      volume.engine.poison(new Error('the device is broken'))
      yield* chunked(body.subarray(300_000), 50_000)
    }
    const asked = [
      write(volume, poisoned),
      ...Array.from({ length: 5 }, () => write(volume, () => chunked(body, 9999))),
    ]
    expect((await Promise.all(asked.map((each) => codeOf(each))))[0]).toBe('poisoned')
    expect(await codeOf(write(volume, () => bodies.small))).toBe('poisoned')
    // What is queued stays as it is: nothing of this process is written any more.
    const isQueue = (name: string) => name.includes('record') || name.includes('what leaves')
    await expectQuiet(() =>
      Object.fromEntries(Object.entries(volume.counts()).filter(([name]) => !isQueue(name))),
    )
    await volume.files.close()
  }
}, 60_000)

test('more named consistency points, and more readers of what is gone, than are let in: the others are refused and keep nothing', async () => {
  const app = await RealApp.create()
  const put = (name: string) =>
    app.ask({
      method: 'PUT',
      path: `/v1/files/${name}`,
      body: bytesOf(1.5 * mebibyte, 1) as Uint8Array<ArrayBuffer>,
    })
  await put('f')
  const seen: number[] = []
  for (let i = 0; i < keptCpsMax + 3; i++) {
    await app.ask({ method: 'PUT', path: '/v1/files/g', body: String(i) })
    const { root } = await app.engine.requestCp('requested')
    const answer = await app.ask({ method: 'GET', path: `/v1/files/g?cp=${root.cp}` })
    seen.push(answer.status)
    await answer.body?.cancel()
    await app.quiet()
  }
  expect(seen).toEqual([...Array.from({ length: keptCpsMax }, () => 200), 503, 503, 503])
  for (const headers of [{ Range: 'bytes=9999999-' }, { 'If-Match': '"other"' }]) {
    const answer = await app.ask({ method: 'GET', path: '/v1/files/f', headers })
    expect([412, 416]).toContain(answer.status)
  }
  // What is attached to it lies in a record, so it cannot be refused before it is opened.
  const meta = { 'Stillpoint-Meta-A': 'x'.repeat(1500) }
  for (const size of [10, 1.5 * mebibyte]) {
    await app.ask({ method: 'PUT', path: '/v1/files/m', body: 'x'.repeat(size), headers: meta })
    for (const headers of [{ Range: 'bytes=9999999-' }, { 'If-Match': '"other"' }])
      expect([412, 416]).toContain((await app.ask({ method: 'GET', path: '/v1/files/m', headers })).status)
  }
  expect((await app.askWhenBusy({ method: 'PUT', path: '/v1/files/h', body: 'x' }, 0)).status).toBe(503)
  await app.quiet()
}, 60_000)

test('the helper sees what is held', async () => {
  const volume = await volumeWithFile()
  const records = await volume.engine.prepare(bytesOf(10_000))
  const pin = volume.engine.pin(volume.engine.current())
  const view = volume.files.view()
  const held = heldOf(volume.counts())
  for (const name of ['prepared records', 'bytes of prepared records', 'pins', 'readers'])
    expect(held).toHaveProperty([name])
  volume.engine.discard(records)
  expect(Object.keys(heldOf(volume.counts(), true))).toEqual([])
  pin.release()
  view.release()
  await expectQuiet(() => volume.counts())
  await volume.close()
})
