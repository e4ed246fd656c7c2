import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { transact } from '../../src/catalog/database.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'
import { auditRow, cpRow, day, eventRow, open, transferRow, untilWrittenMs } from './rows.ts'

const folder = temporaryFolders()
const file = () => join(folder(), 'catalog.db')

describe('recording', () => {
  test('a row comes back as it was given, after a reopen too', () => {
    const path = file()
    const first = open(path)
    first.catalog.recordCp(cpRow(7, { cause: 'requested', epoch: 2 }))
    expect(first.catalog.getCp(7)).toEqual(cpRow(7, { cause: 'requested', epoch: 2 }))
    first.catalog.close()
    const second = open(path)
    expect(second.catalog.getCp(7)).toEqual(cpRow(7, { cause: 'requested', epoch: 2 }))
    expect(second.catalog.getCp(8)).toBeNull()
    expect(second.aside).toEqual([])
    second.catalog.close()
  })

  test('nothing is written before the batch is due, and then in one go', () => {
    const path = file()
    const { catalog, clock } = open(path)
    for (let cp = 1; cp <= 20; cp++) catalog.recordCp(cpRow(cp))
    const other = new Database(path, { readonly: true })
    const count = () => other.query<{ n: number }, []>('SELECT count(*) AS n FROM cps').get()!.n
    const commits = () => other.query<{ data_version: number }, []>('PRAGMA data_version').get()!.data_version
    const before = commits()
    expect(clock.timers).toBe(1)
    expect(count()).toBe(0)
    clock.jump(untilWrittenMs)
    expect(count()).toBe(20)
    expect(commits()).toBe(before + 1)
    expect(clock.timers).toBe(0)
    expect(catalog.listCps(100)).toHaveLength(20)
    expect(commits()).toBe(before + 1)
    other.close()
    catalog.close()
  })

  test('the mirrors are those that were seen last', () => {
    const path = file()
    const { catalog, clock } = open(path)
    const mirror = (id: string, cp: number) => ({
      id,
      url: null,
      state: 'live',
      cp,
      lagCps: 0,
      lagMs: 1.5,
      heldBytes: null,
      needs: null,
      atMs: day,
    })
    catalog.recordMirrors([mirror('a', 1), mirror('b', 1)])
    clock.jump(untilWrittenMs)
    catalog.recordMirrors([mirror('b', 2), mirror('c', 1)])
    clock.jump(untilWrittenMs)
    expect(clock.timers).toBe(0)
    const other = new Database(path, { readonly: true })
    expect(other.query('SELECT id, cp FROM mirrors ORDER BY id').values()).toEqual([
      ['b', 2],
      ['c', 1],
    ])
    other.close()
    catalog.close()
  })

  test('the first row of a CP stays', () => {
    const { catalog } = open(file())
    catalog.recordCp(cpRow(1))
    catalog.recordCp(cpRow(1, { cause: 'recovery' }))
    expect(catalog.listCps(10)).toEqual([cpRow(1)])
    catalog.close()
  })

  test('a locked file holds nobody: rows wait, the oldest are dropped and counted, the rest arrives', () => {
    const path = file()
    const other = new Database(path)
    other.run('BEGIN IMMEDIATE')
    const { catalog, clock } = open(path, { queueRowsMax: 5 })
    for (let cp = 1; cp <= 8; cp++) catalog.recordCp(cpRow(cp))
    expect(catalog.flush()).toBe(false)
    expect(catalog.dropped).toBe(3)
    expect(catalog.listCps(10).map((row) => row.cp)).toEqual([8, 7, 6, 5, 4])
    expect(catalog.listCps(2, 7).map((row) => row.cp)).toEqual([6, 5])
    expect(catalog.getCp(5)).toEqual(cpRow(5))
    expect(catalog.getCp(3)).toBeNull()
    expect(catalog.newestAtOrBefore(cpRow(6).committedMs)).toEqual(cpRow(6))
    other.run('ROLLBACK')
    other.close()
    expect(catalog.flush()).toBe(false)
    clock.jump(10_000 + untilWrittenMs)
    expect(catalog.dropped).toBe(3)
    expect(catalog.listCps(10).map((row) => row.cp)).toEqual([8, 7, 6, 5, 4])
    catalog.close()
  })

  test('readers keep a batch waiting, let no new reader in before it, and cannot keep it out', async () => {
    const path = file()
    const { catalog, clock } = open(path)
    catalog.recordCp(cpRow(1))
    expect(catalog.flush()).toBe(true)
    const first = new Database(path, { readonly: true })
    first.run('BEGIN')
    expect(first.query('SELECT count(*) AS n FROM cp_rows').get()).toEqual({ n: 1 })
    catalog.recordCp(cpRow(2))
    expect(catalog.flush()).toBe(false)
    let isSettled = false
    const settled = catalog.settled().then(() => (isSettled = true))
    // The rows are read all the same, and no other transaction may begin.
    expect(catalog.listCps(10).map((row) => row.cp)).toEqual([2, 1])
    expect(catalog.file.isTaken).toBe(true)
    clock.jump(1000)
    const second = new Database(path, { readonly: true })
    expect(() => second.query('SELECT count(*) FROM cp_rows').get()).toThrow('locked')
    expect(isSettled).toBe(false)
    first.run('ROLLBACK')
    clock.jump(50)
    await settled
    expect(second.query('SELECT count(*) AS n FROM cp_rows').get()).toEqual({ n: 2 })
    expect(catalog.file.isTaken).toBe(false)
    first.close()
    second.close()
    catalog.recordCp(cpRow(3))
    expect(catalog.flush()).toBe(true)
    expect(catalog.dropped).toBe(0)
    catalog.close()
  })

  test('a reader without an end keeps a batch waiting for a minute, then others are let in between', () => {
    const path = file()
    const { catalog, clock } = open(path)
    const reader = new Database(path, { readonly: true })
    reader.run('BEGIN')
    reader.query('SELECT count(*) FROM cp_rows').get()
    catalog.recordCp(cpRow(1))
    expect(catalog.flush()).toBe(false)
    expect(catalog.file.isTaken).toBe(true)
    clock.jump(59_000)
    expect(catalog.file.isTaken).toBe(true)
    for (let ms = 0; ms < 60_000 && catalog.file.isTaken; ms += 10) clock.jump(10)
    const other = new Database(path, { readonly: true })
    expect(other.query('SELECT count(*) AS n FROM cp_rows').get()).toEqual({ n: 0 })
    other.close()
    reader.run('ROLLBACK')
    reader.close()
    clock.jump(untilWrittenMs)
    expect(catalog.flush()).toBe(true)
    expect(catalog.listCps(10)).toEqual([cpRow(1)])
    expect(catalog.dropped).toBe(0)
    catalog.close()
  })

  test('nothing is taken after close', () => {
    const { catalog } = open(file())
    catalog.close()
    catalog.recordCp(cpRow(1))
    expect(catalog.dropped).toBe(1)
    catalog.close()
  })
})

