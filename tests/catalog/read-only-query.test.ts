import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runReadOnlyQuery } from '../../src/catalog/read-only-query.ts'
import { hasCode } from '../../src/lib/errors.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'
import { cpRow, open, transferRow } from './rows.ts'

const folder = temporaryFolders()

function filled() {
  const path = join(folder(), 'catalog.db')
  const { catalog } = open(path)
  for (let cp = 1; cp <= 4; cp++) catalog.recordCp(cpRow(cp))
  catalog.recordTransfer(transferRow(3, { bytes: 100 }))
  catalog.recordTransfer(transferRow(3, { bytes: 11, kind: 'want' }))
  catalog.close()
  return path
}

describe('the views', () => {
  const columns = {
    cps: 'cp epoch root_hash cause send_ms build_ms commit_ms blocks_written bytes_written coalesced bytes_sent committed_at committed_ms',
    transfers: 'mirror kind cp blocks bytes ms at at_ms',
  }
  test.each(Object.entries(columns))('%s has its stable columns', (view, names) => {
    const path = filled()
    expect(runReadOnlyQuery(path, `SELECT * FROM ${view}`).columns).toEqual(names.split(' '))
  })

  test('times are RFC 3339 with milliseconds, and bytes sent are added up', () => {
    const path = filled()
    expect(
      runReadOnlyQuery(path, 'SELECT cp, bytes_sent, committed_at FROM cps WHERE cp >= 2 ORDER BY cp').rows,
    ).toEqual([
      [2, 0, '2024-01-01T00:00:02.000Z'],
      [3, 111, '2024-01-01T00:00:03.000Z'],
      [4, 0, '2024-01-01T00:00:04.000Z'],
    ])
  })
})

test.each([
  'SELECT count(*) FROM cps',
  'SELECT 1;',
  'SELECT 1 -- a remark',
  'WITH a AS (SELECT cp FROM cps) SELECT count(*) FROM a',
  'WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 3) SELECT n FROM a',
  'SELECT c.cp, t.kind FROM cps c LEFT JOIN transfers t ON t.cp = c.cp',
  'SELECT cp, rank() OVER (ORDER BY bytes_written) FROM cps',
  "SELECT json_object('cp', cp), strftime('%Y', committed_at) FROM cps",
  'VALUES (1, 2)',
])('allowed: %s', (query) => {
  const path = filled()
  expect(runReadOnlyQuery(path, query).rows.length).toBeGreaterThan(0)
})

test.each([
  '',
  ';',
  'SELEC 1',
  'SELECT 1; DROP TABLE meta',
  'SELECT 1; SELECT 2',
  'SELECT value FROM meta',
  'SELECT cp FROM cp_rows',
  'WITH transfers AS (SELECT value FROM meta) SELECT * FROM transfers',
  'SELECT * FROM sqlite_schema',
  "SELECT * FROM pragma_table_info('cps')",
  'PRAGMA table_info(cps)',
  "ATTACH 'other.db' AS other",
  "VACUUM INTO 'copy.db'",
  "SELECT load_extension('x')",
  "INSERT INTO meta VALUES ('a', 'b')",
  'DELETE FROM cp_rows',
  'CREATE TEMP TABLE t (a)',
  'EXPLAIN SELECT 1',
])('refused: %s', (query) => {
  const path = filled()
  let refusal: unknown
  try {
    runReadOnlyQuery(path, query)
  } catch (error) {
    refusal = error
  }
  expect(hasCode(refusal, 'bad-parameter')).toBe(true)
  expect((refusal as Error).message).not.toContain('\n')
})

test('rows are limited, and the answer says so', () => {
  const path = filled()
  const result = runReadOnlyQuery(path, 'SELECT cp FROM cps', 2)
  expect(result.rows.length).toBe(2)
  expect(result.truncated).toBe(true)
})

test('a missing catalog is an error, and is not made', () => {
  const path = join(folder(), 'catalog.db')
  expect(() => runReadOnlyQuery(path, 'SELECT 1')).toThrow('there is no catalog')
  expect(existsSync(path)).toBe(false)
})
