/** What a real pair says of itself: events, status, metrics, and the view of events. */
import { expect, test } from 'bun:test'
import { build } from '../../../src/lib/build.ts'
import { catalogPath } from '../../../src/server/volume-folder.ts'
import { rowsOf } from '../../catalog/ask-catalog.ts'
import { EventReader } from '../../routes/http/event-reader.ts'
import { served } from '../served.ts'

const { folder, start, stop } = served()

type Data = Record<string, unknown>

const put = async (url: string, name: string): Promise<number> => {
  const answer = await fetch(`${url}/v1/files/${name}?durability=mirrored`, { method: 'PUT', body: name })
  expect(answer.headers.get('Stillpoint-Durability')).toBe('mirrored')
  return Number(answer.headers.get('Stillpoint-CP'))
}
const json = async (url: string): Promise<Data> => (await (await fetch(url)).json()) as Data
const metric = async (url: string, name: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      ?.split(' ')
      .at(-1),
  )
}

test('a pair tells what it publishes, prunes and mirrors, and ends its streams', async () => {
  const [primaryData, mirrorData] = [folder(), folder()]
  const mirror = await start(mirrorData, { verb: 'mirror' })
  const primary = await start(primaryData, { mirrors: [mirror.url] })
  await put(primary.url, 'first')
  const onPrimary = new EventReader(await fetch(`${primary.url}/v1/events`))
  const onMirror = new EventReader(await fetch(`${mirror.url}/v1/events`))

  const cp = await put(primary.url, 'second')
  const { id: side } = await json(`${mirror.url}/v1/mirror`)
  const told = await onPrimary.until('mirrored')
  expect(told.at(-1)).toMatchObject({ id: String(cp), data: { cp, mirror: side } })
  expect(told.find(({ event }) => event === 'published')).toMatchObject({ id: String(cp), data: { cp } })
  expect((await onMirror.until('published')).at(-1)).toMatchObject({ data: { cp, cause: 'mirrored' } })
  // A consistency point is kept as long as a slot, a mirror or the catalog needs it.
  let isPruned = told.some(({ event }) => event === 'pruned')
  for (let i = 0; !isPruned; i++) {
    await put(primary.url, `another ${i}`)
    isPruned = (await onPrimary.until('mirrored')).some(({ event }) => event === 'pruned')
  }

  await stop(primary)
  expect((await onPrimary.until('ended')).at(-1)!.data).toEqual({ reason: 'stopping' })
  await stop(mirror)
  await onMirror.until('ended')
  for (const [data, event] of [
    [primaryData, 'mirrored'],
    [mirrorData, 'published'],
  ] as const) {
    const rows = rowsOf(catalogPath(data), `SELECT cp, at FROM events WHERE event = '${event}' ORDER BY id`)
    expect(rows.map(([of]) => Number(of))).toContain(cp)
  }
  const facts = `SELECT facts ->> 'cause' FROM events WHERE event = 'published' AND cp = ${cp}`
  expect(rowsOf(catalogPath(mirrorData), facts)).toEqual([['mirrored']])
})

test('each side says what it is', async () => {
  const mirror = await start(folder(), { verb: 'mirror' })
  const empty = await json(`${mirror.url}/v1/status`)
  expect(empty).toMatchObject({ role: 'mirror', ready: false, cp: 0, space: { usedBytes: 0, maxBytes: 0 } })
  expect(empty['reason']).toContain('has not received')
  const primary = await start(folder(), { mirrors: [mirror.url] })
  const cp = await put(primary.url, 'a')
  for (const [url, role] of [
    [primary.url, 'primary'],
    [mirror.url, 'mirror'],
  ] as const) {
    const status = await json(`${url}/v1/status`)
    expect(status).toMatchObject({ role, ready: true, reason: null, cp, version: build.version, format: 1 })
    const { usedBytes, freeBytes, maxBytes, fileBytes } = status['space'] as Record<string, number>
    expect(usedBytes).toBeGreaterThan(0)
    // The block file grows on demand, so nearly all of the volume is free from the beginning.
    expect(usedBytes! + freeBytes!).toBe(maxBytes!)
    expect(maxBytes).toBe(256 * 2 ** 20)
    expect(fileBytes).toBeLessThanOrEqual(maxBytes!)
  }
  const before = await json(`${primary.url}/v1/status`)
  await stop(primary)
  expect(await metric(mirror.url, 'stillpoint_published_cp')).toBe(cp)
  expect(before['opening']).toBeGreaterThan(0)
})

test('metrics count what has happened', async () => {
  const mirror = await start(folder(), { verb: 'mirror' })
  const primary = await start(folder(), { mirrors: [mirror.url] })
  await put(primary.url, 'abc')
  const body = new Uint8Array(300_000).fill(7)
  await fetch(`${primary.url}/v1/files/large?durability=logged`, { method: 'PUT', body })
  await (await fetch(`${primary.url}/v1/files/large`)).arrayBuffer()
  await (await fetch(`${primary.url}/v1/files/abc`)).arrayBuffer()
  await fetch(`${primary.url}/v1/files/abc?offset=end`, { method: 'PATCH', body: '12345' })
  await fetch(`${primary.url}/v1/batch`, {
    method: 'POST',
    body: JSON.stringify({ operations: [{ op: 'put', path: 'b', text: 'seventy' }] }),
    headers: { 'Content-Type': 'application/json' },
  })
  expect(await metric(primary.url, 'stillpoint_content_received_bytes_total')).toBe(3 + 300_000 + 5 + 7)
  expect(await metric(primary.url, 'stillpoint_content_sent_bytes_total')).toBe(300_000 + 3)
  expect(await metric(primary.url, 'stillpoint_log_sync_duration_seconds_count')).toBeGreaterThan(0)
  expect(
    await metric(primary.url, 'stillpoint_cp_phase_duration_seconds_count{phase="commit"}'),
  ).toBeGreaterThan(0)
  expect(await metric(primary.url, 'stillpoint_mirror_sent_bytes_total')).toBeGreaterThan(0)
  expect(await metric(mirror.url, 'stillpoint_mirror_received_bytes_total')).toBeGreaterThan(0)

  await stop(mirror)
  const cps = await metric(primary.url, 'stillpoint_mirror_cp')
  await fetch(`${primary.url}/v1/files/more?durability=committed`, { method: 'PUT', body })
  const lacks = async (unit: string) => metric(primary.url, `stillpoint_mirror_lag_${unit}`)
  expect(await lacks('cps')).toBeGreaterThan(0)
  expect(await lacks('seconds')).toBeGreaterThan(0)
  expect(await lacks('writes')).toBeGreaterThanOrEqual(3)
  expect(await lacks('bytes')).toBeGreaterThanOrEqual(300_000)
  expect(await metric(primary.url, 'stillpoint_mirror_cp')).toBe(cps)
})
