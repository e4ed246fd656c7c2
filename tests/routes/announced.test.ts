/** Lengths and sizes that a client names: whatever the number, no request makes room for more than its pieces need. */
import { expect, test } from 'bun:test'
import { largestAllocation } from '../noticing/allocations.ts'
import { readJson } from './harness.ts'
import { type Ask, RealApp } from './real-app.ts'
import { get, jsonAsk, ok, put } from './usual.ts'

/** The largest buffers are those of records, and of what is read ahead. */
const roomMax = 4 * 2 ** 20
const huge = [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 52, Number.MAX_SAFE_INTEGER]

function slow(text: string): ReadableStream<Uint8Array> {
  const pieces = text.split('').map((letter) => new TextEncoder().encode(letter))
  return new ReadableStream({
    pull(controller) {
      const next = pieces.shift()
      if (next) controller.enqueue(next)
      else controller.close()
    },
  })
}

test('no number of a request makes room', async () => {
  const app = await RealApp.create()
  await ok(app.ask(put('/v1/files/a', 'hello')))
  for (const n of huge) {
    const headers = { 'Content-Length': String(n) }
    const json = { ...headers, 'Content-Type': 'application/json' }
    const asks: readonly Ask[] = [
      { method: 'PUT', path: '/v1/files/a', headers, body: slow('abc') },
      { method: 'PATCH', path: '/v1/files/a?offset=0', headers, body: slow('abc') },
      { method: 'PATCH', path: '/v1/files/a?offset=end', headers, body: slow('abc') },
      { method: 'POST', path: '/v1/batch', headers: json, body: slow('{}') },
      { method: 'POST', path: '/v1/move', headers: json, body: slow('{}') },
      get(`/v1/dirs?limit=${n}`),
      get(`/v1/dirs?content=${n}`),
      get(`/v1/cps?limit=${n}`),
      { method: 'GET', path: '/v1/files/a', headers: { Range: `bytes=-${n}` } },
      { method: 'GET', path: '/v1/files/a', headers: { Range: `bytes=0-${n}` } },
    ]
    for (const ask of asks) {
      let status = 0
      const largest = await largestAllocation(async () => {
        const answer = await app.ask(ask)
        status = answer.status
        await answer.text()
      })
      const row = [ask.method, ask.path, n, status]
      expect([...row, largest <= roomMax]).toEqual([...row, true])
    }
  }
  expect(await (await app.ask(get('/v1/files/a'))).text()).toBe('hello')
})

test('a file that is nearly all holes takes no room, whatever its size', async () => {
  for (const n of huge) {
    const app = await RealApp.create()
    const largest = await largestAllocation(async () => {
      await ok(app.ask(put('/v1/files/a', 'hello')))
      const grown = await app.ask({ method: 'PATCH', path: `/v1/files/a?size=${n}` })
      if (!grown.ok)
        return expect(['too-large', 'bad-parameter']).toContain(String((await readJson(grown))['code']))
      const far = { method: 'PATCH', path: `/v1/files/a?offset=${n - 3}`, body: 'end' }
      await ok(app.ask(far))
      expect(await readJson(app.ask(get('/v1/stat/a')))).toMatchObject({ size: n })
      await ok(app.ask(get('/v1/dirs?content=65536')))
      for (const Range of ['bytes=3-9', `bytes=${n - 4}-`, 'bytes=-70000', 'bytes=1-'])
        for (const method of ['GET', 'HEAD']) {
          const answer = await app.ask({ method, path: '/v1/files/a', headers: { Range } })
          expect(answer.ok).toBe(true)
          const reader = answer.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined
          await reader?.read()
          await reader?.cancel()
        }
      await ok(app.ask(jsonAsk('/v1/move', { from: 'a', to: 'b' })))
    })
    expect([n, largest <= roomMax, largest > 0]).toEqual([n, true, true])
  }
})
