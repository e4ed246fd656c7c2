/** Questions in SQL over HTTP: what an answer is true for, who may ask, and what a question may take. */
import { describe, expect, test } from 'bun:test'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/lib/clock.ts'
import type { RunningServer } from '../../src/server/running-server.ts'
import { AccessPair } from '../access/access-pair.ts'
import { askSql, postSql, refusedSql } from './ask-sql.ts'
import { served } from './served.ts'

const place = served()
const { folder, start, stop } = place

const endless = 'WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT count(*) FROM a'
const put = async ({ url }: RunningServer, path: string, body = 'x'): Promise<void> => {
  expect((await fetch(`${url}/v1/files/${path}`, { method: 'PUT', body })).ok).toBe(true)
}
const takeCp = async ({ url }: RunningServer): Promise<number> =>
  ((await (await fetch(`${url}/v1/cps`, { method: 'POST' })).json()) as { cp: number }).cp
/** Value of a metric. */
async function metric({ url }: RunningServer, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`^stillpoint_${name} (\\S+)$`, 'm').exec(text)![1])
}

test('an answer names the consistency point that it is true for, on both sides, in every format', async () => {
  const mirror = await start(folder(), { verb: 'mirror' })
  const primary = await start(folder(), { mirrors: [mirror.url] })
  for (let round = 0; round < 3; round++) {
    await put(primary, `file ${round}`, 'x'.repeat(round + 1))
    const cp = await takeCp(primary)
    for (const { url } of [primary, mirror]) {
      const query = 'SELECT path, size FROM files WHERE path LIKE ? ORDER BY path'
      const answer = await askSql(url, query, { params: ['file%'], minCp: cp })
      expect(answer).toMatchObject({ cp, truncated: false })
      expect(answer.rows).toHaveLength(round + 1)
      expect(answer.rows.at(-1)).toEqual([`file ${round}`, round + 1])
      expect(answer.columns).toEqual([
        { name: 'path', type: 'text' },
        { name: 'size', type: 'integer' },
      ])
      const rows = { maxRows: 1, params: ['file%'] }
      const csv = await postSql(url, query, { ...rows, accept: 'text/csv' })
      expect(csv.headers.get('Content-Type')).toStartWith('text/csv')
      expect(await csv.text()).toBe('path,size\r\nfile 0,1\r\n')
      const ndjson = await postSql(url, query, { ...rows, accept: 'application/x-ndjson' })
      expect(JSON.parse(await ndjson.text())).toEqual({ path: 'file 0', size: 1 })
      for (const { headers } of [csv, ndjson]) {
        expect(headers.get('Stillpoint-CP')).toBe(String(cp))
        expect(headers.get('Stillpoint-Truncated')).toBe(String(round > 0))
        expect(headers.get('Cache-Control')).toBe('no-store')
      }
    }
  }
  const beyond = await refusedSql(primary.url, 'SELECT 1; SELECT 2')
  expect(beyond).toMatchObject({ status: 400, code: 'bad-sql' })
  const late = await fetch(`${primary.url}/v1/sql?minCp=999`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"query":"SELECT 1"}',
  })
  expect([late.status, late.headers.get('Retry-After')]).toEqual([503, '1'])
}, 30_000)

test('no files, no answer: 503 with a code, and when to try again', async () => {
  const off = await start(folder(), { flags: { catalogFiles: 'off' } })
  const none = await start(folder(), { flags: { sqlQueriesMax: '0' } })
  for (const { url } of [off, none]) {
    const answer = await postSql(url, 'SELECT 1')
    expect([answer.status, answer.headers.get('Retry-After')]).toEqual([503, '2'])
    expect(await answer.json()).toMatchObject({ code: 'catalog-unready' })
  }
})

describe('who may ask', () => {
  const views = async (url: string, token: string): Promise<string[]> => {
    const answer = await fetch(`${url}/v1/sql/schema`, { headers: { Authorization: `Bearer ${token}` } })
    return ((await answer.json()) as { views: { name: string }[] }).views.map(({ name }) => name)
  }

  test('readers see files and history; mirrors and the audit trail take the right to see those', async () => {
    const pair = await AccessPair.start(place)
    const reader = (await pair.make('reader')).token
    const prefixed = (await pair.make('reader', { prefix: 'home' })).token
    const cp = await pair.put('home/a')
    const known = ['catalog', 'changes', 'cps', 'directories', 'events', 'files']
    for (const { url } of [pair.primary, pair.mirror]) {
      expect((await views(url, reader)).toSorted()).toEqual(known)
      expect((await views(url, pair.admin)).toSorted()).toEqual(
        [...known, 'audit', 'mirrors', 'transfers'].toSorted(),
      )
      for (const view of ['audit', 'mirrors', 'transfers']) {
        const query = `SELECT * FROM ${view}`
        expect((await refusedSql(url, query, { token: reader, minCp: cp })).code).toBe('bad-sql')
        expect((await postSql(url, query, { token: pair.admin })).status).toBe(200)
      }
      expect((await postSql(url, 'SELECT path FROM files', { token: reader })).status).toBe(200)
      expect((await postSql(url, 'SELECT 1', { token: prefixed })).status).toBe(403)
      expect((await postSql(url, 'SELECT 1')).status).toBe(401)
    }
  }, 30_000)

  test('nobody asks without a token where reading takes none', async () => {
    const data = folder()
    const open = await start(data)
    const made = await fetch(`${open.url}/v1/tokens`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'first', role: 'admin' }),
    })
    const { token } = (await made.json()) as { token: string }
    await stop(open)
    const { url } = await start(data, { flags: { anonymous: 'read' } })
    expect((await fetch(`${url}/v1/dirs`)).status).toBe(200)
    expect((await postSql(url, 'SELECT 1')).status).toBe(401)
    expect((await fetch(`${url}/v1/sql/schema`)).status).toBe(401)
    expect((await postSql(url, 'SELECT 1', { token, minCp: 1 })).status).toBe(200)
  })
})

