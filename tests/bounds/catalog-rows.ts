/** Rows of the catalog, and what a pass over them remembers. */
import { Database } from 'bun:sqlite'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrations } from '../../src/catalog/migrations.ts'
import { FileTables } from '../../src/catalog/files/file-tables.ts'
import { LeavingEntries } from '../../src/catalog/files/leaving-entries.ts'
import { cpRow, eventRow, open as openCatalog, transferRow, untilWrittenMs } from '../catalog/rows.ts'
import type { Bound } from './bounds.ts'

export const catalogRows: readonly Bound[] = [
  {
    file: 'catalog/files/leaving-entries.ts',
    what: 'entries that left their place',
    most: 50,
    count: 200,
    make: () => {
      const leaving = new LeavingEntries(50)
      const entry = { directory: 1, name: 'a', path: 'a', kind: 'file', size: 1, cp: null } as const
      return {
        add: (i) => leaving.add(`${i}`, { ...entry, told: null }),
        size: () => [...leaving.rest()].length,
        knows: (i) => leaving.find(`${i}`) !== null,
        keeps: 'oldest',
        holder: leaving,
      }
    },
  },
  {
    file: 'catalog/files/file-tables.ts',
    what: 'rows of changes',
    most: 100,
    count: 500,
    make: () => {
      const database = new Database(':memory:', { strict: true })
      for (const { statements } of migrations) for (const statement of statements) database.run(statement)
      const tables = new FileTables(database)
      const change = { change: 'created', kind: 'file', path: 'a', fromPath: null, sizeBefore: null } as const
      return {
        add: (i) => {
          tables.putChange(i + 1, i, 0, { ...change, sizeAfter: 1 })
          tables.dropChanges(100, 0)
        },
        size: () => Number(database.query('SELECT count(*) FROM changes').values()[0]![0]),
        knows: (i) => database.query('SELECT 1 FROM changes WHERE cp = ?').values(i + 1).length > 0,
        keeps: 'newest',
        holder: tables,
        leaveOut: [database],
        close: () => database.close(),
      }
    },
  },
  ...(['the file', 'the queue'] as const).map((where): Bound => ({
    file: 'catalog/catalog.ts',
    what: `rows of the history in ${where}`,
    most: 100,
    count: 500,
    make: () => {
      const folder = mkdtempSync(join(tmpdir(), 'stillpoint-'))
      const isFile = where === 'the file'
      const bounds = {
        rowsMax: isFile ? 100 : 1e6,
        eventRowsMax: 50,
        queueRowsMax: 100,
        publishedCp: () => 1e6,
      }
      const { catalog, clock } = openCatalog(join(folder, 'catalog.db'), bounds)
      const { file } = catalog as unknown as { file: unknown }
      const reader = new Database(join(folder, 'catalog.db'), { readonly: true })
      return {
        add: (i) => {
          catalog.recordCp(cpRow(i + 1))
          catalog.recordTransfer(transferRow(i + 1))
          catalog.recordEvent(eventRow(i + 1))
          // Each batch is synced.
          if (isFile && i % 20 === 19) clock.jump(untilWrittenMs)
        },
        size: () =>
          isFile
            ? Number(reader.query('SELECT count(*) FROM cps').values()[0]![0])
            : (catalog as unknown as { queue: unknown[] }).queue.length,
        // A queue that is asked is written first.
        knows: (i) =>
          isFile
            ? reader.query('SELECT 1 FROM cps WHERE cp = ?').values(i + 1).length > 0
            : catalog.getCp(i + 1) !== null,
        keeps: 'newest',
        holder: catalog,
        leaveOut: [file, clock],
        close: () => {
          reader.close()
          catalog.close()
          rmSync(folder, { recursive: true, force: true })
        },
      }
    },
  })),
]
