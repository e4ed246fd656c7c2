/** Streams: bounded memory, refusals before the body, and nothing left of what did not end. */
import { describe, expect, test } from 'bun:test'
import { recordBytesDefault } from '../../../src/format/geometry.ts'
import { orphanKey } from '../../../src/format/items/item-keys.ts'
import { Upload } from '../../../src/fs/write/upload.ts'
import { StillpointError } from '../../../src/lib/errors.ts'
import { valueOf } from '../fake-items.ts'
import { FakeVolume, bytesOf, chunked, codeOf, p, quickClock } from '../volume.ts'

const large = 10 * recordBytesDefault

/** Gives some chunks and then fails, as a cut connection does. */
async function* cutShort(chunks: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < chunks; i++) yield bytesOf(recordBytesDefault, i)
  throw new Error('the connection was cut')
}

async function outcome(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'ok',
    (error: unknown) => (error instanceof Error ? error.message : 'thrown'),
  )
}

describe('a body that ends too soon', () => {
  for (const chunks of [0, 1, 2, 7]) {
    test(`after ${chunks} records changes nothing and leaves nothing`, async () => {
      const volume = new FakeVolume()
      await volume.files.putFile(p('f'), bytesOf(100), {})
      const before = volume.engine.items.length
      expect(await outcome(volume.files.putFile(p('f'), cutShort(chunks), {}))).toMatch(/cut/)
      expect(await volume.read('f')).toEqual(bytesOf(100))
      expect(await volume.check()).toEqual([])
      expect(volume.engine.items.length).toBe(before)
      await volume.close()
    })
  }

  test('of a PATCH is the same', async () => {
    const volume = new FakeVolume()
    await volume.files.putFile(p('f'), bytesOf(100), {})
    expect(await outcome(volume.files.patchFile(p('f'), 50, cutShort(9)))).toMatch(/cut/)
    expect(await volume.read('f')).toEqual(bytesOf(100))
    expect(await volume.check()).toEqual([])
    await volume.close()
  })
})

