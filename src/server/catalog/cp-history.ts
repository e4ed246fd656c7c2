/**
 * The feed from published CPs to the catalog, and the history of CPs for the door.
 *
 * - A row is written after its CP, so a crash can lose the newest rows: a CP that an open finds gets a row of its
 *   own.
 * - Every CP that can be read is known here, whether the catalog can be used or not.
 */
import { type CpRow, newestFirst } from '../../catalog/catalog.ts'
import type { CpCause, CpPublished, PublishedRoot, RootSource } from '../../cp-engine/contract.ts'
import { assert } from '../../lib/assert.ts'
import { toHex } from '../../lib/bytes.ts'
import { clampedMs, epochOfCp } from '../../format/position.ts'
import type { CatalogThread } from './catalog-thread.ts'
import type { CpHistory, CpRecord, ServerRole } from '../../routes/http/dependencies.ts'

type Rows = Pick<CatalogThread, 'recordCp' | 'listCps' | 'getCp' | 'newestAtOrBefore'>

export class RecordedCps implements CpHistory {
  /** Rows of every CP that can be read, and of the CP that was published last. */
  private known: CpRow[] = []
  /** The row that was made last by a publication; the catalog need not be asked for that one. */
  private published: CpRow | null = null
  private readonly stop: () => void

  constructor(
    private readonly catalog: Rows,
    private readonly source: RootSource,
    role: ServerRole,
  ) {
    for (const found of source.readable()) this.record(rowOfOpened(found, causeOfOpened(role, found)))
    this.stop = source.onPublished((event) => {
      this.published = rowOf(event)
      this.record(this.published)
    })
  }

  async list(limit: number, before: number | null): Promise<readonly CpRecord[]> {
    const recorded = await this.catalog.listCps(limit, before)
    const known = this.known.filter(({ cp }) => before === null || cp < before)
    const rows = newestFirst(recorded, known).slice(0, limit)
    return rows.map((row) => this.toRecord(row))
  }

  async get(cp: number): Promise<CpRecord | null> {
    if (this.published?.cp === cp) return this.toRecord(this.published)
    const row = (await this.catalog.getCp(cp)) ?? this.known.find((known) => known.cp === cp)
    return row ? this.toRecord(row) : null
  }

  /** Gives the record of a CP that has just been published. */
  async recordOf(cp: number): Promise<CpRecord> {
    const record = await this.get(cp)
    assert(record, 'a published CP has been recorded')
    return record
  }

  async newestAt(ms: number): Promise<number | null> {
    const found = await this.catalog.newestAtOrBefore(ms)
    const known = this.known.filter(({ committedMs }) => committedMs <= ms)
    return newestFirst(found ? [found] : [], known)[0]?.cp ?? null
  }

  close(): void {
    this.stop()
  }

  private record(row: CpRow): void {
    const readable = new Set(this.source.readable().map(({ root }) => root.cp))
    this.known = [...this.known.filter(({ cp }) => readable.has(cp)), row]
    this.catalog.recordCp(row)
  }

  private toRecord({ committedMs, ...row }: CpRow): CpRecord {
    const { cp, epoch, rootHash, cause, blocksWritten, bytesWritten, coalesced } = row
    const retained = this.source.readable().some(({ root }) => root.cp === cp)
    return {
      cp,
      epoch,
      rootHash,
      cause,
      // The time is clamped, because another program may have changed the catalog.
      committedAtMs: clampedMs(committedMs),
      blocksWritten,
      bytesWritten,
      coalesced,
      retained,
    }
  }
}

function rowOf({ published, cause, blocksWritten, bytesWritten, coalesced, phases }: CpPublished): CpRow {
  const { root, hash } = published
  return {
    cp: root.cp,
    epoch: epochOfCp(root.cp),
    opening: root.opening,
    sequence: root.sequence,
    rootHash: toHex(hash),
    cause,
    sendMs: phases.send,
    buildMs: phases.build,
    commitMs: phases.commit,
    blocksWritten,
    bytesWritten,
    coalesced,
    committedMs: root.committedAtMs,
  }
}

const causeOfOpened = (role: ServerRole, { root }: PublishedRoot): CpCause =>
  role === 'mirror' ? 'mirrored' : root.cp === 1 ? 'create' : 'recovery'

/** The cost of a CP from an earlier run is not known here; when the catalog has a row of the CP, that row stays. */
function rowOfOpened(published: PublishedRoot, cause: CpCause): CpRow {
  return rowOf({
    published,
    cause,
    blocksWritten: 0,
    bytesWritten: 0,
    coalesced: 0,
    phases: { send: 0, build: 0, commit: 0 },
  })
}
