/**
 * Each query of the catalog fails, once or for a while, with each kind of SQLite's errors: nothing is thrown, no row is
 * lost or doubled, and everything is in the file when the file can be used again.
 */
import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { OpenedFile } from '../../src/catalog/catalog-file.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'
import { cpRow, open, transferRow, untilWrittenMs } from './rows.ts'

const folder = temporaryFolders()

const codes = [
  'SQLITE_BUSY',
  'SQLITE_FULL',
  'SQLITE_IOERR_READ',
  'SQLITE_IOERR_WRITE',
  'SQLITE_IOERR_FSYNC',
  'SQLITE_READONLY',
  'SQLITE_CANTOPEN',
  'SQLITE_NOMEM',
  'SQLITE_PROTOCOL',
]

/** Only SQLite makes a SQLiteError; the name is what tells one. */
const sqliteError = (code: string): Error => Object.assign(new Error(code), { name: 'SQLiteError', code })

const openedOf = (catalog: Catalog): OpenedFile =>
  (catalog as unknown as { file: { opened: OpenedFile } }).file.opened

/** Lets the query with this number fail, `times` times, and those after it succeed. */
function failQueries(catalog: Catalog, at: number, times: number, code: string): () => number {
  let made = 0
  const { statements } = openedOf(catalog) as unknown as {
    statements: Record<string, Record<string, unknown>>
  }
  for (const statement of Object.values(statements))
    for (const name of ['run', 'all', 'get']) {
      const member = statement[name]
      if (typeof member !== 'function') continue
      const real = member as (...given: unknown[]) => unknown
      statement[name] = (...given: unknown[]): unknown => {
        const index = made++
        if (index >= at && index < at + times) throw sqliteError(code)
        return real.apply(statement, given)
      }
    }
  return () => made
}

/** All that a server does with its catalog. */
function use(catalog: Catalog, clock: { jump(ms: number): void }): void {
  catalog.recordCp(cpRow(11))
  catalog.recordTransfer(transferRow(11))
  clock.jump(untilWrittenMs)
  catalog.listCps(100)
  catalog.getCp(3)
  catalog.recordCp(cpRow(12))
  catalog.newestAtOrBefore(cpRow(12).committedMs)
  catalog.recordCp(cpRow(13))
  clock.jump(untilWrittenMs)
}

const wanted = Array.from({ length: 10 }, (_, i) => 13 - i)

function expectAll(path: string): void {
  const database = new Database(path, { readonly: true })
  const cps = database.query<{ cp: number }, []>('SELECT cp FROM cp_rows ORDER BY cp DESC').all()
  const transfers = database.query<{ n: number }, []>('SELECT count(*) AS n FROM transfer_rows').get()
  database.close()
  expect(cps.map(({ cp }) => cp)).toEqual(wanted)
  expect(transfers).toEqual({ n: 1 })
}

test.each(codes)(
  '%s of any query: nothing is lost, doubled or thrown',
  (code) => {
    for (const times of [1, 3])
      for (let at = 0, queries = Infinity; at < queries; at++) {
        const path = join(folder(), 'catalog.db')
        // As many rows as are kept, so that old ones are dropped as well.
        const { catalog, clock } = open(path, { rowsMax: 10 })
        for (let cp = 1; cp <= 10; cp++) catalog.recordCp(cpRow(cp))
        expect(catalog.flush()).toBe(true)
        const queriesMade = failQueries(catalog, at, times, code)
        use(catalog, clock)
        queries = queriesMade()
        // What is left of the failures happens now; a read that fails shows what is queued.
        for (let i = 0; i < times; i++) catalog.listCps(1)
        clock.jump(untilWrittenMs)
        expect(catalog.listCps(100).map(({ cp }) => cp)).toEqual(wanted)
        expect(catalog.dropped).toBe(0)
        catalog.close()
        expectAll(path)
      }
  },
  30_000,
)

test('a full disk: rows wait, and are written when there is space', () => {
  const path = join(folder(), 'catalog.db')
  const { catalog, clock } = open(path)
  catalog.recordCp(cpRow(1))
  expect(catalog.flush()).toBe(true)
  const { database } = openedOf(catalog)
  database.run('PRAGMA max_page_count = 1')
  for (let cp = 2; cp <= 2000; cp++) catalog.recordCp(cpRow(cp))
  expect(catalog.flush()).toBe(false)
  clock.jump(untilWrittenMs)
  expect(catalog.listCps(3).map(({ cp }) => cp)).toEqual([2000, 1999, 1998])
  database.run('PRAGMA max_page_count = 1000000')
  clock.jump(untilWrittenMs)
  catalog.close()
  const again = new Database(path, { readonly: true })
  expect(again.query<{ n: number }, []>('SELECT count(*) AS n FROM cp_rows').get()).toEqual({ n: 2000 })
  again.close()
})

test('a file that lacks a column of its journal is set aside at the open, and a fresh file is used', () => {
  const path = join(folder(), 'catalog.db')
  const first = open(path)
  first.catalog.recordCp(cpRow(1))
  first.catalog.close()
  const database = new Database(path)
  database.run('DROP VIEW IF EXISTS cps')
  database.run('ALTER TABLE cp_rows RENAME COLUMN coalesced TO merged')
  database.close()
  const { catalog, clock, aside } = open(path)
  catalog.recordCp(cpRow(2))
  clock.jump(untilWrittenMs)
  expect(catalog.flush()).toBe(true)
  expect(aside).toEqual(['foreign'])
  expect(catalog.listCps(10).map(({ cp }) => cp)).toEqual([2])
  catalog.close()
  const again = open(path)
  expect(again.catalog.listCps(10).map(({ cp }) => cp)).toEqual([2])
  again.catalog.close()
})

test('a damaged file that cannot be set aside yet is set aside later', () => {
  const path = join(folder(), 'catalog.db')
  writeFileSync(path, new Uint8Array(200_000).fill(0x5a))
  let refusals = 3
  const { aside, ...rest } = open(join(folder(), 'other.db'))
  rest.catalog.close()
  const { catalog, clock } = open(path, {
    setAside(file, reason) {
      if (refusals-- > 0) throw Object.assign(new Error('read-only'), { code: 'EROFS' })
      aside.push(reason)
      writeFileSync(file, '')
    },
  })
  for (let cp = 1; cp <= 5; cp++) {
    catalog.recordCp(cpRow(cp))
    clock.jump(untilWrittenMs)
  }
  expect(aside).toEqual(['corrupt'])
  expect(catalog.listCps(10).map(({ cp }) => cp)).toEqual([5, 4, 3, 2, 1])
  catalog.close()
})
