/** The audit trail: what is written, how often, and what never is. */
import { expect, test } from 'bun:test'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AuditRow } from '../../src/catalog/catalog.ts'
import { startLogging } from '../../src/lib/log.ts'
import type { AuditEntry } from '../../src/routes/http/dependencies.ts'
import { AuditTrail, auditSourcesMax } from '../../src/server/audit.ts'
import { catalogPath } from '../../src/server/volume-folder.ts'
import { VirtualClock } from '../simulated/clock.ts'
import { served } from './served.ts'
import { rowsOf } from '../catalog/ask-catalog.ts'

const { folder, start, stop } = served()

function trail() {
  const clock = new VirtualClock()
  const rows: AuditRow[] = []
  const made = new AuditTrail(clock, { recordAudit: (row) => void rows.push(row) })
  return { clock, rows, trail: made }
}

const refusal = (from: string): AuditEntry => ({ event: 'refused', who: null, what: 'unauthorized', from })

test('a row says when, what, who and from where', () => {
  const { clock, rows, trail: made } = trail()
  made.record({ event: 'token-created', who: 'a1', what: 'token b2, writer of site', from: '192.0.2.7' })
  expect(rows).toEqual([
    {
      event: 'token-created',
      who: 'a1',
      what: 'token b2, writer of site',
      source: '192.0.2.7',
      leftOut: 0,
      atMs: clock.now(),
    },
  ])
})

test('each source has ten refusals in a minute, and the next row says how many were left out', () => {
  const { clock, rows, trail: made } = trail()
  for (let i = 0; i < 500; i++) made.record(refusal('192.0.2.7'))
  expect(rows.length).toBe(10)
  made.record(refusal('192.0.2.8'))
  expect(rows.at(-1)).toMatchObject({ source: '192.0.2.8', leftOut: 490 })
  clock.jump(59_999)
  made.record(refusal('192.0.2.7'))
  expect(rows.length).toBe(11)
  clock.jump(1)
  made.record(refusal('192.0.2.7'))
  expect(rows.at(-1)).toMatchObject({ source: '192.0.2.7', leftOut: 1 })
  for (let i = 0; i < 500; i++) made.record(refusal('192.0.2.7'))
  expect(rows.length).toBe(21)
})

test('many sources together have a hundred refusals in a minute, and hours of them are remembered in bounds', () => {
  const { clock, rows, trail: made } = trail()
  const hours = 3
  for (let minute = 0; minute < hours * 60; minute++) {
    for (let i = 0; i < 2 * auditSourcesMax; i++) made.record(refusal(`2001:db8:${minute}:${i}::/64`))
    expect(made.size).toBeLessThanOrEqual(auditSourcesMax + 1)
    clock.jump(60_000)
  }
  expect(rows.length).toBe(hours * 60 * 100)
})

test('refusals keep no other event out', () => {
  const { rows, trail: made } = trail()
  for (let i = 0; i < 2 * auditSourcesMax; i++) made.record(refusal(`2001:db8:0:${i}::/64`))
  for (let i = 0; i < 600; i++)
    made.record({ event: 'token-created', who: 'a1', what: `token ${i}`, from: '192.0.2.7' })
  expect(rows.filter(({ event }) => event === 'token-created').length).toBe(600)
})

test('a trail that ends says what was left out', () => {
  const { rows, trail: made } = trail()
  for (let i = 0; i < 15; i++) made.record(refusal('192.0.2.7'))
  made.close('after its last consistency point')
  expect(rows.slice(10).map(({ event, what, leftOut }) => [event, what, leftOut])).toEqual([
    ['refused', 'more of these', 5],
    ['server-stopped', 'after its last consistency point', 0],
  ])
})

test('a token that stands in a text is cut to its id, and a long text is cut', () => {
  const { rows, trail: made } = trail()
  const token = `sp_0a1b2c3d4e5f6071_${'x-_9'.repeat(10)}wxY`
  made.record({ event: 'refused', who: token, what: `GET /v1/files/${token}/x`, from: `at ${token}` })
  made.record({ event: 'refused', who: null, what: 'y'.repeat(10_000), from: null })
  expect(rows[0]).toMatchObject({
    who: 'sp_0a1b2c3d4e5f6071_…',
    what: 'GET /v1/files/sp_0a1b2c3d4e5f6071_…/x',
    source: 'at sp_0a1b2c3d4e5f6071_…',
  })
  expect(rows[1]!.what.length).toBe(256)
})

