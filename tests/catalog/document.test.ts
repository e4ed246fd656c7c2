/** docs/sql.md: its views are those of the schema, and every question that it asks is answered, on a pair. */
import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { viewDescriptions } from '../../src/catalog/descriptions.ts'
import { migrations } from '../../src/catalog/migrations.ts'
import { publicViews } from '../../src/catalog/schema.ts'
import { withoutAlignment } from '../../tools/format-doc.ts'
import { renderSqlDocument } from '../../tools/sql-doc.ts'
import type { Cell } from './ask-catalog.ts'
import { askSql } from '../server/ask-sql.ts'
import { served } from '../server/served.ts'

const text = readFileSync(join(import.meta.dir, '../../docs/sql.md'), 'utf8')

describe('the views', () => {
  test('the document has them as they are described; `bun tools/sql-doc.ts --write` makes them', () => {
    expect(withoutAlignment(renderSqlDocument(text))).toBe(withoutAlignment(text))
    expect(() => renderSqlDocument('nothing')).toThrow('has no')
  })

  test('every view and column is described, with its type, and no other', () => {
    const database = new Database(':memory:')
    for (const { statements } of migrations) for (const statement of statements) database.run(statement)
    expect(Object.keys(viewDescriptions).toSorted()).toEqual([...publicViews].toSorted())
    for (const view of publicViews) {
      const columns = database
        .query<{ name: string; type: string }, [string]>('SELECT name, type FROM pragma_table_info(?)')
        .all(view)
      const described = viewDescriptions[view].columns
      expect(Object.keys(described)).toEqual(columns.map(({ name }) => name))
      // SQLite knows no type of a column that is computed.
      for (const { name, type } of columns)
        if (type !== '') expect([name, described[name]![0]]).toEqual([name, type.toLowerCase() as 'text'])
    }
  })
})

const { folder, start } = served()

