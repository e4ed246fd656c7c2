/** Windows of a stream: in order, once each, ahead for who keeps up, and no buffer lost by who leaves. */
import { expect, test } from 'bun:test'
import { BufferPool } from '../../../src/lib/buffer-pool.ts'
import { FileStream, restingWindowBytesMax } from '../../../src/fs/read/file-stream.ts'

const mib = 2 ** 20
const pool = new BufferPool(restingWindowBytesMax)

function recorded(end: number) {
  const windows: [start: number, end: number][] = []
  const filled = new Set<ArrayBufferLike>()
  const stream = new FileStream(
    async (start, to, buffer) => {
      windows.push([start, to])
      filled.add(buffer.buffer)
      await Bun.sleep(0)
      return [buffer.subarray(0, to - start)]
    },
    100,
    end,
    pool,
  )
  return { stream, windows, filled }
}

test('who keeps up is read ahead, who does not gets smaller windows', async () => {
  const { stream, windows, filled } = recorded(3 * mib)
  expect((await stream.next())!.length).toBe(mib / 4 - 100)
  stream.readAhead()
  stream.readAhead()
  expect(windows).toEqual([
    [100, mib / 4],
    [mib / 4, mib],
  ])
  expect((await stream.next())!.length).toBe((mib / 4) * 3)
  expect((await stream.next())!.length).toBe(mib)
  stream.rest()
  expect((await stream.next())!.length).toBe(mib / 4)
  stream.readAhead()
  expect((await stream.next())!.length).toBe((mib / 4) * 3)
  expect(await stream.next()).toBeNull()
  expect(windows.at(-1)).toEqual([2 * mib + mib / 4, 3 * mib])
  expect(filled.size).toBe(2)
  stream.close()
})

test('buffers come back from streams that were closed at any moment', async () => {
  const seen = new Set<ArrayBufferLike>()
  for (let i = 0; i < 200; i++) {
    const { stream, filled } = recorded(4 * mib)
    const first = stream.next()
    if (i % 4 > 0) await first
    if (i % 4 > 1) stream.readAhead()
    const second = i % 4 > 2 ? stream.next() : null
    stream.close()
    stream.close()
    await first
    await second
    if (i % 8 > 3) expect(await stream.next()).toBeNull()
    await Bun.sleep(1)
    for (const buffer of filled) seen.add(buffer)
  }
  expect(seen.size).toBeLessThan(6)
})

test('there is an end to reading ahead', async () => {
  const streams = Array.from({ length: 50 }, () => recorded(4 * mib))
  for (const { stream } of streams) {
    await stream.next()
    stream.readAhead()
  }
  expect(streams.filter(({ windows }) => windows.length > 1).length).toBeLessThan(33)
  for (const { stream } of streams) stream.close()
})

test('a buffer that a read may still fill is lent to nobody, whatever failed and whenever', async () => {
  for (const leaves of ['fails', 'closed before it fails', 'closed while it is read']) {
    const own = new BufferPool(restingWindowBytesMax)
    const filling: Uint8Array[] = []
    const gate = Promise.withResolvers<Uint8Array[]>()
    // One record of the window fails; the others are still being read.
    const stream = new FileStream(
      (_start, _to, buffer) => {
        filling.push(buffer)
        return gate.promise
      },
      0,
      4 * mib,
      own,
    )
    if (leaves === 'closed while it is read') stream.readAhead()
    const next = leaves === 'closed while it is read' ? null : stream.next().catch((error: unknown) => error)
    if (leaves !== 'fails') stream.close()
    gate.reject(new Error('damaged'))
    await next
    await gate.promise.catch(() => {})
    await Bun.sleep(0)
    for (const buffer of filling) expect(own.take(buffer.length).buffer).not.toBe(buffer.buffer)
    expect(own.lent).toBe(filling.length)
  }
})
