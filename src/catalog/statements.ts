/** Every query of the catalog, prepared once: a prepared query is some twenty times faster. */
import type { Database } from 'bun:sqlite'
import { asc, count, desc, eq, inArray, lt, lte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/bun-sqlite'
import { auditRows, cpRows, eventRows, mirrorRows, transferRows } from './schema.ts'

export type Statements = ReturnType<typeof prepareStatements>

export function prepareStatements(database: Database) {
  const db = drizzle(database)
  const value = sql.placeholder
  const oldestCps = db
    .select({ cp: cpRows.cp })
    .from(cpRows)
    .orderBy(asc(cpRows.cp))
    .limit(sql.placeholder('surplus'))
  const oldestTransfers = db
    .select({ id: transferRows.id })
    .from(transferRows)
    .orderBy(asc(transferRows.id))
    .limit(sql.placeholder('surplus'))
  const oldestAudits = db
    .select({ id: auditRows.id })
    .from(auditRows)
    .orderBy(asc(auditRows.id))
    .limit(sql.placeholder('surplus'))
  const oldestEvents = db
    .select({ id: eventRows.id })
    .from(eventRows)
    .orderBy(asc(eventRows.id))
    .limit(sql.placeholder('surplus'))
  return {
    putCp: db
      .insert(cpRows)
      .values({
        cp: value('cp'),
        epoch: value('epoch'),
        opening: value('opening'),
        sequence: value('sequence'),
        rootHash: value('rootHash'),
        cause: value('cause'),
        sendMs: value('sendMs'),
        buildMs: value('buildMs'),
        commitMs: value('commitMs'),
        blocksWritten: value('blocksWritten'),
        bytesWritten: value('bytesWritten'),
        coalesced: value('coalesced'),
        committedMs: value('committedMs'),
      })
      .onConflictDoNothing()
      .prepare(),
    putTransfer: db
      .insert(transferRows)
      .values({
        mirror: value('mirror'),
        kind: value('kind'),
        cp: value('cp'),
        blocks: value('blocks'),
        bytes: value('bytes'),
        ms: value('ms'),
        atMs: value('atMs'),
      })
      .prepare(),
    putAudit: db
      .insert(auditRows)
      .values({
        event: value('event'),
        who: value('who'),
        what: value('what'),
        source: value('source'),
        leftOut: value('leftOut'),
        atMs: value('atMs'),
      })
      .prepare(),
    putEvent: db
      .insert(eventRows)
      .values({
        event: value('event'),
        cp: value('cp'),
        mirror: value('mirror'),
        facts: value('facts'),
        atMs: value('atMs'),
      })
      .prepare(),
    listCps: db
      .select()
      .from(cpRows)
      .where(lt(cpRows.cp, value('below')))
      .orderBy(desc(cpRows.cp))
      .limit(value('limit'))
      .prepare(),
    getCp: db
      .select()
      .from(cpRows)
      .where(eq(cpRows.cp, value('cp')))
      .prepare(),
    newestAtOrBefore: db
      .select()
      .from(cpRows)
      .where(lte(cpRows.committedMs, value('ms')))
      .orderBy(desc(cpRows.cp))
      .limit(1)
      .prepare(),
    countCps: db.select({ rows: count() }).from(cpRows).prepare(),
    countTransfers: db.select({ rows: count() }).from(transferRows).prepare(),
    countEvents: db.select({ rows: count() }).from(eventRows).prepare(),
    countAudits: db.select({ rows: count() }).from(auditRows).prepare(),
    dropMirrors: db.delete(mirrorRows).prepare(),
    putMirror: db
      .insert(mirrorRows)
      .values({
        id: value('id'),
        url: value('url'),
        state: value('state'),
        cp: value('cp'),
        lagCps: value('lagCps'),
        lagMs: value('lagMs'),
        heldBytes: value('heldBytes'),
        needs: value('needs'),
        atMs: value('atMs'),
      })
      .prepare(),
    dropOldestCps: db.delete(cpRows).where(inArray(cpRows.cp, oldestCps)).prepare(),
    dropOldestTransfers: db.delete(transferRows).where(inArray(transferRows.id, oldestTransfers)).prepare(),
    dropOldestEvents: db.delete(eventRows).where(inArray(eventRows.id, oldestEvents)).prepare(),
    dropOldestAudits: db.delete(auditRows).where(inArray(auditRows.id, oldestAudits)).prepare(),
    dropAuditsBefore: db
      .delete(auditRows)
      .where(lt(auditRows.atMs, value('ms')))
      .prepare(),
  }
}