interface Line {
  readonly logger: string
  readonly properties: { readonly event: string }
}

/** Runs the work, and gives every line that was logged meanwhile. */
async function logged(work: () => Promise<void>): Promise<string> {
  const plain = process.stderr.write
  let text = ''
  process.stderr.write = (chunk: string) => {
    text += chunk
    return true
  }
  try {
    await startLogging('debug')
    await work()
  } finally {
    process.stderr.write = plain
    await startLogging('error')
  }
  return text
}

const auditOf = (data: string): readonly (readonly unknown[])[] =>
  rowsOf(catalogPath(data), 'SELECT event, what FROM audit ORDER BY id')

test('a pair writes what happened on both sides, and no secret is in any file or line', async () => {
  const place = folder()
  const secret = 'a-planted-secret-0123456789abcdef'
  const wrong = 'a-wrong-secret-0123456789abcdef'
  const [secretFile, here, there] = [join(place, 'key'), join(place, 'here'), join(place, 'there')]
  writeFileSync(secretFile, secret, { mode: 0o600 })
  const text = await logged(async () => {
    const mirror = await start(there, { verb: 'mirror', flags: { secretFile } })
    const primary = await start(here, { flags: { secretFile } })
    for (let i = 0; i < 30; i++) {
      const headers = { Authorization: `Bearer ${wrong}`, 'Content-Type': 'application/octet-stream' }
      await (await fetch(`${mirror.url}/replica/v1/frames`, { method: 'POST', headers, body: 'x' })).text()
    }
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${wrong}` }
    const body = JSON.stringify({ url: mirror.url })
    const added = await fetch(`${primary.url}/v1/mirrors`, { method: 'POST', headers, body })
    const { id } = (await added.json()) as { id: string }
    expect(added.status).toBe(201)
    const put = await fetch(`${primary.url}/v1/files/a?durability=mirrored`, { method: 'PUT', body: 'a' })
    expect(put.status).toBe(201)
    expect((await fetch(`${primary.url}/v1/mirrors/${id}`, { method: 'DELETE' })).status).toBe(204)
    await stop(primary)
    await stop(mirror)
  })
  const events = (data: string) => auditOf(data).map(([event]) => event)
  expect(events(here)).toEqual([
    'server-started',
    'adopted',
    'mirror-added',
    'mirror-removed',
    'server-stopped',
  ])
  expect(events(there)).toEqual([
    'server-started',
    ...Array.from({ length: 10 }, () => 'refused'),
    'adopted',
    'refused',
    'server-stopped',
  ])
  expect(auditOf(here)[0]![1]).toBe('primary with data, listen, secretFile, volumeBytesMax, logBytes')
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
    .filter(({ logger }) => logger === 'stillpoint.audit')
  expect(lines.length).toBe(events(here).length + events(there).length)
  for (const data of [here, there])
    for (const name of readdirSync(data)) {
      const bytes = readFileSync(join(data, name))
      for (const word of [secret, wrong]) expect([name, bytes.includes(word)]).toEqual([name, false])
    }
  for (const word of [secret, wrong]) expect(text).not.toContain(word)
})

test('an older copy writes why it is fenced, and that the fence is lifted', async () => {
  const place = folder()
  const [here, copy] = [join(place, 'here'), join(place, 'copy')]
  const mirror = await start(join(place, 'there'), { verb: 'mirror' })
  const put = async (url: string, name: string) => {
    const path = `${url}/v1/files/${name}?durability=mirrored`
    expect((await fetch(path, { method: 'PUT', body: name })).status).toBe(201)
  }
  const first = await start(here, { mirrors: [mirror.url] })
  await put(first.url, 'a')
  await stop(first)
  cpSync(here, copy, { recursive: true })
  const second = await start(here, { mirrors: [mirror.url] })
  await put(second.url, 'b')
  await stop(second)

  const older = await start(copy, { mirrors: [mirror.url] })
  const isFenced = async () =>
    (await (await fetch(`${older.url}/metrics`)).text()).includes('\nstillpoint_fenced 1\n')
  while (!(await isFenced())) await Bun.sleep(10)
  await stop(older)
  await stop(await start(copy, { acceptLoss: ['history'] }))
  const told = auditOf(copy).filter(([event]) => String(event).startsWith('fence'))
  expect(told).toEqual([
    ['fenced', expect.stringMatching(/^the mirror at http:\S+ has a later consistency point, \d+$/)],
    ['fence-lifted', 'what a later copy of the volume has is given up'],
  ])
})