describe('reading', () => {
  test('pages are newest first and end', () => {
    const { catalog } = open(file())
    for (let cp = 1; cp <= 5; cp++) catalog.recordCp(cpRow(cp))
    expect(catalog.listCps(2).map((row) => row.cp)).toEqual([5, 4])
    expect(catalog.listCps(2, 4).map((row) => row.cp)).toEqual([3, 2])
    expect(catalog.listCps(2, 1)).toEqual([])
    catalog.close()
  })

  test('newest at or before a time: numbers order, clocks only label', () => {
    const { catalog } = open(file())
    catalog.recordCp(cpRow(1, { committedMs: day + 1000 }))
    catalog.recordCp(cpRow(2, { committedMs: day + 5000 }))
    catalog.recordCp(cpRow(3, { committedMs: day + 3000 }))
    expect(catalog.newestAtOrBefore(day + 999)).toBeNull()
    expect(catalog.newestAtOrBefore(day + 1000)?.cp).toBe(1)
    expect(catalog.newestAtOrBefore(day + 4000)?.cp).toBe(3)
    expect(catalog.newestAtOrBefore(day + 9000)?.cp).toBe(3)
    catalog.close()
  })

  test('cps above 32 bits are exact', () => {
    const { catalog } = open(file(), { publishedCp: () => Number.MAX_SAFE_INTEGER })
    const cp = 4096 * 1e12 + 123_456_789
    catalog.recordCp(cpRow(cp, { bytesWritten: Number.MAX_SAFE_INTEGER, committedMs: day }))
    expect(catalog.getCp(cp)).toEqual(cpRow(cp, { bytesWritten: Number.MAX_SAFE_INTEGER, committedMs: day }))
    catalog.close()
  })
})

describe('opening', () => {
  test('rows above the published CP are dropped', () => {
    const path = file()
    const first = open(path)
    for (let cp = 1; cp <= 5; cp++) {
      first.catalog.recordCp(cpRow(cp))
      first.catalog.recordTransfer(transferRow(cp))
    }
    first.catalog.close()
    const second = open(path, { publishedCp: () => 3 })
    expect(second.catalog.listCps(10).map((row) => row.cp)).toEqual([3, 2, 1])
    second.catalog.close()
    const reader = new Database(path, { readonly: true })
    expect(reader.query('SELECT max(cp) AS cp FROM transfers').get()).toEqual({ cp: 3 })
    reader.close()
  })

  test('a catalog of another volume is set aside and a fresh one made', () => {
    const path = file()
    const first = open(path, { sideUuid: 'another' })
    first.catalog.recordCp(cpRow(1))
    first.catalog.close()
    const second = open(path)
    expect(second.aside).toEqual(['foreign'])
    expect(second.catalog.listCps(10)).toEqual([])
    expect(existsSync(`${path}.foreign`)).toBe(true)
    second.catalog.close()
    expect(open(path).aside).toEqual([])
  })

  test('a database that was never a catalog is set aside', () => {
    const path = file()
    const other = new Database(path)
    other.run('CREATE TABLE cp_rows (something TEXT)')
    other.close()
    const { catalog, aside } = open(path)
    expect(aside).toEqual(['foreign'])
    catalog.close()
  })

  test('a catalog whose tables somebody removed is set aside', () => {
    const path = file()
    open(path).catalog.close()
    const other = new Database(path)
    other.run('DROP TABLE transfer_rows')
    other.close()
    const { catalog, aside } = open(path)
    expect(aside).toEqual(['foreign'])
    catalog.close()
  })

  test('a catalog from a newer version is set aside', () => {
    const path = file()
    open(path).catalog.close()
    const other = new Database(path)
    other.run(`INSERT INTO applied_migrations VALUES (1000, 'of tomorrow')`)
    other.close()
    const { catalog, aside } = open(path)
    expect(aside).toEqual(['newer'])
    catalog.close()
  })

  test.each([
    ['rubbish', new Uint8Array(8192).fill(0x5a)],
    ['a torn header', new TextEncoder().encode('SQLite format 3\u0000'.padEnd(4096, '\u0001'))],
  ])('%s is set aside', (_, bytes) => {
    const path = file()
    writeFileSync(path, bytes)
    const { catalog, aside } = open(path)
    expect(aside).toEqual(['corrupt'])
    catalog.recordCp(cpRow(1))
    expect(catalog.flush()).toBe(true)
    catalog.close()
  })
})

