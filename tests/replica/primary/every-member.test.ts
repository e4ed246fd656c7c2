/** What is asked of all mirrors is asked of each: the first, one in the middle, and the last. */
import { describe, expect, test } from 'bun:test'
import type { HoldListener } from '../../../src/cp-engine/contract.ts'
import { Mirrors } from '../../../src/replica/primary/mirrors.ts'
import { VirtualClock } from '../../simulated/clock.ts'

/** What a mirror of the list has published, the state that it is in, and the CPs that are held for it. */
interface Told {
  mirroredCp: number
  state: 'live' | 'away'
  held: readonly number[]
  spaceShort: number
}

function membersOf(count: number) {
  const told: Told[] = Array.from({ length: count }, () => ({
    mirroredCp: 9,
    state: 'live',
    held: [],
    spaceShort: 0,
  }))
  const clock = new VirtualClock()
  let listener: HoldListener | null = null
  const primary = {
    observe: () => () => {},
    onHoldsInTheWay: (heard: HoldListener) => {
      listener = heard
      return () => {}
    },
    members: () => [],
    holds: { of: (id: string) => told[Number(id)]!.held.map((cp) => ({ root: { cp } })), set: () => {} },
  }
  const source = { current: () => ({ root: { cp: 9 } }) }
  const mirrors = new Mirrors({ primary, source, clock } as unknown as ConstructorParameters<
    typeof Mirrors
  >[0])
  mirrors.start()
  const links = told.map((each, i) => ({
    id: String(i),
    link: {
      get mirroredCp() {
        return each.mirroredCp
      },
      describe: () => ({ state: each.state }),
      spaceShort: () => void each.spaceShort++,
    },
  }))
  mirrors['members'].push(...(links as unknown as (typeof mirrors)['members']))
  /** With a deadline that is over: the answer of this moment. */
  const now = clock.monotonic()
  return {
    told,
    isFlushed: (cp: number) => mirrors.flush(cp, now),
    isMirrored: (cp: number, by: number) => mirrors.waitMirrored(cp, by, now),
    inTheWay: (carrier: number) => listener!(carrier),
  }
}

describe('of three mirrors', () => {
  for (const n of [0, 1, 2]) {
    test(`the last CP waits for mirror ${n}, as long as it is there`, async () => {
      const { told, isFlushed } = membersOf(3)
      expect(await isFlushed(9)).toBe(true)
      told[n]!.mirroredCp = 8
      expect(await isFlushed(9)).toBe(false)
      told[n]!.state = 'away'
      expect(await isFlushed(9)).toBe(true)
    })

    test(`a write counts mirror ${n} only when it has the CP`, async () => {
      const { told, isMirrored } = membersOf(3)
      told[n]!.mirroredCp = 8
      expect([await isMirrored(9, 2), await isMirrored(9, 3), await isMirrored(8, 3)]).toEqual([
        true,
        false,
        true,
      ])
      for (const [i, each] of told.entries()) each.mirroredCp = i === n ? 9 : 8
      expect([await isMirrored(9, 1), await isMirrored(9, 2)]).toEqual([true, false])
    })

    test(`mirror ${n} is asked for space when its hold is in the way, whichever hold that is`, () => {
      for (const held of [[3], [3, 9], [9, 3], [9, 3, 9]]) {
        const { told, inTheWay } = membersOf(3)
        expect(inTheWay(5)).toBe('nothing')
        told[n]!.held = held
        expect(inTheWay(5)).toBe('with a report')
        expect(inTheWay(9)).toBe('the next cp')
        expect(told.map(({ spaceShort }) => spaceShort)).toEqual([0, 1, 2].map((i) => (i === n ? 2 : 0)))
        told[n]!.state = 'away'
        expect(inTheWay(5)).toBe('nothing')
      }
    })
  }
})
