/**
 * The audit trail: who changed who may do what, and which attempts were refused, as log lines and as rows of the
 * catalog.
 *
 * - No entry has a secret: whatever looks like a token is cut to its id, and every text is short.
 * - Refusals fill neither disk nor log: each source has `perMinuteMax` entries of an event in a minute, and all sources
 *   together have ten times as many. The next entry says how many were left out.
 * - `record` never waits and never throws.
 */
import { labelMs } from '../format/position.ts'
import type { Clock } from '../lib/clock.ts'
import { logger } from '../lib/log.ts'
import type { CatalogThread } from './catalog/catalog-thread.ts'
import {
  type AuditEntry,
  type AuditEvent,
  auditEvents,
  type ServerRole,
} from '../routes/http/dependencies.ts'

const log = logger('audit')

const minuteMs = 60_000
/** An administrator's script makes hundreds of tokens; a stranger is refused as often as the stranger likes. */
const perMinuteMax = (event: AuditEvent): number => (event === 'refused' ? 10 : 600)
const allSourcesFactor = 10
/** Sources that are told apart in one minute; of more, only the limit of all sources counts. */
export const auditSourcesMax = 1_000
const textLengthMax = 256

/** Counts of a minute; what was left out in earlier minutes stays until an entry has said so. */
interface Window {
  entries: number
  leftOut: number
}

export class AuditTrail {
  private readonly windows = new Map<string, Window>()
  private endsMs = Number.NEGATIVE_INFINITY

  constructor(
    private readonly clock: Pick<Clock, 'monotonic' | 'now'>,
    private readonly catalog: Pick<CatalogThread, 'recordAudit'>,
  ) {}

  /** Windows that are remembered. */
  get size(): number {
    return this.windows.size
  }

  readonly record = (entry: AuditEntry): void => {
    const leftOut = this.admit(entry)
    if (leftOut !== null) this.write(entry, leftOut)
  }

  /** Records an event that no request has brought about. */
  note(event: AuditEvent, what: string, who: string | null = null): void {
    this.record({ event, who, what, from: null })
  }

  /** The last entry; the counts that no later entry says come before. */
  close(why: string): void {
    for (const event of auditEvents) {
      const leftOut = this.windows.get(event)?.leftOut ?? 0
      if (leftOut > 0) this.write({ event, who: null, what: 'more of these', from: null }, leftOut)
    }
    this.note('server-stopped', why)
  }

  private write(entry: AuditEntry, leftOut: number): void {
    const { event } = entry
    const who = entry.who === null ? null : textOf(entry.who)
    const what = textOf(entry.what)
    const from = entry.from === null ? null : textOf(entry.from)
    const line = { event, who, what, from, leftOut }
    if (event === 'refused') log.warn(event, line)
    else log.info(event, line)
    this.catalog.recordAudit({ event, who, what, source: from, leftOut, atMs: labelMs(this.clock) })
  }

  /** Number of entries that were left out since the last one of the event; null when this one is left out, too. */
  private admit({ event, from }: AuditEntry): number | null {
    this.beginMinute()
    const all = this.window(event)
    const name = `${event} ${from ?? ''}`
    const isKnown = this.windows.has(name) || this.windows.size < auditSourcesMax
    const own = isKnown ? this.window(name) : null
    const max = perMinuteMax(event)
    if ((own && own.entries >= max) || all.entries >= max * allSourcesFactor) {
      all.leftOut++
      return null
    }
    if (own) own.entries++
    all.entries++
    const { leftOut } = all
    all.leftOut = 0
    return leftOut
  }

  private beginMinute(): void {
    const nowMs = this.clock.monotonic()
    if (nowMs < this.endsMs) return
    this.endsMs = nowMs + minuteMs
    for (const [name, window] of this.windows)
      if (window.leftOut === 0) this.windows.delete(name)
      else window.entries = 0
  }

  private window(name: string): Window {
    const known = this.windows.get(name)
    if (known) return known
    const made = { entries: 0, leftOut: 0 }
    this.windows.set(name, made)
    return made
  }
}

/** A token may stand where its sender should not have written the token: in a path, or in a name. */
const tokenForm = /(sp_[A-Za-z0-9]+_)[A-Za-z0-9_-]+/g

function textOf(text: string): string {
  const plain = text.replace(tokenForm, '$1…')
  return plain.length <= textLengthMax ? plain : `${plain.slice(0, textLengthMax - 1)}…`
}

/** The settings by their names alone: a value may be a secret, or name one. */
export const startOf = (role: ServerRole, given: readonly string[]): string =>
  given.length === 0 ? role : `${role} with ${given.join(', ')}`