describe('retention', () => {
  test('only the newest rows of each table are kept, across reopens', () => {
    const path = file()
    const first = open(path, { rowsMax: 10 })
    for (let cp = 1; cp <= 25; cp++) {
      first.catalog.recordCp(cpRow(cp))
      first.catalog.recordTransfer(transferRow(cp))
      if (cp % 4 === 0) first.catalog.flush()
    }
    first.catalog.close()
    const second = open(path, { rowsMax: 10 })
    for (let cp = 26; cp <= 27; cp++) second.catalog.recordCp(cpRow(cp))
    expect(second.catalog.listCps(100).map((row) => row.cp)).toEqual([27, 26, 25, 24, 23, 22, 21, 20, 19, 18])
    second.catalog.close()
    const reader = new Database(path, { readonly: true })
    expect(reader.query('SELECT count(*) AS n, max(cp) AS cp FROM transfers').get()).toEqual({
      n: 10,
      cp: 25,
    })
    reader.close()
  })

  test('the audit trail keeps its newest rows, none older than 400 days, and a clock that goes back loses none', () => {
    const path = file()
    const days = 24 * 3_600_000
    const first = open(path, { rowsMax: 3 })
    const times = [0, 1, 2, 3, 4].map((i) => day + i * days)
    for (const atMs of times) first.catalog.recordAudit(auditRow(atMs))
    first.catalog.close()
    const kept = () => {
      const reader = new Database(path, { readonly: true })
      const rows = reader.query<{ ms: number }, []>('SELECT at_ms AS ms FROM audit ORDER BY id').all()
      reader.close()
      return rows.map(({ ms }) => (ms - day) / days)
    }
    expect(kept()).toEqual([2, 3, 4])
    const second = open(path, { rowsMax: 3 })
    second.catalog.recordAudit(auditRow(day - 3650 * days))
    second.catalog.flush()
    second.catalog.recordAudit(auditRow(day + 402.5 * days))
    second.catalog.close()
    expect(kept()).toEqual([3, 4, 402.5])
  })

  test('events keep their newest rows, as many as are asked for, or none', () => {
    const path = file()
    const kept = () => {
      const reader = new Database(path, { readonly: true })
      const rows = reader.query<{ cp: number }, []>('SELECT cp FROM events ORDER BY id').all()
      reader.close()
      return rows.map(({ cp }) => cp)
    }
    const told = (eventRowsMax: number, cps: readonly number[]): number[] => {
      const { catalog } = open(path, { rowsMax: 100, eventRowsMax })
      catalog.recordCp(cpRow(1))
      for (const cp of cps) catalog.recordEvent(eventRow(cp))
      catalog.close()
      return kept()
    }
    expect(told(3, [1, 2, 3, 4])).toEqual([2, 3, 4])
    expect(told(2, [5])).toEqual([4, 5])
    // What an earlier process has kept goes, too.
    expect(told(0, [6])).toEqual([])
  })

  test('a repeated row never costs another one', () => {
    const { catalog } = open(file(), { rowsMax: 3 })
    for (let again = 0; again < 5; again++) {
      for (let cp = 1; cp <= 3; cp++) catalog.recordCp(cpRow(cp))
      catalog.flush()
    }
    expect(catalog.listCps(10).map((row) => row.cp)).toEqual([3, 2, 1])
    catalog.close()
  })
})

test('a transaction refuses a promise and changes nothing', () => {
  const database = new Database(':memory:')
  database.run('CREATE TABLE t (a)')
  expect(() =>
    transact(database, () => {
      database.run('INSERT INTO t VALUES (1)')
      return Promise.resolve()
    }),
  ).toThrow('synchronous')
  expect(database.query('SELECT count(*) AS n FROM t').get()).toEqual({ n: 0 })
  database.close()
})
