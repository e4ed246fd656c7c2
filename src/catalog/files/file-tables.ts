/**
 * The statements over the tables of files, directories and changes. They are plain SQL, each prepared once: a row
 * goes through them for every changed entry, and most of them are no statement that drizzle can build.
 */
import type { Database, SQLQueryBindings, Statement } from 'bun:sqlite'
import { rootDirectoryId } from '../../format/items/item-keys.ts'
import type { EntryKind } from '../../format/items/items.ts'
import { tryCommit } from '../database.ts'
import type { changeKinds } from '../schema.ts'
import type { Moment } from './image.ts'

export interface DirectoryPlace {
  readonly parent: number
  readonly name: string
}

export interface DirectoryRow extends DirectoryPlace {
  readonly path: string
}

export interface FileRow {
  readonly directory: number
  readonly name: string
  readonly kind: EntryKind
  readonly size: number
  readonly mode: number
  readonly createdMs: number
  readonly createdNanos: number
  readonly modifiedMs: number
  readonly modifiedNanos: number
  readonly type: string | null
  /** JSON. */
  readonly meta: string | null
  readonly target: string | null
  readonly etag: string
  readonly cp: number | null
}

export interface ChangeFact {
  readonly change: (typeof changeKinds)[number]
  readonly kind: EntryKind
  readonly path: string
  readonly fromPath: string | null
  readonly sizeBefore: number | null
  readonly sizeAfter: number | null
}

export interface CatalogState {
  readonly cp: number | null
  readonly rootHash: string | null
  readonly changesAfter: number | null
}

export const joinPath = (directory: string, name: string): string =>
  directory === '' ? name : `${directory}/${name}`

/** Every directory below `?1`, with the path that it has when the path of `?1` is `?2`. */
const below = `WITH RECURSIVE below(id, path) AS (
  SELECT id, CASE ?2 WHEN '' THEN name ELSE ?2 || '/' || name END FROM directory_rows WHERE parent = ?1
  UNION ALL
  SELECT d.id, below.path || '/' || d.name FROM directory_rows d JOIN below ON d.parent = below.id)`

type Prepared = Statement<unknown, SQLQueryBindings[]>

export class FileTables {
  private readonly prepared = new Map<string, Prepared>()

  constructor(private readonly database: Database) {}

  /** False when readers are in the way; the transaction stays open then. */
  tryCommit(): boolean {
    return tryCommit(this.database)
  }

  run(change: 'BEGIN IMMEDIATE' | 'ROLLBACK'): void {
    this.database.run(change)
  }

  get isInTransaction(): boolean {
    return this.database.inTransaction
  }

  state(): CatalogState {
    const row = this.statement(
      'SELECT cp, root_hash AS rootHash, changes_after AS changesAfter FROM catalog_state',
    ).get() as CatalogState | null
    return row ?? { cp: null, rootHash: null, changesAfter: null }
  }

  setState({ cp, rootHash, changesAfter }: CatalogState): void {
    this.statement(
      `INSERT INTO catalog_state (id, cp, root_hash, changes_after) VALUES (1, ?1, ?2, ?3)
      ON CONFLICT (id) DO UPDATE SET cp = ?1, root_hash = ?2, changes_after = ?3`,
    ).run(cp, rootHash, changesAfter)
  }

  /** Takes every row of files and directories. */
  clear(): void {
    this.statement('DELETE FROM file_rows').run()
    this.statement('DELETE FROM directory_rows').run()
    this.putDirectory(rootDirectoryId, { parent: 0, name: '', path: '' })
  }

  putFile(row: FileRow): void {
    const { directory, name, kind, size, mode, createdMs, createdNanos, modifiedMs, modifiedNanos } = row
    this.statement(`INSERT OR REPLACE INTO file_rows VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`).run(
      directory,
      name,
      kind,
      size,
      mode,
      createdMs,
      createdNanos,
      modifiedMs,
      modifiedNanos,
      row.type,
      row.meta,
      row.target,
      row.etag,
      row.cp,
    )
  }

