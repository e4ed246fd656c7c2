import { renameSync, existsSync } from 'node:fs'
import {
  type AuditRow,
  Catalog,
  type CatalogOptions,
  type CpRow,
  type EventRow,
  type TransferRow,
} from '../../src/catalog/catalog.ts'
import type { UnusableReason } from '../../src/catalog/database.ts'
import { VirtualClock } from '../simulated/clock.ts'

export const sideUuid = '00000000-0000-4000-8000-000000000001'
export const day = Date.UTC(2024, 0, 1)
/** By then what waits for its batch has been written. */
export const untilWrittenMs = 60_000

export const cpRow = (cp: number, change: Partial<CpRow> = {}): CpRow => ({
  cp,
  epoch: 0,
  opening: 1,
  sequence: cp * 10,
  rootHash: cp.toString(16).padStart(64, '0'),
  cause: 'timer',
  sendMs: 1.25,
  buildMs: 2.5,
  commitMs: 0.5,
  blocksWritten: 10,
  bytesWritten: 40_960,
  coalesced: 3,
  committedMs: day + cp * 1000,
  ...change,
})

export const transferRow = (cp: number, change: Partial<TransferRow> = {}): TransferRow => ({
  mirror: '00000000-0000-4000-8000-00000000000a',
  kind: 'live',
  cp,
  blocks: 10,
  bytes: 41_000,
  ms: 4.5,
  atMs: day + cp * 1000,
  ...change,
})

export const eventRow = (cp: number): EventRow => ({
  event: 'mirrored',
  cp,
  mirror: '00000000-0000-4000-8000-00000000000a',
  facts: '{}',
  atMs: day + cp * 1000,
})

export const auditRow = (atMs: number): AuditRow => ({
  event: 'refused',
  who: null,
  what: 'unauthorized',
  source: '192.0.2.7',
  leftOut: 0,
  atMs,
})

export function open(
  path: string,
  options: Partial<CatalogOptions> = {},
): { catalog: Catalog; clock: VirtualClock; aside: UnusableReason[] } {
  const clock = new VirtualClock()
  clock.now = () => day
  const aside: UnusableReason[] = []
  const catalog = new Catalog(path, {
    sideUuid,
    publishedCp: () => 1_000_000,
    clock,
    makePrivate: () => {},
    setAside(file, reason) {
      aside.push(reason)
      for (const suffix of ['', '-wal', '-journal'])
        if (existsSync(file + suffix)) renameSync(file + suffix, `${file}.${reason}${suffix}`)
    },
    ...options,
  })
  return { catalog, clock, aside }
}
