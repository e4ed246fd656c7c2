/** An I/O error at every device operation of a workload over files, once and for good, and at every one of an open. */
import { expect, test } from 'bun:test'
import type { Fault, OperationKind } from '../simulated/faults.ts'
import { openWithTrouble, runWithTrouble } from './device-errors.ts'
import { makeSmallVolumes } from './small-volume.ts'

const kinds: readonly (readonly [string, Fault, OperationKind | 'any'])[] = [
  ['an error', { kind: 'error' }, 'any'],
  ['a sync that drops what it covers, then succeeds', { kind: 'sync-drops' }, 'sync'],
]
const works = [
  ['a workload', runWithTrouble],
  ['an open', openWithTrouble],
] as const

for (const [where, run] of works)
  for (const [what, fault, of] of kinds)
    for (const isSticky of [false, true])
      test(`${what} at every operation of ${where}, ${isSticky ? 'from then on' : 'once'}`, async () => {
        const volumes = await makeSmallVolumes()
        const operations = await run(volumes, null)
        expect(operations).toBeGreaterThan(10)
        for (let nth = 0; nth < operations; nth++)
          try {
            await run(volumes, { nth, fault, of, isSticky })
          } catch (error) {
            throw new Error(`at operation ${nth}`, { cause: error })
          }
      }, 120_000)
