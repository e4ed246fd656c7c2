/**
 * The catalog's tables, which may change, and views, which are the contract with users: names and columns are stable.
 * `descriptions.ts` describes every view and column.
 *
 * - A row about a CP carries the CP, and is written after that CP's blocks; the block file is the truth.
 * - No row of the audit trail has a secret: names, ids and addresses alone.
 * - The rows of files, directories and changes are those of the one CP that `catalog_state` names: rows and name are
 *   written in one transaction.
 * - `file_rows` has rows for entries of deleted directories until the reaper has taken the entries. The view shows only
 *   entries whose directory has a row, and a directory has a row only while a path leads to the directory.
 * - Names are UTF-8, as everywhere in the volume, so every name is shown as the name that it is.
 * - Times are wall-clock milliseconds since 1970 in tables; views add the same times as RFC 3339 text.
 * - Integers stay below 2^53.
 *
 * To change the schema: edit this file, run `npx drizzle-kit generate`, name the new file in migrations.ts.
 */
import { type AnyColumn, eq, sql } from 'drizzle-orm'
import { index, integer, primaryKey, real, sqliteTable, sqliteView, text } from 'drizzle-orm/sqlite-core'

export const meta = sqliteTable('meta', {
  key: text('key').primaryKey(),
  value: text('value').notNull(),
})

export const cpRows = sqliteTable('cp_rows', {
  cp: integer('cp').primaryKey(),
  epoch: integer('epoch').notNull(),
  /** The last operation that the CP contains, and the opening that gave that number: they order versions. */
  opening: integer('opening').notNull().default(0),
  sequence: integer('sequence').notNull().default(0),
  rootHash: text('root_hash').notNull(),
  cause: text('cause').notNull(),
  sendMs: real('send_ms').notNull(),
  buildMs: real('build_ms').notNull(),
  commitMs: real('commit_ms').notNull(),
  blocksWritten: integer('blocks_written').notNull(),
  bytesWritten: integer('bytes_written').notNull(),
  coalesced: integer('coalesced').notNull(),
  committedMs: integer('committed_ms').notNull(),
})

export const transferKinds = ['live', 'difference', 'first-copy', 'want'] as const

export const transferRows = sqliteTable(
  'transfer_rows',
  {
    id: integer('id').primaryKey(),
    mirror: text('mirror').notNull(),
    kind: text('kind', { enum: transferKinds }).notNull(),
    cp: integer('cp').notNull(),
    blocks: integer('blocks').notNull(),
    bytes: integer('bytes').notNull(),
    ms: real('ms').notNull(),
    atMs: integer('at_ms').notNull(),
  },
  (table) => [index('transfer_rows_cp').on(table.cp)],
)

export const auditRows = sqliteTable(
  'audit_rows',
  {
    id: integer('id').primaryKey(),
    event: text('event').notNull(),
    who: text('who'),
    what: text('what').notNull(),
    source: text('source'),
    leftOut: integer('left_out').notNull(),
    atMs: integer('at_ms').notNull(),
  },
  (table) => [index('audit_rows_at').on(table.atMs)],
)

/** The events that `GET /v1/events` has told. */
export const eventRows = sqliteTable('event_rows', {
  id: integer('id').primaryKey(),
  event: text('event').notNull(),
  cp: integer('cp').notNull(),
  mirror: text('mirror'),
  /** A JSON object. */
  facts: text('facts').notNull(),
  atMs: integer('at_ms').notNull(),
})

/** The mirrors as the server saw them last; on a mirror, the mirror itself. */
export const mirrorRows = sqliteTable('mirror_rows', {
  id: text('id').primaryKey(),
  url: text('url'),
  state: text('state').notNull(),
  cp: integer('cp'),
  lagCps: integer('lag_cps'),
  lagMs: real('lag_ms'),
  heldBytes: integer('held_bytes'),
  needs: text('needs'),
  atMs: integer('at_ms').notNull(),
})

