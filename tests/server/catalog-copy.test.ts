/** `sql` reads a copy: its server has the catalog to itself. */
import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { copyFileSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runReadOnlyQuery } from '../../src/catalog/read-only-query.ts'
import { withCatalogCopy } from '../../src/server/volume-folder.ts'
import { cpRow, open } from '../catalog/rows.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'

const folder = temporaryFolders()

test('while the catalog is open a copy has all that was written, and nothing is left of it', () => {
  const place = folder()
  const { catalog } = open(join(place, 'catalog.db'))
  for (let cp = 1; cp <= 3000; cp++) {
    catalog.recordCp(cpRow(cp))
    if (cp % 100 === 0) catalog.flush()
  }
  let copied = ''
  const { rows } = withCatalogCopy(place, (path) => {
    copied = path
    return runReadOnlyQuery(path, 'SELECT count(*), max(cp) FROM cps')
  })
  expect(rows).toEqual([[3000, 3000]])
  expect(() => readdirSync(join(copied, '..'))).toThrow()
  catalog.close()
})

test('a copy that is made while a process writes is of one moment', async () => {
  const place = folder()
  const writer = Bun.spawn([process.execPath, join(import.meta.dir, 'catalog-writer.ts'), place], {
    stdout: 'pipe',
    stderr: 'inherit',
  })
  try {
    await writer.stdout.getReader().read()
    let before = 0
    for (let i = 0; i < 40; i++)
      withCatalogCopy(place, (path) => {
        const database = new Database(path)
        expect(database.query('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
        const found = database.query<{ n: number; first: number; last: number }, []>(
          'SELECT count(*) AS n, min(cp) AS first, max(cp) AS last FROM cps',
        )
        const { n, first, last } = found.get()!
        database.close()
        // Whole transactions of the writer, without a gap, and never older than the copy before.
        expect({ n, span: last - first + 1, isWhole: last % 50 }).toEqual({ n: 3000, span: 3000, isWhole: 0 })
        expect(last).toBeGreaterThanOrEqual(before)
        before = last
      })
  } finally {
    writer.kill('SIGKILL')
    await writer.exited
  }
}, 30_000)

/** What a write-ahead log begins with; it differs after the log has begun again. */
const beginOf = (place: string) => readFileSync(join(place, 'catalog.db-wal')).subarray(0, 32).toString('hex')

test('the write-ahead log begins again while it is copied: it is copied once more', () => {
  const place = folder()
  const { catalog } = open(join(place, 'catalog.db'))
  let last = 0
  const write = (rows: number) => {
    for (const end = last + rows; last < end;) {
      catalog.recordCp(cpRow(++last))
      if (last % 50 === 0) catalog.flush()
    }
  }
  write(1000)
  let copies = 0
  const copyFile: typeof copyFileSync = (source, target) => {
    copyFileSync(source, target)
    if (copies++ > 0) return
    // The log moves into the file, whose copy does not have it, and begins again with few rows.
    for (const before = beginOf(place); beginOf(place) === before;) write(500)
  }
  const query = 'SELECT count(*), max(cp) FROM cps'
  const { rows } = withCatalogCopy(place, (path) => runReadOnlyQuery(path, query), copyFile)
  expect(rows).toEqual([[last, last]])
  catalog.close()
})

test('without a catalog it is one sentence', () => {
  expect(() => withCatalogCopy(folder(), () => 0)).toThrow('there is no catalog')
})
