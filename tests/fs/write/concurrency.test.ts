/** Many clients at once on the real engine, a small queue and a small cache: nobody waits for ever, nothing is mixed. */
import { expect, test } from 'bun:test'
import { seededRandom } from '../../../src/lib/random.ts'
import { RealVolume } from '../real-volume.ts'
import { bytesOf, chunked, p, readAll } from '../volume.ts'

const clients = 24
const operations = 15

test('every client finds what it wrote, and appends of all are whole', async () => {
  const volume = await RealVolume.create({ seed: 11, logMebibytes: 8, queueBytesMax: 8 * 2 ** 20 })
  const { files } = volume
  await files.putFile(p('shared'), new Uint8Array(0), {})
  const appended: { readonly at: number; readonly bytes: Uint8Array }[] = []

  const client = async (id: number): Promise<void> => {
    const random = seededRandom(id + 1)
    let content: Uint8Array = new Uint8Array(0)
    const path = p(`d${id % 3}/${id}/f`)
    for (let i = 0; i < operations; i++) {
      const size = 1 + random.below(random.below(3) === 0 ? 1_500_000 : 30_000)
      const bytes = bytesOf(size, id * 1000 + i)
      const body = random.below(2) === 0 ? bytes : chunked(bytes, 40_000)
      switch (i === 0 ? 0 : random.below(6)) {
        case 0:
          await files.putFile(path, body, { meta: random.below(2) === 0 ? {} : { a: 'x'.repeat(900) } })
          content = bytes
          break
        case 1: {
          const { offset } = await files.patchFile(p('shared'), 'end', body)
          appended.push({ at: offset, bytes })
          break
        }
        case 2: {
          const at = random.below(content.length + 1)
          await files.patchFile(path, at, body)
          const next = new Uint8Array(Math.max(content.length, at + size))
          next.set(content)
          next.set(bytes, at)
          content = next
          break
        }
        case 3: {
          const to = random.below(content.length + 1)
          await files.resizeFile(path, to)
          content = content.slice(0, to)
          break
        }
        case 4:
          await files.batch([
            { op: 'put', path: p(`other/${id}`), content: bytes },
            { op: 'move', from: path, to: p(`moved/${id}`), overwrite: true },
            { op: 'move', from: p(`moved/${id}`), to: path },
          ])
          break
        default: {
          const view = files.view()
          try {
            expect(Buffer.compare(await readAll(view, path), content)).toBe(0)
          } finally {
            view.release()
          }
        }
      }
    }
    const view = files.view()
    expect(Buffer.compare(await readAll(view, path), content)).toBe(0)
    view.release()
  }
  await Promise.all(Array.from({ length: clients }, (_, id) => client(id)))

  const view = files.view()
  const shared = await readAll(view, p('shared'))
  view.release()
  expect(shared.length).toBe(appended.reduce((sum, { bytes }) => sum + bytes.length, 0))
  for (const { at, bytes } of appended)
    expect(Buffer.compare(shared.subarray(at, at + bytes.length), bytes)).toBe(0)
  await files.deleteDirectory(p('d0'), { recursive: true })
  await volume.reopen()
  expect(await volume.check()).toEqual([])
  await volume.close()
}, 60_000)