/** One row: the CP that the rows of files are true for. */
export const catalogState = sqliteTable('catalog_state', {
  id: integer('id').primaryKey(),
  /** Null while the rows are those of no CP, since they are being filled. */
  cp: integer('cp'),
  /** Lower-case hexadecimal; after a failover two roots may have the same cp. */
  rootHash: text('root_hash'),
  /** `change_rows` has all that changed after this CP. */
  changesAfter: integer('changes_after'),
})

export const directoryRows = sqliteTable(
  'directory_rows',
  {
    id: integer('id').primaryKey(),
    /** 0 for the root. */
    parent: integer('parent').notNull(),
    name: text('name').notNull(),
    path: text('path').notNull(),
  },
  (table) => [index('directory_rows_parent').on(table.parent), index('directory_rows_path').on(table.path)],
)

export const entryKinds = ['file', 'directory', 'link'] as const

/** The table is made WITHOUT ROWID, which the migration says: drizzle has no word for that. */
export const fileRows = sqliteTable(
  'file_rows',
  {
    directory: integer('directory').notNull(),
    name: text('name').notNull(),
    kind: text('kind', { enum: entryKinds }).notNull(),
    size: integer('size').notNull(),
    mode: integer('mode').notNull(),
    createdMs: integer('created_ms').notNull(),
    createdNanos: integer('created_nanos').notNull(),
    modifiedMs: integer('modified_ms').notNull(),
    modifiedNanos: integer('modified_nanos').notNull(),
    type: text('type'),
    meta: text('meta'),
    target: text('target'),
    etag: text('etag').notNull(),
    cp: integer('cp'),
  },
  (table) => [primaryKey({ columns: [table.directory, table.name] })],
)

export const changeKinds = ['created', 'changed', 'deleted', 'renamed', 'moved'] as const

export const changeRows = sqliteTable(
  'change_rows',
  {
    id: integer('id').primaryKey(),
    cp: integer('cp').notNull(),
    afterCp: integer('after_cp').notNull(),
    change: text('change', { enum: changeKinds }).notNull(),
    kind: text('kind', { enum: entryKinds }).notNull(),
    path: text('path').notNull(),
    fromPath: text('from_path'),
    sizeBefore: integer('size_before'),
    sizeAfter: integer('size_after'),
    committedMs: integer('committed_ms').notNull(),
  },
  (table) => [index('change_rows_cp').on(table.cp)],
)

const rfc3339 = (column: AnyColumn) =>
  sql<string>`strftime('%Y-%m-%dT%H:%M:%fZ', ${column} / 1000.0, 'unixepoch')`

/** Bytes of this CP that travelled to mirrors; on a mirror, bytes of this CP that came in. */
const bytesSent = sql<number>`(select coalesce(sum(${transferRows.bytes}), 0) from ${transferRows} where ${eq(transferRows.cp, cpRows.cp)})`

export const cps = sqliteView('cps').as((query) =>
  query
    .select({
      cp: cpRows.cp,
      epoch: cpRows.epoch,
      rootHash: cpRows.rootHash,
      cause: cpRows.cause,
      sendMs: cpRows.sendMs,
      buildMs: cpRows.buildMs,
      commitMs: cpRows.commitMs,
      blocksWritten: cpRows.blocksWritten,
      bytesWritten: cpRows.bytesWritten,
      coalesced: cpRows.coalesced,
      bytesSent: bytesSent.as('bytes_sent'),
      committedAt: rfc3339(cpRows.committedMs).as('committed_at'),
      committedMs: cpRows.committedMs,
    })
    .from(cpRows),
)

export const transfers = sqliteView('transfers').as((query) =>
  query
    .select({
      mirror: transferRows.mirror,
      kind: transferRows.kind,
      cp: transferRows.cp,
      blocks: transferRows.blocks,
      bytes: transferRows.bytes,
      ms: transferRows.ms,
      at: rfc3339(transferRows.atMs).as('at'),
      atMs: transferRows.atMs,
    })
    .from(transferRows),
)

