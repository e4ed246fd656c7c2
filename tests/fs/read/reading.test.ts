/** An open file keeps its content, whatever happens to its name; a root keeps its files. */
import { describe, expect, test } from 'bun:test'
import { bufferedBytesMax } from '../../../src/fs/contract.ts'
import { heldFilesMax } from '../../../src/fs/read/open-file.ts'
import { readPublished, readTree } from '../../../src/fs/read/read-view.ts'
import { RealVolume } from '../real-volume.ts'
import { FakeVolume, bytesOf, codeOf, p, readAll, streamAll } from '../volume.ts'

for (const [title, size] of [
  ['an empty', 0],
  ['a small', 1000],
  ['a middling', bufferedBytesMax],
  ['a large', 3 * bufferedBytesMax + 12_345],
] as const) {
  test(`${title} file stays as it was opened`, async () => {
    const volume = new FakeVolume({ retainedMax: 2 })
    await volume.files.putFile(p('f'), bytesOf(size), { meta: { a: 'b'.repeat(1000) } })
    const files = await volume.with((view) => Promise.all([view.open(p('f')), view.open(p('f'))]))
    await volume.files.patchFile(p('f'), Math.floor(size / 2), bytesOf(100, 2))
    await volume.files.deleteFile(p('f'))
    for (let i = 0; i < 5; i++) {
      await volume.files.putFile(p(`other${i}`), bytesOf(100_000), {})
      await volume.engine.requestCp('requested')
    }
    for (const file of files) {
      expect(file.stat).toMatchObject({ size, meta: { a: 'b'.repeat(1000) } })
      expect(Buffer.compare(await streamAll(file, 0, size), bytesOf(size))).toBe(0)
      const [start, end] = [Math.floor(size / 3), Math.floor(size / 3) + 5000]
      expect(await file.read(start, end)).toEqual(bytesOf(size).slice(start, end))
      expect((await file.read(size, size + 1)).length).toBe(0)
      file.close()
      file.close()
    }
    expect(await volume.check()).toEqual([])
    await volume.close()
  })
}

test('a range that begins in the midst of a block has its last bytes too, however often its records were cut', async () => {
  const volume = new FakeVolume({ cutPercent: 100, missPercent: 1 })
  const size = bufferedBytesMax + 3 * 4096
  await volume.files.putFile(p('f'), bytesOf(size), {})
  const file = await volume.with((view) => view.open(p('f')))
  for (const start of [0, 1, 100, 4095, 4096, 4097]) {
    const end = start + bufferedBytesMax
    expect(Buffer.compare(await file.read(start, end), bytesOf(size).subarray(start, end))).toBe(0)
    expect(Buffer.compare(await streamAll(file, start, end), bytesOf(size).subarray(start, end))).toBe(0)
  }
  file.close()
  await volume.close()
})

test('a stream that is given up leaves nothing open', async () => {
  const volume = new FakeVolume()
  await volume.files.putFile(p('f'), bytesOf(5_000_000), {})
  const file = await volume.with((view) => view.open(p('f')))
  const stream = file.stream(10, 4_999_999)
  expect((await stream.next())?.length).toBeGreaterThan(0)
  stream.readAhead()
  stream.close()
  file.close()
  expect(await volume.check()).toEqual([])
  await volume.close()
})

