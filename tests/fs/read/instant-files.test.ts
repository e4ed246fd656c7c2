/** What is remembered of small files serves the very entry that it was read for, and stays within its bytes. */
import { expect, test } from 'bun:test'
import type { NewestView } from '../../../src/cp-engine/contract.ts'
import type { ReadyFile } from '../../../src/fs/contract.ts'
import { NewestFiles } from '../../../src/fs/read/instant-files.ts'
import { FakeVolume, bytesOf, p } from '../volume.ts'

async function filesOf(contents: readonly Uint8Array[]): Promise<FakeVolume> {
  const volume = new FakeVolume()
  for (const [i, bytes] of contents.entries()) await volume.files.putFile(p(`f${i}`), bytes, {})
  return volume
}

/** The fake engine misses now and then. */
function atLast<T extends {}>(look: () => T | null | undefined): T {
  for (let i = 0; i < 100; i++) {
    const seen = look()
    if (seen) return seen
  }
  throw new Error('it is never read at once')
}

const open = (newest: NewestFiles, path: string): ReadyFile => atLast(() => newest.open(path))

function read(newest: NewestFiles, path: string): { readonly file: ReadyFile; readonly bytes: Uint8Array } {
  return atLast(() => {
    const file = newest.open(path)
    const bytes = file?.read(0, file.stat.size)
    return file && bytes && { file, bytes }
  })
}

/** The same image, and how often it was looked at. */
function counted(image: NewestView): { readonly image: NewestView; readonly looks: () => number } {
  let looks = 0
  const counting: NewestView = {
    get cp() {
      return image.cp
    },
    get changes() {
      return image.changes
    },
    sums: image.sums,
    readNow(look) {
      looks++
      return image.readNow(look)
    },
    recordNow: (pointer) => image.recordNow(pointer),
    recordPartNow: (pointer, start, end, target) => image.recordPartNow(pointer, start, end, target),
  }
  return { image: counting, looks: () => looks }
}

test('an entry that has changed is read again; one that has not gives the same bytes and what was made', async () => {
  const volume = await filesOf([bytesOf(4000, 1)])
  const newest = new NewestFiles(volume.engine.newest)
  const first = read(newest, 'f0')
  expect(first.bytes).toEqual(bytesOf(4000, 1))
  first.file.made = 'something'
  // Another change is no change of this one.
  await volume.files.putFile(p('other'), bytesOf(10), {})
  const again = read(newest, 'f0')
  expect(again.bytes).toBe(first.bytes)
  expect(again.file.made).toBe('something')

  await volume.files.putFile(p('f0'), bytesOf(4000, 2), {})
  const changed = read(newest, 'f0')
  expect(changed.bytes).toEqual(bytesOf(4000, 2))
  expect(changed.file.made).toBeNull()

  await volume.files.move(p('f0'), p('g'), { overwrite: false })
  expect(read(newest, 'g').bytes).toEqual(bytesOf(4000, 2))
  expect(() => read(newest, 'f0')).toThrow(/nothing at/)
  await volume.files.move(p('g'), p('f0'), { overwrite: false })
  expect(read(newest, 'f0').bytes).toEqual(bytesOf(4000, 2))
  await volume.files.deleteFile(p('f0'))
  expect(() => read(newest, 'f0')).toThrow(/nothing at/)
  await volume.files.close()
})

test('a directory on the way that has moved or gone takes its files along', async () => {
  const volume = await filesOf([])
  const { files } = volume
  const { newest } = files
  await files.putFile(p('a/b/f'), bytesOf(100, 1), {})
  expect(read(newest, 'a/b/f').bytes).toEqual(bytesOf(100, 1))
  await files.move(p('a'), p('c'), { overwrite: false })
  expect(() => read(newest, 'a/b/f')).toThrow(/nothing at/)
  await files.putFile(p('a/b/f'), bytesOf(100, 2), {})
  expect(read(newest, 'a/b/f').bytes).toEqual(bytesOf(100, 2))
  expect(read(newest, 'c/b/f').bytes).toEqual(bytesOf(100, 1))
  await files.deleteDirectory(p('a'), { recursive: true })
  expect(() => read(newest, 'a/b/f')).toThrow(/nothing at/)
  await files.putFile(p('a'), bytesOf(5), {})
  expect(() => read(newest, 'a/b/f')).toThrow(/not a directory/)
  await files.close()
})

test('the tree is looked at once after each change of anything, and not between', async () => {
  const volume = await filesOf([bytesOf(100), bytesOf(100)])
  const { image, looks } = counted(volume.engine.newest)
  const newest = new NewestFiles(image)
  read(newest, 'f0')
  read(newest, 'f1')
  let before = looks()
  for (let i = 0; i < 5; i++) expect(read(newest, `f${i % 2}`).bytes).toEqual(bytesOf(100))
  expect(looks()).toBe(before)
  await volume.files.putFile(p('f1'), bytesOf(200), {})
  read(newest, 'f0')
  expect(looks()).toBeGreaterThan(before)
  before = looks()
  read(newest, 'f0')
  expect(looks()).toBe(before)
  expect(read(newest, 'f1').bytes).toEqual(bytesOf(200))
  await volume.files.close()
})

test('a path is what the strict parser makes of it, however it is written', async () => {
  const volume = await filesOf([bytesOf(100)])
  const newest = new NewestFiles(volume.engine.newest)
  expect(read(newest, '%660').bytes).toEqual(read(newest, 'f0').bytes)
  for (const bad of ['f0/', '/f0', 'f0//g', '%2e', 'f0%2F', '%zz', '%00', '%ff'])
    for (let i = 0; i < 2; i++) expect(() => newest.open(bad)).toThrow()
  expect(() => newest.open('')).toThrow(/directory/)
  await volume.files.close()
})

test('what was not asked for again leaves first, and the limit holds', async () => {
  const count = 40
  const volume = await filesOf(Array.from({ length: count }, (_, i) => bytesOf(4096, i)))
  const bytesMax = 60_000
  const newest = new NewestFiles(volume.engine.newest, null, bytesMax)
  const hot = read(newest, 'f0')
  for (let i = 1; i < count; i++) {
    expect(read(newest, `f${i}`).bytes).toEqual(bytesOf(4096, i))
    expect(newest.bytes).toBeLessThanOrEqual(bytesMax)
    expect(read(newest, 'f0').bytes).toBe(hot.bytes)
  }
  expect(newest.bytes).toBeGreaterThan(bytesMax / 2)
  await volume.files.close()
})

test('attributes alone, then the content as well', async () => {
  const volume = await filesOf([bytesOf(100)])
  const newest = new NewestFiles(volume.engine.newest)
  const file = open(newest, 'f0')
  expect(newest.bytes).toBeLessThan(3000)
  file.made = 1
  expect(read(newest, 'f0')).toMatchObject({ bytes: bytesOf(100), file: { made: 1 } })
  await volume.files.close()
})

test('what lies beside a content counts as well', async () => {
  const volume = await filesOf([bytesOf(100)])
  const meta = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`n${i}`, `value ${i}`]))
  await volume.files.putFile(p('f1'), bytesOf(100), { meta })
  const costOf = (path: string): number => {
    const newest = new NewestFiles(volume.engine.newest)
    read(newest, path)
    return newest.bytes
  }
  expect(costOf('f0')).toBeWithin(2432, 3072)
  // Measured: 8.6 KiB, with the headers of an answer.
  expect(costOf('f1')).toBeWithin(8 * 1024, 16 * 1024)
  await volume.files.close()
})