test('a refusal does not wait for the body, and the name is checked again after it', async () => {
  const volume = new FakeVolume()
  await volume.files.putFile(p('f'), bytesOf(1), {})
  let pulled = 0
  const body = async function* () {
    for (let i = 0; i < 10; i++) {
      pulled++
      yield bytesOf(recordBytesDefault)
    }
  }
  expect(await codeOf(volume.files.putFile(p('f'), body(), {}, { ifNoneMatch: '*' }))).toBe(
    'precondition-failed',
  )
  expect(await codeOf(volume.files.putFile(p('f/g'), body(), {}))).toBe('not-a-directory')
  expect(await codeOf(volume.files.putFile(p(''), body(), {}))).toBe('is-a-directory')
  expect(pulled).toBe(0)

  const meanwhile = async function* () {
    yield* body()
    await volume.files.putFile(p('new'), bytesOf(2), {})
  }
  expect(await codeOf(volume.files.putFile(p('new'), meanwhile(), {}, { ifNoneMatch: '*' }))).toBe(
    'precondition-failed',
  )
  expect(await volume.read('new')).toEqual(bytesOf(2))
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('at most a few records of an upload are in memory', async () => {
  const volume = new FakeVolume({ cutPercent: 0 })
  let given = 0
  let most = 0
  const body = async function* () {
    for (let i = 0; i < 40; i++) {
      const stored = volume.engine.items.filter(({ key }) => key[0] === 2).length
      most = Math.max(most, given - stored)
      given++
      yield bytesOf(recordBytesDefault, i)
    }
  }
  await volume.files.putFile(p('f'), body(), {})
  expect(most).toBeLessThanOrEqual(5)
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('the reaper leaves a running upload alone, and takes one from before the open', async () => {
  const volume = new FakeVolume()
  const { promise, resolve } = Promise.withResolvers<void>()
  const body = async function* () {
    yield* chunked(bytesOf(large), recordBytesDefault)
    await promise
    yield bytesOf(10)
  }
  const put = volume.files.putFile(p('slow'), body(), {})
  for (let i = 0; i < 50; i++) await quickClock.yield()
  await volume.files.putFile(p('other'), bytesOf(large), {})
  await volume.files.deleteFile(p('other'))
  await volume.settle()
  resolve()
  await put
  expect((await volume.read('slow')).length).toBe(large + 10)
  expect(await volume.check()).toEqual([])

  const stuck = Promise.withResolvers<void>()
  const never = async function* () {
    yield* chunked(bytesOf(large), recordBytesDefault)
    await stuck.promise
  }
  const lost = volume.files.putFile(p('never'), never(), {})
  for (let i = 0; i < 50; i++) await quickClock.yield()
  await volume.engine.requestCp('requested')
  const upload = [...Array(20).keys()].find((id) => id > 0 && valueOf(volume.engine.items, orphanKey(id)))
  expect(upload).toBeGreaterThan(1)
  await volume.reopen()
  expect(await volume.check()).toEqual([])
  expect(await codeOf(volume.with((view) => view.stat(p('never'))))).toBe('not-found')
  stuck.resolve()
  await lost
  await volume.close()
})

test('a full disk refuses and leaves nothing prepared', async () => {
  const volume = new FakeVolume()
  await volume.files.putFile(p('f'), bytesOf(large), {})
  for (let at = 0; at < 14; at++) {
    let calls = 0
    volume.engine.failPrepare = () => (calls++ === at ? new StillpointError('disk-full', 'no space') : null)
    const codes = [
      await codeOf(volume.files.putFile(p('g'), bytesOf(large), { meta: { a: 'x'.repeat(1500) } })),
      ((calls = 0), await codeOf(volume.files.patchFile(p('f'), 1000, bytesOf(200_000)))),
      ((calls = 0), await codeOf(volume.files.patchFile(p('f'), 1000, chunked(bytesOf(400_000), 9999)))),
      ((calls = 0), await codeOf(volume.files.resizeFile(p('f'), large - 1 - at))),
      ((calls = 0),
      await codeOf(
        volume.files.batch([
          { op: 'put', path: p('h'), content: bytesOf(200_000) },
          { op: 'put', path: p('i'), content: bytesOf(1000) },
        ]),
      )),
    ]
    if (at === 0) expect([...new Set(codes)]).toEqual(['disk-full'])
    volume.engine.failPrepare = null
    expect(await volume.check()).toEqual([])
  }
  await volume.close()
})

test('records grow with the file', async () => {
  const volume = new FakeVolume({ cutPercent: 0, missPercent: 0 })
  const mebibyte = 2 ** 20
  const size = 40 * mebibyte
  await volume.files.putFile(p('f'), chunked(bytesOf(size), mebibyte), {})
  // 8 MiB in 64 KiB, 32 MiB in 256 KiB.
  expect(volume.engine.items.filter(({ key }) => key[0] === 2).length).toBe(128 + 128)
  await volume.files.putFile(p('g'), chunked(bytesOf(size), mebibyte), {}, { lengthHint: size })
  expect(volume.engine.items.filter(({ key }) => key[0] === 2).length).toBe(128 + 128 + 160)
  expect(Buffer.compare(await volume.read('g'), bytesOf(size))).toBe(0)
  await volume.close()
})

test('an upload is handed to the reaper only when all of its records are named', async () => {
  for (const fails of [false, true]) {
    const gate = Promise.withResolvers<void>()
    const buffers = { giveBack: () => {}, giveUp: () => {} }
    const abandoned: number[] = []
    const record = { offset: 0, length: 1, pointer: {} }
    const context = {
      buffers,
      reaper: { abandon: (id: number) => abandoned.push(id) },
      engine: {
        openStream: () => ({ add: () => gate.promise }),
        runHidden: () => Promise.resolve(7),
        prepare: () => Promise.resolve([record]),
      },
    }
    const upload = await Upload.begin(context as unknown as Parameters<typeof Upload.begin>[0])
    await upload.add(bytesOf(100_000), 0)
    const over = upload.abandon()
    for (let i = 0; i < 50; i++) await quickClock.yield()
    expect(abandoned).toEqual([])
    if (fails) gate.reject(new Error('no space'))
    else gate.resolve()
    await Promise.all([over, upload.abandon()])
    expect(abandoned).toEqual([7])
  }
})
