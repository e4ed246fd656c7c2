/** The roots that are held for a mirror: each that it reported or was offered since, until a later report lets it go. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { PublishedRoot } from '../../../src/cp-engine/contract.ts'
import { rootsHeldMax, rootsPerMemberMax } from '../../../src/format/geometry.ts'
import type { MirrorStatus, Position } from '../../../src/format/wire/messages.ts'
import { MemberHolds } from '../../../src/replica/primary/member-holds.ts'
import { base, next, positionOf, rootOf } from '../mirror/applier-scene.ts'
import { idleStatus } from '../idle-status.ts'

const roots: PublishedRoot[] = [base, next]
while (roots.length < 2 * rootsHeldMax) roots.push(rootOf(roots.length + 5, roots.at(-1)!))
const find = ({ cp }: Position): PublishedRoot | null => roots.find(({ root }) => root.cp === cp) ?? null

const reportOf = (retained: readonly PublishedRoot[], offerSeen: number): MirrorStatus =>
  idleStatus({
    published: positionOf(retained.at(-1) ?? null),
    offerSeen,
    retained: retained.map(positionOf),
  })
const cpsOf = (held: readonly PublishedRoot[]): number[] =>
  held.map(({ root }) => root.cp).toSorted((a, b) => a - b)

test('a root that was offered is held until a report has seen the offer', () => {
  const holds = new MemberHolds()
  const first = holds.offer(roots[0]!)
  expect(cpsOf(holds.roots())).toEqual([5])
  const second = holds.offer(roots[1]!)
  // The report was on its way when the second root was offered.
  expect(holds.report(reportOf([], first), find)).toBeTrue()
  expect(cpsOf(holds.roots())).toEqual([6])
  expect(holds.report(reportOf([roots[1]!], second), find)).toBeTrue()
  expect(cpsOf(holds.roots())).toEqual([6])
  expect(holds.report(reportOf([], second), find)).toBeTrue()
  expect(holds.roots()).toEqual([])
})

const step = fc.oneof(
  fc.record({ kind: fc.constant('offer' as const), root: fc.nat(roots.length - 1) }),
  fc.record({
    kind: fc.constant('report' as const),
    retained: fc.uniqueArray(fc.nat(roots.length - 1), { maxLength: rootsHeldMax + 1 }),
    late: fc.nat(4),
  }),
  fc.record({ kind: fc.constant('greeted' as const) }),
)

test('any sequence of offers, reports and greetings', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const holds = new MemberHolds()
      let reported = new Set<number>()
      let offered = new Map<number, number>()
      let offers = 0
      const held = () => new Set([...reported, ...offered.keys()])
      for (const each of steps) {
        if (each.kind === 'greeted') {
          holds.greeted()
          offered = new Map()
          offers = 0
        } else if (each.kind === 'offer') {
          expect(holds.offer(roots[each.root]!)).toBe(++offers)
          offered.set(each.root, offers)
        } else {
          const seen = Math.max(0, offers - each.late)
          const left = new Map([...offered].filter(([, offer]) => offer > seen))
          const isTaken =
            each.retained.length < rootsHeldMax &&
            new Set([...each.retained, ...left.keys()]).size < rootsPerMemberMax
          const retained = each.retained.map((at) => roots[at]!)
          expect(holds.report(reportOf(retained, seen), find)).toBe(isTaken)
          if (isTaken) {
            reported = new Set(each.retained)
            offered = left
          }
        }
        const cps = [...held()].map((at) => roots[at]!.root.cp)
        expect(cpsOf(holds.roots())).toEqual(cps.toSorted((a, b) => a - b))
        for (const root of roots)
          expect(holds.hasRoomFor(root)).toBe(new Set([...cps, root.root.cp]).size <= rootsHeldMax)
      }
    }),
    { numRuns: 300 },
  )
})

describe('the limits', () => {
  const report = (holds: MemberHolds, count: number, offerSeen = 0) =>
    holds.report(reportOf(roots.slice(0, count), offerSeen), find)

  test.each([
    [rootsHeldMax - 2, true],
    [rootsHeldMax - 1, true],
    [rootsHeldMax, false],
    [rootsHeldMax + 1, false],
  ])('%p reported roots: %p, and a report that is refused changes nothing', (count, isTaken) => {
    const holds = new MemberHolds()
    expect(report(holds, 2)).toBe(true)
    expect(report(holds, count)).toBe(isTaken)
    expect(holds.roots()).toHaveLength(isTaken ? count : 2)
  })

  test.each([
    [rootsPerMemberMax - 2, true],
    [rootsPerMemberMax - 1, true],
    [rootsPerMemberMax, false],
    [rootsPerMemberMax + 1, false],
  ])('%p roots, reported and offered: a report is taken: %p', (count, isTaken) => {
    const holds = new MemberHolds()
    const reported = rootsHeldMax - 1
    for (const root of roots.slice(reported, count)) holds.offer(root)
    expect(report(holds, reported)).toBe(isTaken)
    expect(holds.roots()).toHaveLength(isTaken ? count : count - reported)
  })

  test('a report of too many positions is refused, also when they are the same or unknown', () => {
    for (const [count, isTaken] of [
      [rootsHeldMax - 1, true],
      [rootsHeldMax, false],
    ] as const) {
      const holds = new MemberHolds()
      const retained = Array.from({ length: count }, () => positionOf(base))
      expect(holds.report(idleStatus({ retained }), find)).toBe(isTaken)
      expect(holds.report(idleStatus({ retained }), () => null)).toBe(isTaken)
      expect(holds.roots()).toHaveLength(0)
    }
  })

  test('an offer is held until it is seen; one that is made again until that one is seen', () => {
    const holds = new MemberHolds()
    expect(holds.roots()).toEqual([])
    const [a, b] = [roots[5]!, roots[6]!]
    expect([a, b, a].map((root) => holds.offer(root))).toEqual([1, 2, 3])
    report(holds, 1, 1)
    expect(cpsOf(holds.roots())).toEqual([5, 10, 11])
    report(holds, 1, 2)
    expect(cpsOf(holds.roots())).toEqual([5, 10])
    report(holds, 1, 3)
    expect(cpsOf(holds.roots())).toEqual([5])
    holds.offer(b)
    holds.greeted()
    expect(cpsOf(holds.roots())).toEqual([5])
    expect(holds.offer(b)).toBe(1)
  })

  test('a report that is refused brings offers back that it would have released', () => {
    const holds = new MemberHolds()
    holds.offer(roots.at(-1)!)
    expect(report(holds, rootsHeldMax, 1)).toBe(false)
    expect(cpsOf(holds.roots())).toEqual([roots.at(-1)!.root.cp])
  })

  test('there is room up to the most that are held, the same root takes none', () => {
    const holds = new MemberHolds()
    for (const root of roots.slice(0, rootsHeldMax - 1)) holds.offer(root)
    expect(holds.hasRoomFor(roots[rootsHeldMax - 1]!)).toBe(true)
    holds.offer(roots[rootsHeldMax - 1]!)
    expect(holds.hasRoomFor(roots[rootsHeldMax]!)).toBe(false)
    expect(holds.hasRoomFor(roots[0]!)).toBe(true)
  })
})