describe('what a question takes', () => {
  test('a query that runs up to its limit is stopped, delays the catalog at most so long, and nothing is lost', async () => {
    const data = folder()
    const server = await start(data, { flags: { sqlMsMax: '1500', cpIntervalMs: '10' } })
    await put(server, 'first')
    const first = await takeCp(server)
    await askSql(server.url, 'SELECT 1', { minCp: first })
    // Reads rows, so the file has a reader for as long as the query runs.
    const reading = refusedSql(
      server.url,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM files, n`,
    )
    let last = 0
    let journalMost = 0
    const state = { isReading: true }
    const ended = reading.then(() => (state.isReading = false))
    for (let file = 0; state.isReading; file++) {
      await put(server, `while ${file}`)
      last = await takeCp(server)
      for (const name of readdirSync(data)) {
        expect(name).not.toMatch(/-(?:wal|shm)$/)
        if (name === 'catalog.db-journal')
          journalMost = Math.max(journalMost, statSync(join(data, name)).size)
      }
    }
    await ended
    expect(await reading).toMatchObject({ status: 413, code: 'sql-limit', limit: '--sql-ms-max', most: 1500 })
    const { rows } = await askSql(
      server.url,
      'SELECT (SELECT count(*) FROM files), (SELECT count(*) FROM cps WHERE cp BETWEEN ? AND ?)',
      { minCp: last, params: [first, last] },
    )
    const listed = (await (await fetch(`${server.url}/v1/dirs?limit=1000`)).json()) as { entries: unknown[] }
    expect(rows[0]![0]).toBe(listed.entries.length)
    expect(rows[0]![1]).toBe(last - first + 1)
    // The pages that one commit changes, and no log of all that a reader has not seen.
    expect(journalMost).toBeLessThan(2 ** 20)
    expect(await metric(server, 'catalog_dropped_rows_total')).toBe(0)
    expect(await metric(server, 'sql_stopped_total')).toBe(1)
  }, 60_000)

  test('readers that follow each other without a gap do not starve the catalog', async () => {
    const server = await start(folder(), {
      flags: { sqlQueriesMax: '4', sqlMsMax: '400', cpIntervalMs: '10' },
    })
    await askSql(server.url, 'SELECT 1', { minCp: 1 })
    const state = { isOver: false }
    const read = async (): Promise<void> => {
      while (!state.isOver)
        await postSql(
          server.url,
          'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*), (SELECT count(*) FROM cps) FROM n',
        ).then((answer) => answer.text())
    }
    const readers = [read(), read(), read(), read()]
    for (let file = 0; file < 5; file++) {
      await put(server, `file ${file}`)
      const cp = await takeCp(server)
      const { rows } = await askSql(server.url, 'SELECT count(*) FROM cps WHERE cp = ?', {
        minCp: cp,
        params: [cp],
      })
      expect(rows).toEqual([[1]])
    }
    state.isOver = true
    await Promise.all(readers)
    expect(await metric(server, 'catalog_dropped_rows_total')).toBe(0)
  }, 60_000)

  test('one client has half of the places; beyond those that wait the next is refused', async () => {
    const server = await start(folder(), {
      flags: { sqlMsMax: '1000', sqlQueriesMax: '2', sqlWaitingMax: '2' },
    })
    await askSql(server.url, 'SELECT 1', { minCp: 1 })
    const first = refusedSql(server.url, endless)
    while ((await metric(server, 'sql_running')) < 1) await systemClock.sleep(5)
    const second = refusedSql(server.url, endless)
    while ((await metric(server, 'sql_waiting')) < 1) await systemClock.sleep(5)
    expect(await refusedSql(server.url, 'SELECT 1')).toMatchObject({ status: 429, code: 'too-many-requests' })
    for (const stopped of [first, second]) expect((await stopped).code).toBe('sql-limit')
  }, 30_000)

  test('a client that leaves gives up its query, and a server that stops gives up all', async () => {
    const server = await start(folder())
    await askSql(server.url, 'SELECT 1', { minCp: 1 })
    const leaving = new AbortController()
    const left = postSql(server.url, endless, { signal: leaving.signal }).catch(() => 'left')
    while ((await metric(server, 'sql_running')) < 1) await systemClock.sleep(5)
    leaving.abort()
    expect(await left).toBe('left')
    while ((await metric(server, 'sql_running')) > 0) await systemClock.sleep(5)
    const stopped = postSql(server.url, endless)
    while ((await metric(server, 'sql_running')) < 1) await systemClock.sleep(5)
    const ended = stop(server)
    expect((await stopped).status).toBe(503)
    await ended
  }, 30_000)
})
