/** What is remembered of small files serves the very entry that it was read for, and stays within its bytes. */
import { expect, test } from 'bun:test'
import { readOpenTree } from '../../src/fs/read-view.ts'
import type { Memo } from '../../src/fs/contract.ts'
import { SmallFiles } from '../../src/fs/small-files.ts'
import { FakeVolume, bytesOf, p } from './volume.ts'

async function filesOf(contents: readonly Uint8Array[]): Promise<FakeVolume> {
  const volume = new FakeVolume()
  for (const [i, bytes] of contents.entries()) await volume.files.putFile(p(`f${i}`), bytes, {})
  return volume
}

interface Read {
  readonly bytes: Uint8Array
  readonly memo: Memo
}

function read(volume: FakeVolume, smallFiles: SmallFiles, path: string): Read | null {
  const view = readOpenTree(volume.engine, smallFiles)
  try {
    // The fake engine misses now and then.
    for (let i = 0; i < 50; i++) {
      const file = view.openNow(p(path))
      const bytes = file?.read(0, file.stat.size)
      if (file && bytes) return { bytes, memo: file.memo }
    }
    return null
  } finally {
    view.release()
  }
}

test('an entry that has changed is read again; one that has not gives the same bytes and memo', async () => {
  const volume = await filesOf([bytesOf(4000, 1)])
  const smallFiles = new SmallFiles()
  const first = read(volume, smallFiles, 'f0')!
  expect(first.bytes).toEqual(bytesOf(4000, 1))
  first.memo.made = 'something'
  const again = read(volume, smallFiles, 'f0')!
  expect(again.bytes).toBe(first.bytes)
  expect(again.memo.made).toBe('something')

  await volume.files.putFile(p('f0'), bytesOf(4000, 2), {})
  const changed = read(volume, smallFiles, 'f0')!
  expect(changed.bytes).toEqual(bytesOf(4000, 2))
  expect(changed.memo.made).toBeNull()

  await volume.files.move(p('f0'), p('g'), { overwrite: false })
  expect(read(volume, smallFiles, 'g')!.bytes).toBe(changed.bytes)
  expect(() => read(volume, smallFiles, 'f0')).toThrow(/nothing at/)
  await volume.files.close()
})

test('what was not asked for again leaves first, and the limit holds', async () => {
  const count = 40
  const volume = await filesOf(Array.from({ length: count }, (_, i) => bytesOf(4096, i)))
  const bytesMax = 60_000
  const smallFiles = new SmallFiles(bytesMax)
  const hot = read(volume, smallFiles, 'f0')!
  for (let i = 1; i < count; i++) {
    expect(read(volume, smallFiles, `f${i}`)!.bytes).toEqual(bytesOf(4096, i))
    expect(smallFiles.bytes).toBeLessThanOrEqual(bytesMax)
    expect(read(volume, smallFiles, 'f0')!.bytes).toBe(hot.bytes)
  }
  expect(smallFiles.bytes).toBeGreaterThan(bytesMax / 2)
  await volume.files.close()
})

test('attributes alone, then the content as well', async () => {
  const volume = await filesOf([bytesOf(100)])
  const smallFiles = new SmallFiles()
  const view = readOpenTree(volume.engine, smallFiles)
  const file = view.openNow(p('f0')) ?? view.openNow(p('f0'))
  view.release()
  if (file) {
    expect(smallFiles.bytes).toBeLessThan(3000)
    file.memo.made = 1
    expect(read(volume, smallFiles, 'f0')).toMatchObject({ bytes: bytesOf(100), memo: { made: 1 } })
  }
  await volume.files.close()
})

test('what lies beside a content counts as well', async () => {
  const volume = await filesOf([bytesOf(100)])
  const meta = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`n${i}`, `value ${i}`]))
  await volume.files.putFile(p('f1'), bytesOf(100), { meta })
  const costOf = (path: string): number => {
    const smallFiles = new SmallFiles()
    read(volume, smallFiles, path)
    return smallFiles.bytes
  }
  expect(costOf('f0')).toBeWithin(2048, 3072)
  // Measured: 8.6 KiB, with the headers of an answer.
  expect(costOf('f1')).toBeWithin(8 * 1024, 16 * 1024)
  await volume.files.close()
})
