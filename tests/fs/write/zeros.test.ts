/** Zeros take no record: what is written as zeros, what becomes zeros, and what is nearly so. */
import { describe, expect, test } from 'bun:test'
import { zstd } from '../../../src/cp-engine/records/payloads.ts'
import { keyKinds } from '../../../src/format/items/item-keys.ts'
import type { ReadView } from '../../../src/fs/contract.ts'
import { RealVolume } from '../real-volume.ts'
import { FakeVolume, bytesOf, chunked, p, readAll } from '../volume.ts'
import { withZeros, zeroShapes } from '../zero-shapes.ts'

const mebibyte = 2 ** 20
const itemsOf = (volume: FakeVolume, kind: keyof typeof keyKinds) =>
  volume.engine.items.filter(({ key }) => key[0] === keyKinds[kind])

/** Everything that any way of reading gives. */
async function expectContent(volume: FakeVolume, path: string, expected: Uint8Array): Promise<void> {
  expect(Buffer.compare(await volume.read(path), expected)).toBe(0)
  await volume.with(async (view: ReadView) => {
    const now = view.openNow(p(path))
    const end = Math.min(expected.length, 100_000)
    const part = now?.read(0, end)
    if (part) expect(Buffer.compare(part, expected.subarray(0, end))).toBe(0)
    expect((await view.stat(p(path))).size).toBe(expected.length)
    if (expected.length > 60_000) return
    const { entries } = await view.list(p(''), {
      limit: 9,
      after: null,
      recursive: true,
      contentBytesMax: 60_000,
    })
    const { content } = entries.find((entry) => entry.path.join('/') === path)!
    if (content) expect(Buffer.compare(content, expected)).toBe(0)
  })
}

async function settled(volume: FakeVolume): Promise<void> {
  expect(await volume.check()).toEqual([])
  await volume.close()
}

describe('a file of zeros', () => {
  for (const length of [1, 4096, 65_536, 65_537, mebibyte, 9 * mebibyte + 5])
    for (const chunkBytes of [0, 100_000])
      test(`of ${length} bytes is its entry, ${chunkBytes ? 'in chunks' : 'at once'}`, async () => {
        const volume = new FakeVolume({ missPercent: 0 })
        const zeros = new Uint8Array(length)
        const body = () => (chunkBytes ? chunked(zeros, chunkBytes) : zeros)
        const first = await volume.files.putFile(p('f'), body(), {})
        expect(first.stat.size).toBe(length)
        await volume.settle()
        expect([itemsOf(volume, 'entry').length, volume.engine.items.length]).toEqual([1, 1])
        expect(volume.engine.space().used).toBe(0)
        await expectContent(volume, 'f', zeros)
        // Another content, so another version, and what was there before is gone.
        const { stat } = await volume.files.putFile(p('f'), bytesOf(length), {})
        expect(stat.etag).not.toBe(first.stat.etag)
        await volume.files.putFile(p('f'), body(), {})
        await expectContent(volume, 'f', zeros)
        await volume.reopen()
        await expectContent(volume, 'f', zeros)
        await volume.settle()
        expect(volume.engine.space().used).toBe(0)
        await settled(volume)
      })

  test('in a batch, and beside files that have content', async () => {
    const volume = new FakeVolume({ cutPercent: 60 })
    const put = (path: string, content: Uint8Array) => ({ op: 'put' as const, path: p(path), content })
    const contents = zeroShapes.map((shape, i) => withZeros(bytesOf(200_000 + i, i + 1), shape))
    await volume.files.batch(contents.map((content, i) => put(`d/${i}`, content)))
    for (const [i, content] of contents.entries()) await expectContent(volume, `d/${i}`, content)
    await volume.reopen()
    for (const [i, content] of contents.entries()) await expectContent(volume, `d/${i}`, content)
    await settled(volume)
  })

  test('of a gibibyte takes an item and no block, on the engine', async () => {
    const volume = await RealVolume.create({ seed: 5 })
    const before = volume.engine.space().used
    const zeros = new Uint8Array(mebibyte)
    await volume.files.putFile(
      p('f'),
      (async function* () {
        for (let i = 0; i < 1024; i++) yield zeros
      })(),
      {},
      { lengthHint: 2 ** 30 },
    )
    expect(await volume.check()).toEqual([])
    expect(volume.engine.space().used - before).toBeLessThan(16)
    const view = volume.files.view()
    const file = await view.open(p('f'))
    expect(file.stat.size).toBe(2 ** 30)
    expect(await file.read(2 ** 30 - 5, 2 ** 30)).toEqual(new Uint8Array(5))
    file.close()
    view.release()
    await volume.close()
  }, 30_000)
})

