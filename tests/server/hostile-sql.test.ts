/**
 * Statements of strangers over HTTP. Each is refused, or stopped by a limit, while other requests go on; nothing is read or
 * written but the answer, and afterwards the next question is answered.
 */
import { expect, test } from 'bun:test'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunningServer } from '../../src/server/running-server.ts'
import { askSql, postSql, type SqlRefusal } from './ask-sql.ts'
import { bombs, refusedStatements } from './hostile-statements.ts'
import { served } from './served.ts'

const { folder, start } = served()

const flags = {
  sqlMsMax: '400',
  sqlMemoryBytesMax: '64MiB',
  sqlAnswerBytesMax: '1MiB',
  sqlRowsMax: '1000000',
}

async function startFilled(data: string): Promise<RunningServer> {
  const server = await start(data, { flags })
  for (let file = 0; file < 10; file++)
    await fetch(`${server.url}/v1/files/d/file-${file}`, { method: 'PUT', body: 'x' })
  const taken = (await (await fetch(`${server.url}/v1/cps`, { method: 'POST' })).json()) as { cp: number }
  await askSql(server.url, 'SELECT 1', { minCp: taken.cp })
  return server
}

/** Other requests are answered while a statement runs. */
async function beside<T>({ url }: RunningServer, work: Promise<T>): Promise<T> {
  const state = { isOver: false }
  const others = (async () => {
    do {
      expect((await fetch(`${url}/v1/files/beside`, { method: 'PUT', body: 'y' })).ok).toBe(true)
      expect(await (await fetch(`${url}/v1/files/beside`)).text()).toBe('y')
    } while (!state.isOver)
  })()
  try {
    return await work
  } finally {
    state.isOver = true
    await others
  }
}

/** Asks again while a commit of what happens beside keeps the question out. */
async function asked({ url }: RunningServer, query: string): Promise<Response> {
  for (;;) {
    const answer = await postSql(url, query)
    if (answer.status !== 503) return answer
    await answer.text()
  }
}

/** Files of a volume that is served, whatever happens. */
const own = /^(?:volume\.blk|catalog\.db(?:-journal)?|lock(?:\.\d+)?|pair-keys\.json)$/

test('statements that are none of ours are refused, and touch nothing', async () => {
  const outside = folder()
  writeFileSync(join(outside, 'evil.so'), 'not a library')
  const data = folder()
  const server = await startFilled(data)
  const statements = refusedStatements(outside, data)
  expect(statements.length).toBeGreaterThan(60)
  const others: [string, string][] = []
  for (const query of statements) {
    const answer = await postSql(server.url, query)
    const { code = 'answered', detail = '' } = (await answer.json()) as Partial<SqlRefusal>
    if (answer.status !== 400 || code !== 'bad-sql') others.push([query.slice(0, 120), code])
    expect(detail).not.toMatch(/\n|node_modules|at .*\.ts/)
  }
  expect(others).toEqual([])
  expect(readdirSync(outside)).toEqual(['evil.so'])
  expect(readdirSync(data).filter((name) => !own.test(name))).toEqual([])
  expect(existsSync('/uri.db')).toBe(false)
  const { rows } = await askSql(server.url, "SELECT count(*) FROM files WHERE path LIKE 'd/%'")
  expect(rows).toEqual([[10]])
}, 60_000)

test('bombs are stopped by a limit that the answer names, while other requests go on', async () => {
  const data = folder()
  const server = await startFilled(data)
  const limits = new Set<string>()
  const others: [string, string][] = []
  for (const query of bombs) {
    const answer = await beside(server, asked(server, query))
    const { code = 'answered', limit, most } = (await answer.json()) as Partial<SqlRefusal>
    if (answer.status !== 413 || code !== 'sql-limit') others.push([query.slice(0, 120), code])
    else limits.add(limit!)
    if (code === 'sql-limit') expect(most).toBeGreaterThan(0)
    expect(await (await asked(server, 'SELECT 1')).json()).toMatchObject({ rows: [[1]] })
  }
  expect(others).toEqual([])
  // Each kind of limit has ended something.
  for (const limit of [
    '--sql-ms-max',
    '--sql-memory-bytes-max',
    '--sql-value-bytes-max',
    '--sql-answer-bytes-max',
  ])
    expect(limits).toContain(limit)
  expect(readdirSync(data).filter((name) => !own.test(name))).toEqual([])
}, 240_000)

test('parameters and numbers of a request are values, whatever they are', async () => {
  const server = await startFilled(folder())
  const raw = async (body: string) => {
    const answer = await fetch(`${server.url}/v1/sql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    })
    return [answer.status, ((await answer.json()) as { code?: string }).code ?? 'answered']
  }
  const many = JSON.stringify(Array.from({ length: 101 }, () => 1))
  const rows: readonly (readonly [string, string])[] = [
    ['{"query":"SELECT ?","params":["\'; DROP TABLE meta; --"]}', 'answered'],
    ['{"query":"SELECT ?","params":["\\u0000"]}', 'answered'],
    ['{"query":"SELECT ?","params":[9007199254740993]}', 'answered'],
    ['{"query":"SELECT ?","params":[1e308]}', 'answered'],
    ['{"query":"SELECT 1 LIMIT ?","params":[-1]}', 'answered'],
    ['{"query":"SELECT path FROM files LIMIT ?","params":["1 UNION SELECT 1"]}', 'bad-sql'],
    ['{"query":"SELECT ?","params":[{"a":1}]}', 'bad-json'],
    ['{"query":"SELECT ?","params":[[1]]}', 'bad-json'],
    ['{"query":"SELECT ?","params":{"a":1}}', 'bad-json'],
    ['{"query":["SELECT 1"]}', 'bad-json'],
    ['{"query":"SELECT 1","maxRows":-1}', 'bad-json'],
    ['{"query":"SELECT 1","maxRows":1e300}', 'bad-json'],
    ['{"query":"SELECT 1","views":["audit"]}', 'bad-json'],
    ['{"query":"SELECT 1","__proto__":{"views":["audit"]}}', 'bad-json'],
    [`{"query":"SELECT 1","params":${many}}`, 'sql-limit'],
    ['{"query":"SELECT ?1, ?99","params":[1]}', 'bad-sql'],
    ['{"query":"SELECT ?999999999","params":[1]}', 'bad-sql'],
    ['{"query":"SELECT $a, @b, :c"}', 'bad-sql'],
  ]
  for (const [body, code] of rows) expect([body, (await raw(body))[1]!]).toEqual([body, code])
}, 30_000)
