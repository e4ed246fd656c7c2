/** What the door waits for on behalf of clients ends with them, and in time. */
import { expect, spyOn, test } from 'bun:test'
import { systemClock } from '../../../src/lib/clock.ts'
import { startHttpServer } from '../../../src/routes/http/server.ts'
import { expectProblem } from '../harness.ts'
import { RealApp } from '../real-app.ts'

test('an idle connection ends in the time that is configured', async () => {
  const serve = spyOn(Bun, 'serve')
  try {
    for (const idleSeconds of [undefined, 65, 255]) {
      const options = idleSeconds === undefined ? {} : { idleSeconds }
      const server = startHttpServer({
        hostname: '127.0.0.1',
        port: 0,
        clock: systemClock,
        mounts: [],
        ...options,
      })
      await server.stop(0)
      const [given] = serve.mock.lastCall!
      expect(given).toMatchObject({ idleTimeout: idleSeconds ?? 120 })
    }
  } finally {
    serve.mockRestore()
  }
})

test('who waits for a CP and leaves is not waited for', async () => {
  const app = await RealApp.create()
  const leaving = new AbortController()
  const asked = app.fetch(new Request('http://test/v1/stat?minCp=1000&wait=60', { signal: leaving.signal }))
  await new Promise((resolve) => setImmediate(resolve))
  leaving.abort()
  await expectProblem(asked, 'not-yet')
})
