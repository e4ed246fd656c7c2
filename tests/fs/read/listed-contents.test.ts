/** What a listing brings of small files: their bytes or nothing, and pages that do not grow without bound. */
import { expect, test } from 'bun:test'
import { DeviceError } from '../../../src/blockdev/block-device.ts'
import type { TreeView } from '../../../src/cp-engine/contract.ts'
import {
  type ListedEntry,
  type Listing,
  listedContentBytesMax,
  listedContentsBytesMax,
} from '../../../src/fs/contract.ts'
import { contentsOf } from '../../../src/fs/read/listed-contents.ts'
import type { Found } from '../../../src/fs/read/listing.ts'
import { readPublished } from '../../../src/fs/read/read-view.ts'
import { AssertionError } from '../../../src/lib/assert.ts'
import { StillpointError } from '../../../src/lib/errors.ts'
import { FakeVolume, bytesOf, p } from '../volume.ts'

test('a page ends where its contents are enough, and the next one goes on there', async () => {
  const volume = new FakeVolume()
  const sizes = Array.from({ length: 60 }, (_, i) => (i * 7919) % (listedContentBytesMax + 1))
  const name = (i: number) => `f${String(i).padStart(2, '0')}`
  for (const [i, size] of sizes.entries()) await volume.files.putFile(p(`d/${name(i)}`), bytesOf(size, i), {})
  await volume.files.patchFile(p(`d/${name(3)}`), 50_000, bytesOf(10))
  await volume.files.resizeFile(p(`d/${name(4)}`), 60_000)
  await volume.files.putFile(p(`d/${name(5)}`), bytesOf(listedContentBytesMax + 1), {})
  const published = await volume.engine.requestCp('requested')
  for (const view of [volume.files.view(), readPublished(volume.engine, published)]) {
    const options = { limit: 50, recursive: true, contentBytesMax: listedContentBytesMax }
    const listed: ListedEntry[] = []
    const pages: number[] = []
    let after: readonly string[] | null = null
    do {
      const page: Listing = await view.list(p(''), { ...options, after })
      const bytes = page.entries.reduce((sum, { content }) => sum + (content?.length ?? 0), 0)
      expect(bytes).toBeLessThanOrEqual(listedContentsBytesMax)
      pages.push(page.entries.length)
      listed.push(...page.entries)
      after = page.next
    } while (after)
    expect(pages.length).toBe(2)
    expect(pages[0]).toBeLessThan(50)
    expect(listed.map(({ path }) => path.at(-1)!)).toEqual(['d', ...sizes.map((_, i) => name(i))])
    for (const [i, size] of sizes.entries()) {
      const { content } = listed[i + 1]!
      if (i === 5) expect(content).toBeNull()
      else if (content && i !== 3 && i !== 4) expect(Buffer.compare(content, bytesOf(size, i))).toBe(0)
    }
    // Nothing is promised of any one of them: free space may have had no room for it in one piece.
    expect(listed.filter(({ content }) => content !== null).length).toBeGreaterThan(50)
    const without = await view.list(p('d'), { after: null, limit: 1000, recursive: false })
    expect(without.entries.every(({ content }) => content === null)).toBe(true)
    expect(without.entries.length).toBe(60)
    view.release()
  }
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('others have their turn between two contents', async () => {
  const found = Array.from({ length: 20 }, () => entry({}))
  let reads = 0
  const recordNow = (): Uint8Array => {
    reads++
    return Uint8Array.of(1, 2, 3)
  }
  const paused: number[] = []
  const contents = await contentsOf({ recordNow } as unknown as TreeView, found, 10, async () => {
    paused.push(reads)
  })
  expect(paused).toEqual(found.map((_, i) => i + 1))
  expect(contents).toEqual(found.map(() => Uint8Array.of(1, 2, 3)))
})

const damaged = new StillpointError('corrupt', 'other bytes')
const pointer = { address: 1 }
const entry = (item: object): Found =>
  ({ path: ['f'], item: { kind: 'file', size: 3, id: 0, content: pointer, ...item } }) as unknown as Found

async function contentOf(item: object, view: Partial<TreeView>): Promise<Uint8Array | null> {
  const contents = await contentsOf(view as TreeView, [entry(item)], 10)
  expect(contents).toHaveLength(1)
  return contents![0]!
}

test('what cannot be read is left to whoever asks for the file', async () => {
  const bytes = Uint8Array.of(1, 2, 3)
  const failing = (error: Error) => ({
    recordNow: () => {
      throw error
    },
  })
  const failingLater = (error: Error) => ({
    recordNow: () => null,
    record: async () => {
      throw error
    },
  })
  expect(await contentOf({}, { recordNow: () => bytes })).toBe(bytes)
  expect(await contentOf({}, { recordNow: () => null, record: async () => bytes })).toBe(bytes)
  expect(await contentOf({ size: 0, content: null }, {})).toEqual(new Uint8Array(0))
  expect(await contentOf({ size: 4 }, { recordNow: () => bytes })).toBeNull()
  expect(await contentOf({ size: 11 }, { recordNow: () => bytes })).toBeNull()
  expect(await contentOf({ content: null }, {})).toEqual(new Uint8Array(3))
  expect(await contentOf({ content: null, id: 7 }, {})).toBeNull()
  expect(await contentOf({ kind: 'directory', size: 0, content: null }, {})).toBeNull()
  for (const error of [damaged, new DeviceError('no disk')]) {
    expect(await contentOf({}, failing(error))).toBeNull()
    expect(await contentOf({}, failingLater(error))).toBeNull()
  }
  const bug = new AssertionError('a bug')
  await expect(contentOf({}, failing(bug))).rejects.toBe(bug)
  await expect(contentOf({}, failingLater(bug))).rejects.toBe(bug)
})
