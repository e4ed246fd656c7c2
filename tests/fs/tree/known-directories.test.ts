/** A directory that is remembered is never one that has gone: whatever moves, replaces or deletes one comes between. */
import { describe, expect, test } from 'bun:test'
import { FakeVolume, bytesOf, codeOf, p } from '../volume.ts'

/** Never cut and never missing: every put of a small file takes the short way. */
const makeVolume = () => new FakeVolume({ missPercent: 0, cutPercent: 0 })
const put = (volume: FakeVolume, path: string, bytes = 10) =>
  volume.files.putFile(p(path), bytesOf(bytes), {})
/** By the short way of a reader, which remembers the directory too. */
const readNow = async ({ files }: FakeVolume, path: string) => {
  for (;;) {
    const file = files.newest.open(path)
    if (file) return file.stat.size
    await Promise.resolve()
  }
}
const isThere = (volume: FakeVolume, path: string) => codeOf(volume.with((view) => view.stat(p(path))))

describe('a directory that was put into before', () => {
  const changes: readonly (readonly [what: string, change: (volume: FakeVolume) => Promise<unknown>])[] = [
    ['moved', ({ files }) => files.move(p('a/b'), p('c'), { overwrite: false })],
    ['moved with the one above', ({ files }) => files.move(p('a'), p('c'), { overwrite: false })],
    ['deleted', ({ files }) => files.deleteDirectory(p('a/b'), { recursive: true })],
    ['deleted with the one above', ({ files }) => files.deleteDirectory(p('a'), { recursive: true })],
    [
      'deleted in a batch that had put into it',
      ({ files }) =>
        files.batch([
          { op: 'put', path: p('a/b/g'), content: bytesOf(5) },
          { op: 'delete', path: p('a'), recursive: true },
        ]),
    ],
    [
      'replaced by another',
      async ({ files }) => {
        await files.makeDirectory(p('a/empty'), {})
        await files.move(p('a/b'), p('c'), { overwrite: false })
        await files.move(p('a/empty'), p('a/b'), { overwrite: false })
      },
    ],
  ]
  for (const [what, change] of changes) {
    test(`${what}: the next put makes it again, and the old one has nothing of it`, async () => {
      const volume = makeVolume()
      await put(volume, 'a/b/f')
      await put(volume, 'a/b/f', 20)
      expect(await readNow(volume, 'a/b/f')).toBe(20)
      await change(volume)
      expect(await codeOf(readNow(volume, 'a/b/f'))).toBe('not-found')
      await put(volume, 'a/b/new', 30)
      expect(await readNow(volume, 'a/b/new')).toBe(30)
      expect(await volume.read('a/b/new')).toEqual(bytesOf(30))
      expect(await isThere(volume, 'a/b/f')).toBe('not-found')
      expect(await isThere(volume, 'c/new')).toBe('not-found')
      expect(await volume.check()).toEqual([])
      await volume.close()
    })
  }

  test('deleted and then a file: nothing goes below it', async () => {
    const volume = makeVolume()
    await put(volume, 'a/b/f')
    await volume.files.deleteDirectory(p('a/b'), { recursive: true })
    await put(volume, 'a/b')
    expect(await codeOf(put(volume, 'a/b/f'))).toBe('not-a-directory')
    await volume.close()
  })

  test('made by a batch that failed: it was never there', async () => {
    const volume = makeVolume()
    const failing = volume.files.batch([
      { op: 'put', path: p('a/b/f'), content: bytesOf(5) },
      { op: 'delete', path: p('missing') },
    ])
    expect(await codeOf(failing)).toBe('not-found')
    await put(volume, 'a/b/f')
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('more of them than are remembered', async () => {
    const volume = makeVolume()
    for (let i = 0; i < 4200; i++) await put(volume, `d${i}/f`, 1)
    for (const i of [0, 1, 4199]) await put(volume, `d${i}/f`, 2)
    expect(await volume.read('d0/f')).toEqual(bytesOf(2))
    expect(await volume.check()).toEqual([])
    await volume.close()
  })
})