test('every question has its answer, on both sides', async () => {
  const data = folder()
  const sides = { primary: join(data, 'p'), mirror: join(data, 'm') }
  const mirror = await start(sides.mirror, { verb: 'mirror' })
  const primary = await start(sides.primary, { mirrors: [mirror.url], flags: { cpIntervalMs: '60000' } })
  const { url } = primary
  const call = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
    expect(answer.status).toBeLessThan(300)
    return answer
  }
  const put = (path: string, bytes: number, headers: Record<string, string> = {}) =>
    call('PUT', `/v1/files/${path}`, 'x'.repeat(bytes), headers)
  const takeCp = async (): Promise<number> =>
    ((await (await call('POST', '/v1/cps')).json()) as { cp: number }).cp
  /** Both catalogs have this CP. */
  const follow = async (cp: number): Promise<void> => {
    for (const server of [primary, mirror])
      expect((await askSql(server.url, 'SELECT 1', { minCp: cp })).cp).toBeGreaterThanOrEqual(cp)
  }

  await put('photos/2024/sea.jpg', 5000, { 'content-type': 'image/jpeg', 'stillpoint-meta-owner': 'ada' })
  await put('photos/2024/hill.jpg', 3000, { 'content-type': 'image/jpeg', 'stillpoint-meta-owner': 'bob' })
  await put('notes.txt', 100, { 'content-type': 'text/plain', 'stillpoint-modified': '2001-02-03T04:05:06Z' })
  await put('old name', 10)
  const from = await takeCp()
  await follow(from)
  await put('photos/2024/sea.jpg', 6000, { 'content-type': 'image/jpeg', 'stillpoint-meta-owner': 'ada' })
  await call('DELETE', '/v1/files/notes.txt')
  await call('POST', '/v1/move', JSON.stringify({ from: 'old name', to: 'new name' }), {
    'content-type': 'application/json',
  })
  await put('notes', 200, { 'content-type': 'text/plain', 'stillpoint-modified': '2001-02-03T04:05:06Z' })
  await put('notes copy', 200, { 'content-type': 'text/plain' })
  // Replaced before it leaves: no consistency point comes but those that are asked for.
  for (let i = 0; i < 5; i++) await put('busy', 5000)
  await call('DELETE', '/v1/files/busy')
  const to = await takeCp()
  await follow(to)

  const blocks = [...text.matchAll(/```sql by .*\n([^]*?)```/g)].map(([, query]) =>
    query!.replace('after_cp >= 12 AND cp <= 15', `after_cp >= ${from} AND cp <= ${to}`),
  )
  const files = [
    [
      ['photos/2024/sea.jpg', 6000],
      ['photos/2024/hill.jpg', 3000],
      ['notes', 200],
    ],
    [
      ['', 9410, 5],
      ['photos', 9000, 2],
      ['photos/2024', 9000, 2],
    ],
    [
      [to, 'renamed', 'file', 'new name', 'old name', 10, 10],
      [to, 'created', 'file', 'notes', null, null, 200],
      [to, 'created', 'file', 'notes copy', null, null, 200],
      [to, 'deleted', 'file', 'notes.txt', null, 100, null],
      [to, 'changed', 'file', 'photos/2024/sea.jpg', null, 5000, 6000],
    ],
    [[to, 1]],
    [['notes', '2001-02-03T04:05:06.000Z']],
    [
      ['image/jpeg', 2, 9000],
      ['text/plain', 2, 400],
      ['none', 1, 10],
    ],
    [
      ['ada', 6000],
      ['bob', 3000],
    ],
  ]
  for (const { url: side } of [primary, mirror]) {
    const ask = async (query: string) => (await askSql(side, query)).rows
    // Rows of the history come a moment after what they tell: all is asked anew until none has come in between.
    let answers: Awaited<ReturnType<typeof ask>>[]
    let history: Awaited<ReturnType<typeof ask>>[]
    const askHistory = async () => [
      await ask('SELECT mirror, cp, bytes, at_ms FROM transfers'),
      await ask('SELECT cp, cause, send_ms, build_ms, commit_ms, committed_ms FROM cps'),
      await ask('SELECT sum(coalesced), sum(coalesced) * 4096, sum(bytes_written) FROM cps'),
    ]
    do {
      history = await askHistory()
      answers = []
      for (const query of blocks) answers.push(await ask(query))
    } while (!Bun.deepEquals(history, await askHistory()))
    const [transfers, cps, sums] = history
    expect(answers.slice(0, files.length)).toEqual(files)
    expect(answers.slice(files.length)).toEqual([
      ...fromHistory(transfers as [string, number, number, number][], cps as CpFacts[]),
      sums!,
      [[200, 2, 'notes, notes copy']],
    ])
  }
  const [[coalesced]] = (await askSql(primary.url, 'SELECT sum(coalesced) FROM cps')).rows as [[number]]
  expect(coalesced).toBeGreaterThan(0)
  expect(blocks).toHaveLength(files.length + 5)
}, 30_000)

type CpFacts = [cp: number, cause: string, send: number, build: number, commit: number, committedMs: number]

/** What travelled per hour, how far behind it was, and the slowest consistency points, without any SQL. */
function fromHistory(
  transfers: readonly [string, number, number, number][],
  cps: readonly CpFacts[],
): Cell[][][] {
  const bytes = new Map<string, number>()
  const lag = new Map<string, number>()
  const [mirror] = transfers[0]!
  for (const [id, cp, sent, atMs] of transfers) {
    expect(id).toBe(mirror)
    const hour = `${new Date(atMs).toISOString().slice(0, 13).replace('T', ' ')}:00`
    bytes.set(hour, (bytes.get(hour) ?? 0) + sent)
    const published = cps.find(([other]) => other === cp)
    if (published) lag.set(hour, Math.max(lag.get(hour) ?? 0, atMs - published[5]))
  }
  const perHour = (values: ReadonlyMap<string, number>) =>
    [...values].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([hour, value]) => [mirror, hour, value])
  const phases = ['send', 'build', 'commit'] as const
  const slow = cps
    .toSorted((a, b) => b[2] + b[3] + b[4] - (a[2] + a[3] + a[4]) || a[0] - b[0])
    .slice(0, 5)
    .map(([cp, cause, ...ms]) => {
      const steps = ms.slice(0, 3)
      return [
        cp,
        cause,
        tenths(steps.reduce((sum, step) => sum + step)),
        phases[steps.indexOf(Math.max(...steps))]!,
      ]
    })
  return [perHour(bytes), perHour(lag), slow]
}

/** As SQLite rounds. */
const tenths = (value: number): number => Number(value.toFixed(1))
