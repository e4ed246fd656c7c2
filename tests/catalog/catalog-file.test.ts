/** The catalog never decides: whatever is in the place of its file, or becomes of the file, history is answered. */
import { Database } from 'bun:sqlite'
import { afterAll, expect, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { UnusableReason } from '../../src/catalog/database.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'
import { cpRow, open } from './rows.ts'

const folder = temporaryFolders()
const held: Database[] = []
afterAll(() => {
  for (const database of held) database.close()
})

const cpsOf = (catalog: ReturnType<typeof open>['catalog']): number[] =>
  catalog.listCps(100).map((row) => row.cp)

const inThePlace: readonly (readonly [name: string, put: (path: string) => void])[] = [
  ['a folder', (path) => mkdirSync(path)],
  ['a folder that is not empty', (path) => mkdirSync(join(path, 'x'), { recursive: true })],
  ['a folder in place of the journal', (path) => mkdirSync(`${path}-journal`)],
  [
    'a file that somebody has locked',
    (path) => {
      const database = new Database(path)
      held.push(database)
      database.run('BEGIN EXCLUSIVE')
    },
  ],
]

test.each(inThePlace)('%s: it opens, remembers, and writes when the file can be used', (_name, put) => {
  const path = join(folder(), 'catalog.db')
  put(path)
  const { catalog, clock } = open(path)
  catalog.recordCp(cpRow(1))
  catalog.recordCp(cpRow(2))
  expect(cpsOf(catalog)).toEqual([2, 1])
  expect(catalog.flush()).toBe(false)
  for (const database of held.splice(0)) database.close()
  for (const suffix of ['', '-wal', '-journal']) rmSync(path + suffix, { recursive: true, force: true })
  clock.jump(60_000)
  expect(catalog.flush()).toBe(true)
  catalog.close()
  const again = open(path)
  expect(cpsOf(again.catalog)).toEqual([2, 1])
  again.catalog.close()
})

/** With what the file is set aside as; null: there is nothing to be set aside. */
const damages: readonly (readonly [name: string, damage: (path: string) => void, reason: string | null])[] = [
  ['garbage', (path) => writeFileSync(path, new Uint8Array(200_000).fill(0x5a)), 'corrupt'],
  ['nothing', (path) => truncateSync(path, 0), 'foreign'],
  ['its half', (path) => truncateSync(path, 8192), 'corrupt'],
  [
    'another database',
    (path) => {
      rmSync(path)
      const other = new Database(path)
      other.run('CREATE TABLE x (y)')
      other.close()
    },
    null,
  ],
  ['no file', (path) => rmSync(path), null],
  ['another name', (path) => renameSync(path, `${path}.moved`), null],
]

test.each(damages)(
  'the file becomes %s while it is open: what is known stays known, also after a restart',
  (_name, damage, reason) => {
    const path = join(folder(), 'catalog.db')
    const first = open(path)
    // More than SQLite keeps in memory, so that the damage is met.
    for (let cp = 1; cp <= 60_000; cp++) {
      first.catalog.recordCp(cpRow(cp))
      if (cp % 5000 === 0) first.catalog.flush()
    }
    first.catalog.close()
    const { catalog, clock, aside } = open(path)
    const known = [cpRow(59_999), cpRow(60_000)]
    catalog.onFresh(() => known)
    damage(path)
    for (let i = 0; i < 3; i++) {
      catalog.recordCp(cpRow(60_001 + i))
      catalog.listCps(10_000)
      catalog.listCps(100, 30_000)
      catalog.getCp(12)
      catalog.newestAtOrBefore(cpRow(5).committedMs)
      clock.jump(60_000)
      catalog.flush()
    }
    expect(cpsOf(catalog).slice(0, 3)).toEqual([60_003, 60_002, 60_001])
    if (reason !== null) {
      expect(aside).toEqual([reason as UnusableReason])
      expect(existsSync(`${path}.${reason}`)).toBe(true)
      expect(cpsOf(catalog)).toEqual([60_003, 60_002, 60_001, 60_000, 59_999])
    }
    catalog.close()
    const again = open(path, { publishedCp: () => 70_000 })
    again.catalog.recordCp(cpRow(60_004))
    expect(cpsOf(again.catalog)[0]).toBe(60_004)
    again.catalog.close()
  },
  30_000,
)

test('nothing is mapped, and everybody may read: no shared index lies beside the file', () => {
  const place = folder()
  const { catalog } = open(join(place, 'catalog.db'))
  catalog.recordCp(cpRow(1))
  catalog.flush()
  expect(readdirSync(place).toSorted()).toEqual(['catalog.db', 'catalog.db-journal'])
  const other = new Database(join(place, 'catalog.db'), { readonly: true })
  expect(other.query('SELECT cp FROM cps').values()).toEqual([[1]])
  other.close()
  catalog.close()
})

test('a page that does not fit is met at the open, not by the query that needs it', () => {
  const path = join(folder(), 'catalog.db')
  const { catalog } = open(path)
  for (let cp = 1; cp <= 9_000; cp++) catalog.recordCp(cpRow(cp))
  catalog.close()
  const bytes = readFileSync(path)
  bytes.fill(0x5a, (bytes.length >> 1) - 4096, bytes.length >> 1)
  writeFileSync(path, bytes)
  const again = open(path)
  expect(again.aside).toEqual(['corrupt'])
  again.catalog.close()
})
