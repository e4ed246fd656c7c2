/** What is counted for one mirror, over more consistency points than are remembered: sums stay right, and memory small. */
import { describe, expect, test } from 'bun:test'
import { cpsPerEpoch } from '../../../src/format/geometry.ts'
import { Lag } from '../../../src/replica/link/lag.ts'
import { TransferLog } from '../../../src/replica/link/transfer-log.ts'

const remembered = 64
const openMax = 16

describe('lag', () => {
  test('counts from the first CP that the mirror lacks, as long as that is remembered, and never more', () => {
    const lag = new Lag()
    const newest = 300
    for (let cp = 1; cp <= newest; cp++) lag.published(cp, cp * 1000)
    const first = newest - remembered + 1
    for (const [has, since] of [
      [newest - 1, newest],
      [first, first + 1],
      [first - 1, first],
      // Forgotten: a lower bound.
      [first - 2, first],
      [1, first],
      [null, first],
    ] as const)
      expect(lag.of(has, newest, 400_000)).toEqual({
        lagCps: newest - (has ?? 0),
        lagMs: 400_000 - since * 1000,
      })
    expect(lag.of(newest, newest, 400_000)).toEqual({ lagCps: 0, lagMs: 0 })
    expect(lag['publications']).toHaveLength(remembered)
  })

  test('counts CPs across epochs, and is over when the mirror has the newest', () => {
    const lag = new Lag()
    lag.published(10, 0)
    lag.published(cpsPerEpoch + 14, 5000)
    expect(lag.of(10, cpsPerEpoch + 14, 7000)).toEqual({ lagCps: 4, lagMs: 2000 })
    expect(lag.of(cpsPerEpoch + 14, cpsPerEpoch + 14, 7000)).toEqual({ lagCps: 0, lagMs: 0 })
  })
})

describe('transfers', () => {
  test('of CPs that never became a target count for the one that did, up to so many of them', () => {
    for (const open of [openMax - 1, openMax, openMax + 1]) {
      const log = new TransferLog()
      for (let cp = 1; cp <= open; cp++) {
        log.sent('live', cp, 2, 100, cp)
        log.sent(null, cp, 0, 7, cp)
      }
      const kept = Math.min(open, openMax)
      const oldest = open - kept + 1
      expect(log.finished(open, 1000)).toEqual([
        { kind: 'live', cp: open, blocks: 2 * kept, bytes: 107 * kept, ms: 1000 - oldest },
      ])
      expect(log.finished(open, 2000)).toEqual([])
      expect([log.bytesEver, log.bytesBySource.get('live')]).toEqual([107 * open, 100 * open])
    }
  })

  test('a thousand CPs later each row is of its own CP alone', () => {
    const log = new TransferLog()
    for (let cp = 1; cp <= 1000; cp++) {
      log.sent('live', cp, 1, 50, cp * 10)
      log.sent('difference', cp + 1, 3, 60, cp * 10)
      if (cp % 3 > 0) continue
      const rows = log.finished(cp, cp * 10 + 5)
      expect(rows.map(({ kind, blocks }) => [kind, blocks])).toEqual(
        cp === 3
          ? [
              ['live', 3],
              ['difference', 6],
            ]
          : [
              ['difference', 9],
              ['live', 3],
            ],
      )
      expect(log['open'].size).toBe(1)
    }
  })
})
