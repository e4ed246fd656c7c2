/** `put -`: a producer that pauses costs no request, and what is longer than one part is still one file. */
import { expect, test } from 'bun:test'
import { Client } from '../../../sdk/src/client.ts'
import { putInput } from '../../../src/cli/trees/put-input.ts'
import { servers } from '../cli-harness.ts'

const serve = servers()
const part = 2 ** 16

test('no request is under way while the producer pauses', async () => {
  const served = serve()
  const client = new Client(served.url, { retriesMax: 0 })
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const ended = putInput({ client, patient: client }, 'dump', readable, {})
  await writer.write(Buffer.from('first\n'))
  // A pause of any length: the server hears of nothing until the end.
  expect(served.requests).toEqual([])
  await writer.write(Buffer.from('second\n'))
  expect(served.requests).toEqual([])
  await writer.close()
  await ended
  expect(served.requests.length).toBe(1)
  expect(served.harness.content('dump')).toBe('first\nsecond\n')
})

test('long input goes in whole parts, each with a request of its own, and nothing stays beside it', async () => {
  const served = serve()
  const client = new Client(served.url)
  const sizes = [part - 1, 1, part, 5]
  let at = 0
  let openRequests = 0
  const counting = new Client(served.url, {
    fetch: async (url, init) => {
      openRequests++
      return fetch(url, init).finally(() => openRequests--)
    },
  })
  const input = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        expect(openRequests).toBe(0)
        if (at === sizes.length) controller.close()
        else controller.enqueue(new Uint8Array(sizes[at]!).fill(0x61 + at++))
      },
    },
    { highWaterMark: 0 },
  )
  const { size } = await putInput({ client, patient: counting, partBytes: part }, 'd/dump', input, {})
  expect(size).toBe(2 * part + 5)
  const bytes = await new Client(served.url).get('d/dump').then((file) => file.bytes())
  expect(bytes.length).toBe(size)
  expect([0, part - 1, part, 2 * part - 1, 2 * part, size - 1].map((index) => bytes[index]! - 0x61)).toEqual([
    0, 1, 2, 2, 3, 3,
  ])
  expect(served.harness.files.keys()).toEqual(['d', 'd/dump'])
})

test('input that breaks off is no file', async () => {
  for (const before of [3, part + 3]) {
    const served = serve()
    const client = new Client(served.url)
    let at = 0
    const input = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at++ === 0) controller.enqueue(new Uint8Array(before))
        else controller.error(new Error('the pipe broke'))
      },
    })
    await expect(putInput({ client, patient: client, partBytes: part }, 'd/dump', input, {})).rejects.toThrow(
      'standard input',
    )
    expect(served.harness.files.keys().filter((key) => key !== 'd')).toEqual([])
  }
})
