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
  const primary = await start(sides.primary, { mirrors: [mirror.url] })
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
  const to = await takeCp()
  await follow(to)

  const blocks = [...text.matchAll(/```sql\n([^]*?)```/g)].map(([, query]) =>
    query!.replace('after_cp >= 12 AND cp <= 15', `after_cp >= ${from} AND cp <= ${to}`),
  )
  const files = [
    [
      ['photos/2024/sea.jpg', 6000],
      ['photos/2024/hill.jpg', 3000],
      ['notes', 200],
    ],
    [
      ['', 9210, 4],
      ['photos', 9000, 2],
      ['photos/2024', 9000, 2],
    ],
    [
      [to, 'renamed', 'file', 'new name', 'old name', 10, 10],
      [to, 'created', 'file', 'notes', null, null, 200],
      [to, 'deleted', 'file', 'notes.txt', null, 100, null],
      [to, 'changed', 'file', 'photos/2024/sea.jpg', null, 5000, 6000],
    ],
    [[to, 1]],
    [['notes', '2001-02-03T04:05:06.000Z']],
    [
      ['image/jpeg', 2, 9000],
      ['text/plain', 1, 200],
      ['none', 1, 10],
    ],
    [
      ['ada', 6000],
      ['bob', 3000],
    ],
  ]
  for (const side of [primary, mirror]) {
    const answers: (readonly Cell[])[][] = []
    for (const query of blocks) answers.push([...(await askSql(side.url, query)).rows])
    expect(answers.slice(0, files.length)).toEqual(files)
    const [bytes, lag, slow, coalesced] = answers.slice(files.length)
    const ids = (await askSql(side.url, 'SELECT DISTINCT mirror FROM transfers')).rows
    expect(ids).toHaveLength(1)
    const hour = /^\d{4}-\d\d-\d\d \d\d:00$/
    for (const rows of [bytes!, lag!])
      for (const [id, at, value] of rows) {
        expect([id]).toEqual([...ids[0]!])
        expect(at).toMatch(hour)
        expect(value).toBeGreaterThanOrEqual(0)
      }
    expect(bytes![0]![2]).toBeGreaterThan(9000)
    expect(slow!.map(([cp]) => cp)).toContain(to)
    for (const row of slow!) expect(['send', 'build', 'commit']).toContain(row[3] as string)
    expect(coalesced).toHaveLength(1)
    expect(coalesced![0]![1]).toBe(Number(coalesced![0]![0]) * 4096)
  }
  expect(blocks).toHaveLength(files.length + 4)
}, 30_000)
