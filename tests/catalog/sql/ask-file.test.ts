import { beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { statementLimits } from '../../../src/catalog/sql/question.ts'
import { recoverFile } from '../../../src/catalog/sql/recover-file.ts'
import { hasCode } from '../../../src/lib/errors.ts'
import { temporaryFolders } from '../../cli/temporary-folder.ts'
import { allViews, ask, rowsOf } from '../ask-catalog.ts'
import { cpRow, open, transferRow } from '../rows.ts'

const folder = temporaryFolders()

function filled(): string {
  const path = join(folder(), 'catalog.db')
  const { catalog } = open(path)
  for (let cp = 1; cp <= 4; cp++) catalog.recordCp(cpRow(cp))
  catalog.recordTransfer(transferRow(3, { bytes: 100 }))
  catalog.recordTransfer(transferRow(3, { bytes: 11, kind: 'want' }))
  catalog.close()
  return path
}
let shared = ''
beforeEach(() => {
  shared = filled()
})

/** What a token of the role reader may ask. */
const readerViews = ['catalog', 'directories', 'files', 'changes', 'cps']
const headOf = (query: string, more: Parameters<typeof ask>[2] = {}) => ask(shared, query, more).head

describe('the views', () => {
  const columns = {
    cps: 'cp epoch root_hash cause send_ms build_ms commit_ms blocks_written bytes_written coalesced bytes_sent committed_at committed_ms',
    transfers: 'mirror kind cp blocks bytes ms at at_ms',
  }
  test.each(Object.entries(columns))('%s has its stable columns', (view, names) => {
    const head = headOf(`SELECT * FROM ${view}`)
    expect(head.kind === 'answer' && head.columns.map(({ name }) => name)).toEqual(names.split(' '))
  })

  test('times are RFC 3339 with milliseconds, and bytes sent are added up', () => {
    expect(rowsOf(shared, 'SELECT cp, bytes_sent, committed_at FROM cps WHERE cp >= 2 ORDER BY cp')).toEqual([
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
  'WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 3) SELECT count(*) FROM a',
  'WITH meta AS (SELECT 1) SELECT count(*) FROM meta',
  'SELECT c.cp, t.kind FROM cps c LEFT JOIN transfers t ON t.cp = c.cp',
  'SELECT cp, rank() OVER (ORDER BY bytes_written) FROM cps',
  "SELECT json_object('cp', cp), strftime('%Y', committed_at) FROM cps",
  `SELECT key, value FROM json_each('{"a":1}')`,
  'VALUES (1, 2)',
])('allowed: %s', (query) => {
  expect(rowsOf(shared, query).length).toBeGreaterThan(0)
})

test('a reader reads no view, and counts no row, that needs more than to read', () => {
  for (const view of allViews) {
    const expected = readerViews.includes(view) ? 'answer' : 'bad'
    for (const query of [
      `SELECT * FROM ${view}`,
      `SELECT count(*) FROM ${view}`,
      `SELECT 1 FROM (SELECT 1) WHERE EXISTS (SELECT 1 FROM ${view})`,
      `WITH a AS (SELECT * FROM ${view}) SELECT * FROM a`,
    ])
      expect([query, headOf(query, { views: readerViews }).kind]).toEqual([query, expected])
    expect(headOf(`SELECT * FROM ${view}`).kind).toBe('answer')
  }
})

test('a name of one’s own opens no table behind a view', () => {
  for (const query of [
    'WITH cps AS (SELECT mirror FROM transfer_rows) SELECT * FROM cps',
    'WITH cps AS (SELECT mirror FROM transfers) SELECT * FROM cps',
    'WITH files AS (SELECT * FROM file_rows) SELECT * FROM files',
    'SELECT count(*) FROM main.transfer_rows',
    'SELECT count(*) FROM "transfer_rows"',
  ])
    expect([query, headOf(query, { views: readerViews }).kind]).toEqual([query, 'bad'])
})

describe('values', () => {
  const query = `SELECT 1 AS a, NULL AS b, 'x"y' AS c, '' AS d, x'00ff' AS e, 9223372036854775807 AS f, 9e999 AS g, 'é
,' AS h`
  test('in JSON, CSV and NDJSON', () => {
    expect(JSON.parse(ask(shared, query).text)).toEqual([
      [1, null, 'x"y', '', '00ff', '9223372036854775807', 'Infinity', 'é\n,'],
    ])
    expect(ask(shared, query, { format: 'csv' }).text).toBe(
      'a,b,c,d,e,f,g,h\r\n1,,"x""y","",00ff,9223372036854775807,Infinity,"é\n,"\r\n',
    )
    expect(ask(shared, `${query} UNION ALL SELECT 1,2,3,4,5,6,7,8`, { format: 'ndjson' }).text).toBe(
      '{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8}\n'.replace(
        /^/,
        '{"a":1,"b":null,"c":"x\\"y","d":"","e":"00ff","f":"9223372036854775807","g":"Infinity","h":"é\\n,"}\n',
      ),
    )
    for (const format of ['json', 'csv', 'ndjson'] as const) {
      const { head, text } = ask(shared, 'SELECT cp AS n FROM cps WHERE cp < 0', { format })
      expect(head).toMatchObject({ kind: 'answer', rows: 0, truncated: false, bytes: text.length })
      expect(text).toBe({ json: '[]', csv: 'n\r\n', ndjson: '' }[format])
    }
  })

  test('columns have the type that is declared, otherwise that of the first value', () => {
    const head = headOf("SELECT cp, cause, send_ms, cp + 1, NULL, x'00' FROM cps WHERE cp < 2")
    const types = head.kind === 'answer' && head.columns.map(({ type }) => type)
    expect(types).toEqual(['integer', 'text', 'real', 'integer', null, 'blob'])
  })

  test('an object has no two members of one name', () => {
    expect(headOf('SELECT 1 AS a, 2 AS a', { format: 'ndjson' })).toMatchObject({ kind: 'bad' })
    expect(headOf('SELECT 1 AS a, 2 AS a').kind).toBe('answer')
  })
})

describe('parameters', () => {
  test('are values, as many as the query has', () => {
    const params = [5, 'a', true, null, 1.5]
    const { head, text } = ask(shared, 'SELECT ?, ?, ?, ?, ?, typeof(?1), typeof(?5)', { params })
    expect(head.kind).toBe('answer')
    expect(JSON.parse(text)).toEqual([[5, 'a', 1, null, 1.5, 'integer', 'real']])
    expect(ask(shared, 'SELECT ?', { params: ["'; DROP TABLE cp_rows --"] }).text).toContain('DROP')
  })
  test.each([
    ['SELECT ?', []],
    ['SELECT ?, ?3', [1, 2]],
    ['SELECT 1', [1]],
    ['SELECT ?', [1, 2]],
    ['SELECT :a', []],
  ])('refused: %s with %p', (query, params) => {
    expect(headOf(query, { params })).toMatchObject({ kind: 'bad' })
  })
})

describe('limits', () => {
  test('rows end the answer, and the answer says so', () => {
    expect(headOf('SELECT cp FROM cps', { rowsMax: 2 })).toMatchObject({ rows: 2, truncated: true })
    expect(headOf('SELECT cp FROM cps', { rowsMax: 4 })).toMatchObject({ rows: 4, truncated: false })
    expect(headOf('SELECT cp FROM cps', { rowsMax: 0 })).toMatchObject({ rows: 0, truncated: true })
  })

  test('bytes of the answer, at the limit and one above', () => {
    const query = "SELECT 'aaaa' UNION ALL SELECT 'bbbb'"
    const { length } = '["aaaa"],["bbbb"]'
    expect(headOf(query, { bounds: { answerBytesMax: length } }).kind).toBe('answer')
    expect(headOf(query, { bounds: { answerBytesMax: length - 1 } })).toEqual({
      kind: 'limit',
      limit: '--sql-answer-bytes-max',
      most: length - 1,
    })
  })

  test('bytes of one value', () => {
    const query = "SELECT length(replace(printf('%100000d', 1), ' ', 'abc'))"
    expect(headOf(query, { bounds: { valueBytesMax: 400_000 } }).kind).toBe('answer')
    expect(headOf(query, { bounds: { valueBytesMax: 200_000 } })).toEqual({
      kind: 'limit',
      limit: '--sql-value-bytes-max',
      most: 200_000,
    })
  })

  const times = (count: number, text: string, between: string) =>
    Array.from({ length: count }, () => text).join(between)
  test.each([
    ['columns', statementLimits.columns, (most: number) => `SELECT ${times(most, '1', ',')}`],
    ['depth of an expression', statementLimits.depth, (most: number) => `SELECT ${times(most, '-', ' ')} 1`],
    ['SELECTs in a compound', statementLimits.selects, (most: number) => times(most, 'SELECT 1', ' UNION ')],
    [
      'arguments of a function',
      statementLimits.functionArguments,
      (most: number) => `SELECT max(${times(most, '1', ',')})`,
    ],
    [
      'bytes of a pattern',
      statementLimits.patternBytes,
      (most: number) => `SELECT 'a' LIKE '${times(most, '%', '')}'`,
    ],
    [
      'bytes of the query',
      statementLimits.bytes,
      (most: number) => `SELECT 1${' '.repeat(most - 'SELECT 1'.length)}`,
    ],
  ] as const)('%s', (limit, most, make) => {
    expect(headOf(make(most - 10)).kind).toBe('answer')
    expect(headOf(make(most + 10))).toEqual({ kind: 'limit', limit, most })
  })

  test('parameters', () => {
    const query = (count: number) => `SELECT coalesce(${times(20, '?', ',')}) = ?${count}`
    const params = (length: number) => Array.from({ length }, () => 1)
    const { params: most } = statementLimits
    expect(headOf(query(most), { params: params(most) }).kind).toBe('answer')
    expect(headOf(query(most), { params: params(most + 1) })).toMatchObject({ kind: 'limit', most })
  })
})

test('a missing catalog is no answer, and is not made', () => {
  const path = join(folder(), 'catalog.db')
  expect(ask(path, 'SELECT 1').head).toMatchObject({ kind: 'unready' })
  expect(() => recoverFile(path)).toThrow('there is no catalog')
  expect(existsSync(path)).toBe(false)
  expect(readdirSync(dirname(path))).toEqual([])
  try {
    recoverFile(path)
  } catch (error) {
    expect(hasCode(error, 'not-found')).toBe(true)
  }
})

test('the consistency point of the files comes with the answer', () => {
  const path = filled()
  expect(ask(path, 'SELECT 1').head).toMatchObject({ kind: 'answer', cp: null })
})