  cpOfFile(directory: number, name: string): number | null {
    const row = this.statement('SELECT cp FROM file_rows WHERE directory = ? AND name = ?').get(
      directory,
      name,
    ) as { readonly cp: number | null } | null
    return row?.cp ?? null
  }

  deleteFile(directory: number, name: string): void {
    this.statement('DELETE FROM file_rows WHERE directory = ? AND name = ?').run(directory, name)
  }

  directory(id: number): DirectoryRow | null {
    return this.statement('SELECT parent, name, path FROM directory_rows WHERE id = ?').get(
      id,
    ) as DirectoryRow | null
  }

  putDirectory(id: number, { parent, name, path }: DirectoryRow): void {
    this.statement('INSERT OR REPLACE INTO directory_rows VALUES (?,?,?,?)').run(id, parent, name, path)
  }

  /** Gives every directory below `id` the path that follows from `path`, the path of `id`. */
  rewritePathsBelow(id: number, path: string): void {
    this.statement(
      `${below} UPDATE directory_rows SET path = below.path FROM below WHERE directory_rows.id = below.id`,
    ).run(id, path)
  }

  /** Takes the rows of a directory and of all directories below. */
  deleteTree(id: number): void {
    this.statement(`${below} DELETE FROM directory_rows WHERE id IN (SELECT id FROM below)`).run(id, '')
    this.statement('DELETE FROM directory_rows WHERE id = ?').run(id)
  }

  /** Takes the rows of directories that no path leads to. */
  deleteUnreachable(): void {
    this.statement(
      `${below} DELETE FROM directory_rows WHERE id <> ?1 AND id NOT IN (SELECT id FROM below)`,
    ).run(rootDirectoryId, '')
  }

  /** Returns the id of the row. */
  putChange(cp: number, afterCp: number, committedMs: number, change: ChangeFact): number {
    const { lastInsertRowid } = this.statement(
      `INSERT INTO change_rows (cp, after_cp, change, kind, path, from_path, size_before, size_after, committed_ms)
      VALUES (?,?,?,?,?,?,?,?,?)`,
    ).run(
      cp,
      afterCp,
      change.change,
      change.kind,
      change.path,
      change.fromPath,
      change.sizeBefore,
      change.sizeAfter,
      committedMs,
    )
    return Number(lastInsertRowid)
  }

  /** Tells a change of content as a creation: what was there before has gone to another place. */
  tellAsCreated(id: number): void {
    this.statement(`UPDATE change_rows SET change = 'created', size_before = NULL WHERE id = ?`).run(id)
  }

  /**
   * Takes the oldest changes, all of a CP or none, and gives the CP up to which they are gone; null when nothing went.
   */
  dropChanges(rowsMax: number, committedBeforeMs: number): number | null {
    const { cp } = this.statement(
      `SELECT max(
        coalesce((SELECT cp FROM change_rows WHERE id = (SELECT max(id) FROM change_rows) - ?1), -1),
        coalesce((SELECT max(cp) FROM change_rows WHERE cp < coalesce(
          (SELECT cp FROM change_rows WHERE committed_ms >= ?2 ORDER BY cp LIMIT 1), 9e15)), -1)) AS cp`,
    ).get(rowsMax, committedBeforeMs) as { readonly cp: number }
    if (cp < 0) return null
    this.statement('DELETE FROM change_rows WHERE cp <= ?').run(cp)
    return cp
  }

  /** The recorded CPs up to `cp`, ascending, from `after` on. */
  cps(after: number, cp: number): { readonly cp: number; readonly moment: Moment }[] {
    const rows = this.statement(
      'SELECT cp, epoch, opening, sequence FROM cp_rows WHERE cp > ? AND cp <= ? ORDER BY cp',
    ).all(after, cp) as { cp: number; epoch: number; opening: number; sequence: number }[]
    return rows.map(({ cp: number, epoch, opening, sequence }) => ({
      cp: number,
      moment: [epoch, opening, sequence],
    }))
  }

  private statement(text: string): Prepared {
    let statement = this.prepared.get(text)
    if (!statement)
      this.prepared.set(text, (statement = this.database.prepare<unknown, SQLQueryBindings[]>(text)))
    return statement
  }
}
