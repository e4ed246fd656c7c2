import { renameSync, existsSync } from 'node:fs'
import {
  openCatalog,
  type Catalog,
  type CatalogOptions,
  type CpRow,
  type TransferRow,
} from '../../src/catalog/catalog.ts'
import type { UnusableReason } from '../../src/catalog/database.ts'
import type { Clock } from '../../src/lib/clock.ts'

export const sideUuid = '00000000-0000-4000-8000-000000000001'
export const day = Date.UTC(2024, 0, 1)

export const cpRow = (cp: number, change: Partial<CpRow> = {}): CpRow => ({
  cp,
  epoch: 0,
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

/** Time stands still; `fire` runs the timers that wait. */
export function manualClock(): Clock & { fire(): void; waiting(): number } {
  const timers = new Set<() => void>()
  return {
    now: () => day,
    monotonic: () => 0,
    after(_ms, callback) {
      timers.add(callback)
      return () => timers.delete(callback)
    },
    sleep: () => Promise.resolve(),
    yield: () => Promise.resolve(),
    fire() {
      for (const callback of Array.from(timers)) {
        timers.delete(callback)
        callback()
      }
    },
    waiting: () => timers.size,
  }
}

export function open(
  path: string,
  options: Partial<CatalogOptions> = {},
): { catalog: Catalog; clock: ReturnType<typeof manualClock>; aside: UnusableReason[] } {
  const clock = manualClock()
  const aside: UnusableReason[] = []
  const catalog = openCatalog(path, {
    sideUuid,
    publishedCp: 1_000_000,
    clock,
    setAside(file, reason) {
      aside.push(reason)
      for (const suffix of ['', '-wal', '-shm'])
        if (existsSync(file + suffix)) renameSync(file + suffix, `${file}.${reason}${suffix}`)
    },
    ...options,
  })
  return { catalog, clock, aside }
}
