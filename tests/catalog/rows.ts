import { renameSync, existsSync } from 'node:fs'
import { Catalog, type CatalogOptions, type CpRow, type TransferRow } from '../../src/catalog/catalog.ts'
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
export function manualClock(): Clock & { fire(): void; waiting(): number; pass(ms: number): void } {
  const timers = new Set<() => void>()
  let passedMs = 0
  return {
    now: () => day,
    monotonic: () => passedMs,
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
    pass: (ms) => void (passedMs += ms),
  }
}

export function open(
  path: string,
  options: Partial<CatalogOptions> = {},
): { catalog: Catalog; clock: ReturnType<typeof manualClock>; aside: UnusableReason[] } {
  const clock = manualClock()
  const aside: UnusableReason[] = []
  const catalog = new Catalog(path, {
    sideUuid,
    publishedCp: () => 1_000_000,
    clock,
    setAside(file, reason) {
      aside.push(reason)
      for (const suffix of ['', '-wal', '-journal'])
        if (existsSync(file + suffix)) renameSync(file + suffix, `${file}.${reason}${suffix}`)
    },
    ...options,
  })
  return { catalog, clock, aside }
}
