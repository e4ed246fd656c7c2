/** `drizzle/`, the schema and the list inside the program say the same. */
import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { getTableName } from 'drizzle-orm'
import { migrations } from '../../src/catalog/migrations.ts'
import * as schema from '../../src/catalog/schema.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'

const root = join(import.meta.dir, '../..')
const folder = temporaryFolders()
const kit = join(root, 'node_modules/drizzle-kit/bin.cjs')

test('every migration of the folder is in the program, in the order of its journal', () => {
  const journal = JSON.parse(readFileSync(join(root, 'drizzle/meta/_journal.json'), 'utf8')) as {
    entries: { tag: string }[]
  }
  expect(migrations.map((migration) => migration.name)).toEqual(journal.entries.map((entry) => entry.tag))
  for (const { name, statements } of migrations)
    expect(statements).toEqual(
      readFileSync(join(root, 'drizzle', `${name}.sql`), 'utf8')
        .split('--> statement-breakpoint')
        .map((statement) => statement.trim()),
    )
})

test('the migrations make the public views and what is behind them', () => {
  const database = new Database(':memory:')
  for (const { statements } of migrations) for (const statement of statements) database.run(statement)
  const names = (type: string) =>
    database
      .query<{ name: string }, [string]>('SELECT name FROM sqlite_schema WHERE type = ? ORDER BY name')
      .all(type)
      .map((row) => row.name)
  expect(names('view')).toEqual([...schema.publicViews].sort())
  const tables = [...new Set(Object.values(schema.viewTables).flat())].sort()
  expect(names('table')).toEqual(['meta', ...tables].sort())
  expect(Object.keys(schema.viewTables).sort()).toEqual([...schema.publicViews].sort())
  const {
    cpRows,
    transferRows,
    auditRows,
    eventRows,
    mirrorRows,
    catalogState,
    directoryRows,
    fileRows,
    changeRows,
  } = schema
  const behind = [
    cpRows,
    transferRows,
    auditRows,
    eventRows,
    mirrorRows,
    catalogState,
    directoryRows,
    fileRows,
    changeRows,
  ]
  expect(tables).toEqual(behind.map((table) => getTableName(table)).sort())
  const made = database
    .query<{ sql: string }, []>(`SELECT sql FROM sqlite_schema WHERE name = 'file_rows'`)
    .get()
  expect(made!.sql).toEndWith('WITHOUT ROWID')
})

test.skipIf(!existsSync(kit) || Bun.which('node') === null)(
  'the schema has not drifted from the migrations (drizzle-kit generate finds nothing to add)',
  async () => {
    const copy = join(folder(), 'drizzle')
    cpSync(join(root, 'drizzle'), copy, { recursive: true })
    const before = readdirSync(copy, { recursive: true })
    const run = Bun.spawn(
      [
        'node',
        kit,
        'generate',
        '--dialect',
        'sqlite',
        '--schema',
        './src/catalog/schema.ts',
        '--out',
        relative(root, copy),
      ],
      { cwd: root, stdout: 'pipe', stderr: 'pipe', stdin: 'ignore' },
    )
    const output = `${await run.stdout.text()}${await run.stderr.text()}`
    expect(output).toContain('No schema changes')
    expect(await run.exited).toBe(0)
    expect(readdirSync(copy, { recursive: true })).toEqual(before)
  },
  30_000,
)