describe('a root', () => {
  test('is one consistency point for ever', async () => {
    const volume = new FakeVolume()
    await volume.files.putFile(p('d/a'), bytesOf(2_000_000), {})
    await volume.files.putFile(p('d/b'), bytesOf(10), {})
    const published = await volume.engine.requestCp('requested')
    const view = readTree(volume.engine, volume.engine.view(published))
    await volume.files.putFile(p('d/b'), bytesOf(20), {})
    await volume.files.move(p('d'), p('e'), { overwrite: false })
    await volume.files.deleteFile(p('e/a'))
    await volume.engine.requestCp('requested')
    expect(view.cp).toBe(published.root.cp)
    expect(Buffer.compare(await readAll(view, p('d/a')), bytesOf(2_000_000))).toBe(0)
    expect(await readAll(view, p('d/b'))).toEqual(bytesOf(10))
    expect(await codeOf(view.stat(p('e')))).toBe('not-found')
    const file = await view.open(p('d/b'))
    expect(file.cp).toBe(published.root.cp)
    view.release()
    view.release()
    expect(await file.read(0, 10)).toEqual(bytesOf(10))
    file.close()
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('that is not retained any more is read through the view that is still held', async () => {
    const volume = new FakeVolume({ retainedMax: 1 })
    await volume.files.putFile(p('f'), bytesOf(2_000_000), {})
    const published = await volume.engine.requestCp('requested')
    const view = readPublished(volume.engine, published)
    for (let i = 0; i < 3; i++) {
      await volume.files.putFile(p('f'), bytesOf(1_500_000, i), {})
      await volume.engine.requestCp('requested')
    }
    expect(Buffer.compare(await readAll(view, p('f')), bytesOf(2_000_000))).toBe(0)
    // Only a few at a time: as long as one is open nothing is released.
    const open = () => view.open(p('f'))
    const files = await Promise.all(Array.from({ length: heldFilesMax }, open))
    expect(await codeOf(open())).toBe('too-many-pins')
    files[0]!.close()
    files[0]!.close()
    const again = await open()
    expect(await codeOf(open())).toBe('too-many-pins')
    for (const file of [again, ...files]) file.close()
    expect(await codeOf(view.open(p('g')))).toBe('not-found')
    expect(Buffer.compare(await readAll(view, p('f')), bytesOf(2_000_000))).toBe(0)
    view.release()
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('is pinned before anything is waited for', async () => {
    const volume = await RealVolume.create({ seed: 2 })
    const { engine, files } = volume
    await files.putFile(p('f'), bytesOf(2_000_000), {})
    const published = await engine.requestCp('requested')
    const view = readPublished(engine, published)
    const opening = view.open(p('f'))
    expect(engine.volume.retention.reasonsOf(published)).toContain('pin')
    const file = await opening
    view.release()
    expect(engine.volume.readers.count).toBe(0)
    file.close()
    expect(engine.volume.retention.reasonsOf(published)).not.toContain('pin')
    await volume.close()
  })
})

test('errors of reading', async () => {
  const volume = new FakeVolume()
  await volume.files.putFile(p('d/f'), bytesOf(1), {})
  await volume.with(async (view) => {
    expect(await codeOf(view.open(p('d')))).toBe('is-a-directory')
    expect(await codeOf(view.open(p('')))).toBe('is-a-directory')
    expect(await codeOf(view.open(p('d/g')))).toBe('not-found')
    expect(await codeOf(view.open(p('x/y/z')))).toBe('not-found')
    expect(await codeOf(view.stat(p('d/f/g')))).toBe('not-a-directory')
    expect(await codeOf(view.list(p('d/f'), { after: null, limit: 1, recursive: false }))).toBe(
      'not-a-directory',
    )
    expect(await codeOf(view.list(p('x'), { after: null, limit: 1, recursive: false }))).toBe('not-found')
  })
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('a stream of a root that is cut ends with an error, and holds nothing', async () => {
  const volume = await RealVolume.create({ seed: 1 })
  const { engine, files } = volume
  await files.putFile(p('f'), bytesOf(5_000_000), {})
  const published = await engine.requestCp('requested')
  const view = readPublished(engine, published)
  const file = await view.open(p('f'))
  view.release()
  const stream = file.stream(0, 5_000_000)
  await stream.next()
  for (let i = 0; i < 3; i++) {
    await files.putFile(p('f'), bytesOf(100_000, i), {})
    await engine.requestCp('requested')
  }
  const codeOfRest = async () => {
    for (let part = await stream.next(); part; part = await stream.next())
      expect(part.length).toBeGreaterThan(0)
  }
  expect(engine.volume.cutOldestPins()).toBe(true)
  expect(await codeOf(codeOfRest())).toBe('cp-gone')
  file.close()
  expect(engine.volume.readers.count).toBe(0)
  expect(await volume.check()).toEqual([])
  await volume.close()
})
