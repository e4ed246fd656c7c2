/** What is read at once is what would be read in time, wherever its records lie; and it is answered before it changes. */
import { expect, test } from 'bun:test'
import type { ReadyFile } from '../../../src/fs/contract.ts'
import { NewestFiles } from '../../../src/fs/read/instant-files.ts'
import { readyBytesMax } from '../../../src/fs/read/ready-file.ts'
import { readOpenTree, readPublished } from '../../../src/fs/read/read-view.ts'
import { rememberedBytesMax } from '../../../src/fs/read/file-cache.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { RealVolume } from '../real-volume.ts'
import { bytesOf, p } from '../volume.ts'

const sizes = [0, 1, 4096, rememberedBytesMax, rememberedBytesMax + 1, 65_536, 65_537, 400_000, 9_000_000]

test('parts of files of every size, with holes and odd ends, of the open tree and of a root', async () => {
  const volume = await RealVolume.create({ seed: 3 })
  const { files, engine } = volume
  const random = seededRandom(4)
  const contents = sizes.map((size, i) => bytesOf(size, i))
  for (const [i, bytes] of contents.entries()) await files.putFile(p(`f${i}`), bytes, {})
  // A hole, and records of other sizes.
  const sparse = new Uint8Array(700_000)
  sparse.set(bytesOf(100, 50), 0)
  sparse.set(bytesOf(5000, 51), 200_001)
  sparse.set(bytesOf(70_000, 52), 500_000)
  await files.putFile(p(`f${contents.length}`), sparse.slice(0, 100), {})
  await files.patchFile(p(`f${contents.length}`), 200_001, sparse.slice(200_001, 205_001))
  await files.patchFile(p(`f${contents.length}`), 500_000, sparse.slice(500_000, 570_000))
  await files.resizeFile(p(`f${contents.length}`), sparse.length)
  contents.push(sparse)

  const { newest } = files
  const compare = (where: 'queued' | 'published') => {
    const open = readOpenTree(engine)
    const root = readPublished(engine, engine.current())
    const ways: ((name: string) => ReadyFile | null)[] = [
      (name) => newest.open(name),
      (name) => open.openNow(p(name)),
    ]
    if (where === 'published') {
      ways.push((name) => root.openNow(p(name)))
      const ofRoot = new NewestFiles(engine.volume.newest)
      ways.push((name) => ofRoot.open(name))
    }
    for (const openNow of ways) {
      for (const [i, bytes] of contents.entries()) {
        const file = openNow(`f${i}`)!
        expect(file.stat.size).toBe(bytes.length)
        for (let round = 0; round < 40; round++) {
          const start = random.below(bytes.length + 1)
          const length = round === 0 ? readyBytesMax : 1 + random.below(readyBytesMax)
          const part = file.read(start, start + length)
          const expected = bytes.subarray(start, start + length)
          // Memory does not make anybody wait; only a body of 1 MiB records could.
          expect(part).not.toBeNull()
          expect(Buffer.compare(part!, expected)).toBe(0)
        }
        const whole = file.read(0, bytes.length)
        if (bytes.length > readyBytesMax) expect(whole).toBeNull()
        else expect(Buffer.compare(whole!, bytes)).toBe(0)
      }
    }
    open.release()
    root.release()
  }
  compare('queued')
  await engine.requestCp('requested')
  compare('published')
  expect(engine.volume.readers.count).toBe(0)
  await volume.close()
})

test('only small contents are remembered, of larger files what is said of them', async () => {
  const volume = await RealVolume.create({ seed: 5 })
  const { files } = volume
  const { newest } = files
  const costOf = async (size: number): Promise<number> => {
    const name = `f${size}`
    await files.putFile(p(name), bytesOf(size), {})
    const before = newest.bytes
    const first = newest.open(name)!
    first.made = size
    expect(first.read(0, 1)).toEqual(bytesOf(size).slice(0, 1))
    expect(newest.open(name)!.made).toBe(size)
    return newest.bytes - before
  }
  expect(await costOf(rememberedBytesMax)).toBeGreaterThan(rememberedBytesMax)
  for (const size of [rememberedBytesMax + 1, 65_536, 300_000]) expect(await costOf(size)).toBeLessThan(4096)
  await volume.close()
})

test('a Response copies what it is made of, so that the memory may be used again', async () => {
  for (const size of [1, 1000, 65_536, readyBytesMax]) {
    const bytes = bytesOf(size)
    const response = new Response(bytes.subarray(0) as Uint8Array<ArrayBuffer>)
    bytes.fill(0)
    expect(Buffer.compare(await response.bytes(), bytesOf(size))).toBe(0)
  }
})
