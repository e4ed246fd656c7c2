/** Clocks only label: whatever the wall clock says, and however it jumps, a volume opens, writes, mirrors and answers. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { timeMsMax } from '../../src/format/position.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { served } from './served.ts'

const { folder, start, stop } = served()

class OddClock implements Clock {
  wallMs = 0
  now = (): number => this.wallMs
  monotonic = systemClock.monotonic
  after = systemClock.after
  sleep = systemClock.sleep
  yield = systemClock.yield
}

const odd = [
  -1e15,
  Number.NaN,
  0,
  -1,
  0.5,
  2 ** 53,
  Infinity,
  -Infinity,
  -0,
  timeMsMax,
  timeMsMax + 1,
  1.7e12,
]

/** The label in the answers: a time that RFC 3339 can say. */
const labelOf = (wallMs: number): string =>
  new Date(Number.isNaN(wallMs) || wallMs < 0 ? 0 : Math.min(Math.floor(wallMs), timeMsMax)).toISOString()

async function writeAndRead(url: string, name: string, wallMs: number): Promise<number> {
  const put = await fetch(`${url}/v1/files/d/${name}?durability=committed`, { method: 'PUT', body: name })
  expect({ wallMs, status: put.status }).toEqual({ wallMs, status: 201 })
  const { cp } = (await put.json()) as { cp: number }
  expect(await (await fetch(`${url}/v1/files/d/${name}`)).text()).toBe(name)
  const stat = (await (await fetch(`${url}/v1/stat/d/${name}`)).json()) as { modified: string }
  expect(stat.modified).toBe(labelOf(wallMs))
  const record = (await (await fetch(`${url}/v1/cps/${cp}`)).json()) as { committedAt: string }
  expect(record.committedAt).toBe(labelOf(wallMs))
  return cp
}

test.each(odd)('a wall clock that says %p: a volume is made, written, opened again', async (wallMs) => {
  const clock = new OddClock()
  clock.wallMs = wallMs
  const data = join(folder(), 'volume')
  for (const name of ['a', 'b']) {
    const server = await start(data, { clock })
    await writeAndRead(server.url, name, wallMs)
    const logged = await fetch(`${server.url}/v1/files/logged-${name}?durability=logged`, {
      method: 'PUT',
      body: 'x',
    })
    expect(logged.status).toBe(201)
    await stop(server)
  }
})

test('a wall clock that jumps between operations, on a primary and its mirror', async () => {
  const clock = new OddClock()
  clock.wallMs = 1.7e12
  const mirrorData = join(folder(), 'mirror')
  const mirror = await start(mirrorData, { verb: 'mirror', clock })
  const primary = await start(join(folder(), 'primary'), { clock, mirrors: [mirror.url] })
  let cp = 0
  for (const [i, wallMs] of [...odd, ...odd.toReversed()].entries()) {
    clock.wallMs = wallMs
    cp = await writeAndRead(primary.url, `f${i}`, wallMs)
    const mirrored = await fetch(`${mirror.url}/v1/files/d/f${i}?minCp=${cp}&wait=20`)
    expect(await mirrored.text()).toBe(`f${i}`)
    for (const url of [primary.url, mirror.url])
      for (const path of ['/readyz', '/v1/cps', url === primary.url ? '/v1/mirrors' : '/v1/mirror'])
        expect({ path, status: (await fetch(`${url}${path}`)).status }).toEqual({ path, status: 200 })
  }
  // The newest CP that is labelled at or before the time; numbers order, whatever the labels say.
  for (const at of [
    '0000-01-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '1970-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999Z',
  ]) {
    const read = await fetch(`${primary.url}/v1/stat/d?at=${encodeURIComponent(at)}`)
    expect({ at, isAnswered: [200, 410].includes(read.status) }).toEqual({ at, isAnswered: true })
  }
  const newest = await fetch(`${primary.url}/v1/stat/d?at=9999-12-31T23:59:59.999Z`)
  expect([newest.status, newest.headers.get('Stillpoint-CP')]).toEqual([200, String(cp)])
  await stop(primary)
  await stop(mirror)
  // Both open again under a clock before 1970.
  clock.wallMs = -1e15
  await stop(await start(mirrorData, { verb: 'mirror', clock }))
}, 60_000)

test('a volume that was written in the far future opens when the clock is right again', async () => {
  const clock = new OddClock()
  const data = join(folder(), 'volume')
  clock.wallMs = 2 ** 53
  const server = await start(data, { clock })
  await writeAndRead(server.url, 'a', clock.wallMs)
  await stop(server)
  clock.wallMs = 1.7e12
  const again = await start(data, { clock })
  const cp = await writeAndRead(again.url, 'b', clock.wallMs)
  const read = await fetch(`${again.url}/v1/stat/d/b?at=2024-01-01T00:00:00Z`)
  expect([read.status, read.headers.get('Stillpoint-CP')]).toEqual([200, String(cp)])
})
