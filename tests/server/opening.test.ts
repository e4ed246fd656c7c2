import { expect, test } from 'bun:test'
import { served } from './served.ts'

const { folder, start, stop } = served()

test('each run of a primary has a name of its own, which no restart and no other volume repeats', async () => {
  const data = folder()
  const names = new Set<string>()
  for (const at of [data, data, data, folder()]) {
    const server = await start(at)
    const put = () => fetch(`${server.url}/v1/files/a`, { method: 'PUT', body: 'x' })
    const name = (await put()).headers.get('Stillpoint-Opening')!
    expect((await put()).headers.get('Stillpoint-Opening')).toBe(name)
    for (const earlier of names) {
      const refused = await fetch(`${server.url}/v1/cps?opening=${earlier}`, { method: 'POST' })
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
        409,
        'opening-changed',
      ])
    }
    const own = await fetch(`${server.url}/v1/cps?opening=${name}`, { method: 'POST' })
    expect(own.status).toBeLessThan(300)
    names.add(name)
    await stop(server)
  }
  expect(names.size).toBe(4)
})
