/**
 * The catalog's tables, which may change, and views, which are the contract with users: names and columns are stable.
 *
 * - A row about a CP carries the CP, and is written after that CP's blocks; the block file is the truth.
 * - No row of the audit trail has a secret: names, ids and addresses alone.
 * - Times are wall-clock milliseconds since 1970 in tables; views add the same times as RFC 3339 text.
 * - Integers stay below 2^53.
 *
 * To change the schema: edit this file, run `npx drizzle-kit generate`, name the new file in migrations.ts.
 */
import { eq, sql } from 'drizzle-orm'
import { index, integer, real, sqliteTable, sqliteView, text } from 'drizzle-orm/sqlite-core'

export const meta = sqliteTable('meta', {
  key: text('key').primaryKey(),
  value: text('value').notNull(),
})

export const cpRows = sqliteTable('cp_rows', {
  cp: integer('cp').primaryKey(),
  epoch: integer('epoch').notNull(),
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

const rfc3339 = (column: typeof cpRows.committedMs | typeof transferRows.atMs | typeof auditRows.atMs) =>
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

/** The views that a user's query may read, and the tables behind those views. */
export const publicViews = ['cps', 'transfers', 'audit'] as const
export const publicViewTables = ['cp_rows', 'transfer_rows', 'audit_rows'] as const