export const audit = sqliteView('audit').as((query) =>
  query
    .select({
      id: auditRows.id,
      at: rfc3339(auditRows.atMs).as('at'),
      event: auditRows.event,
      who: auditRows.who,
      what: auditRows.what,
      source: auditRows.source,
      leftOut: auditRows.leftOut,
      atMs: auditRows.atMs,
    })
    .from(auditRows),
)

export const events = sqliteView('events').as((query) =>
  query
    .select({
      id: eventRows.id,
      at: rfc3339(eventRows.atMs).as('at'),
      event: eventRows.event,
      cp: eventRows.cp,
      mirror: eventRows.mirror,
      facts: eventRows.facts,
      atMs: eventRows.atMs,
    })
    .from(eventRows),
)

export const catalog = sqliteView('catalog').as((query) =>
  query
    .select({
      cp: catalogState.cp,
      rootHash: catalogState.rootHash,
      isFilling: sql<number>`${catalogState.cp} is null`.as('is_filling'),
      changesAfter: catalogState.changesAfter,
    })
    .from(catalogState),
)

export const directories = sqliteView('directories').as((query) =>
  query
    .select({
      id: directoryRows.id,
      parent: sql<number | null>`nullif(${directoryRows.parent}, 0)`.as('parent'),
      name: directoryRows.name,
      path: directoryRows.path,
    })
    .from(directoryRows),
)

const filePath = sql<string>`case ${directoryRows.path} when '' then ${fileRows.name} else ${directoryRows.path} || '/' || ${fileRows.name} end`

export const files = sqliteView('files').as((query) =>
  query
    .select({
      directory: fileRows.directory,
      name: fileRows.name,
      path: filePath.as('path'),
      kind: fileRows.kind,
      size: fileRows.size,
      mode: fileRows.mode,
      createdAt: rfc3339(fileRows.createdMs).as('created_at'),
      createdMs: fileRows.createdMs,
      createdNanos: fileRows.createdNanos,
      modifiedAt: rfc3339(fileRows.modifiedMs).as('modified_at'),
      modifiedMs: fileRows.modifiedMs,
      modifiedNanos: fileRows.modifiedNanos,
      type: fileRows.type,
      meta: fileRows.meta,
      target: fileRows.target,
      etag: fileRows.etag,
      cp: fileRows.cp,
    })
    .from(fileRows)
    .innerJoin(directoryRows, eq(directoryRows.id, fileRows.directory)),
)

export const changes = sqliteView('changes').as((query) =>
  query
    .select({
      id: changeRows.id,
      cp: changeRows.cp,
      afterCp: changeRows.afterCp,
      change: changeRows.change,
      kind: changeRows.kind,
      path: changeRows.path,
      fromPath: changeRows.fromPath,
      sizeBefore: changeRows.sizeBefore,
      sizeAfter: changeRows.sizeAfter,
      committedAt: rfc3339(changeRows.committedMs).as('committed_at'),
      committedMs: changeRows.committedMs,
    })
    .from(changeRows),
)

export const mirrors = sqliteView('mirrors').as((query) =>
  query
    .select({
      id: mirrorRows.id,
      url: mirrorRows.url,
      state: mirrorRows.state,
      cp: mirrorRows.cp,
      lagCps: mirrorRows.lagCps,
      lagMs: mirrorRows.lagMs,
      heldBytes: mirrorRows.heldBytes,
      needs: mirrorRows.needs,
      at: rfc3339(mirrorRows.atMs).as('at'),
      atMs: mirrorRows.atMs,
    })
    .from(mirrorRows),
)

/** The views that a user's query may read. */
export const publicViews = [
  'cps',
  'transfers',
  'audit',
  'events',
  'mirrors',
  'catalog',
  'directories',
  'files',
  'changes',
] as const
/** The tables that each of those views reads. */
export const viewTables: Readonly<Record<string, readonly string[]>> = {
  cps: ['cp_rows', 'transfer_rows'],
  transfers: ['transfer_rows'],
  audit: ['audit_rows'],
  events: ['event_rows'],
  mirrors: ['mirror_rows'],
  catalog: ['catalog_state'],
  directories: ['directory_rows'],
  files: ['file_rows', 'directory_rows'],
  changes: ['change_rows'],
}
