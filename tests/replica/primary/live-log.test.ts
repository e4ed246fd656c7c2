/** Which CPs a mirror has been sent whole while they were written. */
import { describe, expect, test } from 'bun:test'
import { LiveLog } from '../../../src/replica/primary/live-log.ts'
import { base as root5, positionOf } from '../mirror/applier-scene.ts'
import { root6 } from './shipper-stage.ts'

describe('the log of live cps', () => {
  const at5 = positionOf(root5)
  test('a cp is whole when it was sealed, sent from the first to the last command, at the cp before', () => {
    const log = new LiveLog()
    expect(log.isWhole(6, at5)).toBe(false)
    log.note(6, true)
    expect(log.isWhole(6, at5)).toBe(false)
    log.sealed(6, true, at5)
    expect([log.isWhole(6, at5), log.isWhole(6, positionOf(root6)), log.isWhole(7, at5)]).toEqual([
      true,
      false,
      false,
    ])
    log.note(6, true)
    expect(log.isWhole(6, at5)).toBe(true)
    log.note(6, false)
    log.note(6, true)
    expect(log.isWhole(6, at5)).toBe(false)
    log.sealed(7, false, at5)
    log.note(7, true)
    expect(log.isWhole(7, at5)).toBe(false)
    log.sealed(8, true, at5)
    log.lostAll()
    log.note(8, true)
    expect(log.isWhole(8, at5)).toBe(false)
  })

  test('keeps nothing of cps before', () => {
    const log = new LiveLog()
    for (const cp of [5, 6, 7]) log.sealed(cp, true, at5)
    log.forgetBefore(6)
    expect([5, 6, 7].map((cp) => log.isWhole(cp, at5))).toEqual([false, true, true])
  })
})