describe('what becomes zeros', () => {
  test('goes: a record of a large file, a range over several, all of them', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const volume = new FakeVolume({ seed, cutPercent: seed % 2 ? 0 : 50 })
      const expected = bytesOf(400_000, seed)
      await volume.files.putFile(p('f'), expected.slice(), {})
      const full = volume.engine.space().used
      for (const [at, length] of [
        [65_536, 65_536],
        [0, 65_536],
        [131_072, 400_000 - 131_072],
      ] as const) {
        const { stat } = await volume.files.patchFile(p('f'), at, new Uint8Array(length))
        expect(stat.size).toBe(400_000)
        expected.fill(0, at, at + length)
        await expectContent(volume, 'f', expected)
      }
      await volume.settle()
      expect(full).toBeGreaterThan(90)
      expect(volume.engine.space().used).toBe(0)
      expect(itemsOf(volume, 'record')).toEqual([])
      // It is a file like any other.
      await volume.files.patchFile(p('f'), 100_000, bytesOf(10, 3))
      expected.set(bytesOf(10, 3), 100_000)
      await expectContent(volume, 'f', expected)
      await volume.reopen()
      await expectContent(volume, 'f', expected)
      await settled(volume)
    }
  })

  test('but for one byte stays', async () => {
    for (const at of [0, 1, 32_767, 32_768, 65_534, 65_535]) {
      const volume = new FakeVolume({ cutPercent: 0 })
      const expected = bytesOf(200_000)
      await volume.files.putFile(p('f'), expected.slice(), {})
      const nearly = new Uint8Array(65_536)
      nearly[at] = 1
      await volume.files.patchFile(p('f'), 65_536, nearly)
      expected.set(nearly, 65_536)
      await expectContent(volume, 'f', expected)
      await volume.files.putFile(p('g'), nearly.slice(), {})
      await expectContent(volume, 'g', nearly)
      await settled(volume)
    }
  })

  test('the content of a small file, and zeros behind it', async () => {
    const volume = new FakeVolume()
    await volume.files.putFile(p('f'), bytesOf(5000), {})
    await volume.files.patchFile(p('f'), 300_000, new Uint8Array(100_000))
    const expected = new Uint8Array(400_000)
    expected.set(bytesOf(5000))
    await expectContent(volume, 'f', expected)
    expect(itemsOf(volume, 'object')).toEqual([])
    await volume.files.patchFile(p('f'), 0, new Uint8Array(5000))
    await expectContent(volume, 'f', new Uint8Array(400_000))
    await volume.settle()
    expect([volume.engine.space().used, volume.engine.items.length]).toEqual([0, 1])
    await volume.files.patchFile(p('f'), 'end', bytesOf(7))
    const longer = new Uint8Array(400_007)
    longer.set(bytesOf(7), 400_000)
    await expectContent(volume, 'f', longer)
    await settled(volume)
  })

  test('before the end that a truncation makes', async () => {
    // The cut record has content behind its cut alone; beside it nothing, a record at 0, and more.
    for (const kept of [
      [],
      [[0, 70]],
      [
        [0, 70],
        [70_000, 9],
      ],
    ] as const)
      for (const records of [1, 300]) {
        const volume = new FakeVolume({ cutPercent: 0 })
        const size = 131_072 + 65_536 * records
        const expected = new Uint8Array(size)
        for (const [at, length] of kept) expected.set(bytesOf(length, 4), at)
        expected.set(bytesOf(100, 5), 131_072 + 40_000)
        for (let i = 1; i < records; i++) expected[131_072 + 65_536 * i] = 1
        await volume.files.putFile(p('f'), chunked(expected, 65_536), {})
        await volume.files.resizeFile(p('f'), 131_072 + 20_000)
        await expectContent(volume, 'f', expected.slice(0, 131_072 + 20_000))
        await volume.settle()
        expect(itemsOf(volume, 'record').length).toBe(kept.length < 2 ? 0 : 2)
        await volume.files.resizeFile(p('f'), 250_000)
        const longer = new Uint8Array(250_000)
        longer.set(expected.slice(0, 131_072 + 20_000))
        await expectContent(volume, 'f', longer)
        await settled(volume)
      }
    const small = new FakeVolume()
    const bytes = new Uint8Array(9000)
    bytes[8000] = 1
    await small.files.putFile(p('f'), bytes, {})
    await small.files.resizeFile(p('f'), 7000)
    await expectContent(small, 'f', new Uint8Array(7000))
    expect(small.engine.space().used).toBe(0)
    await small.files.resizeFile(p('f'), 9000)
    await expectContent(small, 'f', new Uint8Array(9000))
    await settled(small)
  })
})

test('a large append with zeros in it is cut again for another place, and they do not move', async () => {
  for (const [i, shape] of zeroShapes.entries())
    for (const length of [300_001, 2_500_000]) {
      const volume = new FakeVolume({ seed: i + 1 })
      const expected = new Uint8Array(1000 + 77 + length)
      expected.set(bytesOf(1077))
      await volume.files.putFile(p('f'), expected.slice(0, 1000), {})
      const body = withZeros(bytesOf(length, i + 1), shape)
      expected.set(body, 1077)
      const { offset } = await volume.files.patchFile(
        p('f'),
        'end',
        (async function* () {
          yield* chunked(body.subarray(0, length - 9), 70_000)
          // The end is elsewhere now.
          await volume.files.patchFile(p('f'), 'end', expected.slice(1000, 1077))
          yield body.slice(length - 9)
        })(),
      )
      expect(offset).toBe(1077)
      await expectContent(volume, 'f', expected)
      await settled(volume)
    }
})

for (const [name, options] of Object.entries({
  xxh3: {},
  sha256: { recordChecksum: 'sha256' },
  zstd: { packing: zstd },
} as const))
  test(`zeros after a crash are zeros, with ${name}`, async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const volume = await RealVolume.create({ seed, ...options })
      const expected = zeroShapes.map((shape, i) => withZeros(bytesOf(300_000, i + 1), shape))
      for (const [i, content] of expected.entries())
        await volume.files.putFile(p(`${i}`), content.slice(), {})
      await volume.engine.requestCp('requested')
      const full = volume.engine.space().used
      for (const [i, content] of expected.entries()) {
        await volume.files.patchFile(p(`${i}`), 65_536, new Uint8Array(131_072))
        content.fill(0, 65_536, 196_608)
      }
      await volume.reopen()
      const view = volume.files.view()
      for (const [i, content] of expected.entries())
        expect(Buffer.compare(await readAll(view, p(`${i}`)), content)).toBe(0)
      view.release()
      expect(await volume.check()).toEqual([])
      expect(volume.engine.space().used).toBeLessThan(full)
      await volume.close()
    }
  }, 30_000)
