/** Which run a run came from: back to what the mirror has, and no further; all of it is bounded. */
import { describe, expect, test } from 'bun:test'
import type { BlockRun } from '../../../src/lib/block-run.ts'
import type { HeldBlocks, WriteCommand } from '../../../src/cp-engine/contract.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { ReplacedRuns } from '../../../src/replica/primary/replaced-runs.ts'

const heldOf = (addresses: readonly number[]): HeldBlocks => ({
  has: ({ address }) => addresses.includes(address),
  readNow: () => null,
  read: () => Promise.reject(new Error('nobody waits for it')),
})
const command = (
  address: number,
  bytes: Uint8Array,
  replaces: BlockRun | null,
  payloadBytes = bytes.length,
): WriteCommand => ({ address, bytes, sum: new Uint8Array(8), payloadBytes, replaces })

describe('replaced runs', () => {
  const one = new Uint8Array(blockBytes)
  const run = (address: number): BlockRun => ({ address, blocks: 1 })

  test('lead back to the newest run that the mirror has', () => {
    const replaced = new ReplacedRuns()
    replaced.note([command(11, one, run(10))], null)
    replaced.note([command(12, one, run(11))], null)
    replaced.note([command(13, one, run(12))], null)
    expect(replaced.find(run(13), heldOf([10]))).toEqual(run(10))
    expect(replaced.find(run(13), heldOf([10, 12]))).toEqual(run(12))
    expect(replaced.find(run(13), heldOf([]))).toBeNull()
    expect(replaced.find({ address: 13, blocks: 2 }, heldOf([10]))).toBeNull()
  })

  test('also when addresses come again', () => {
    const replaced = new ReplacedRuns()
    const held = heldOf([10])
    for (const [address, before] of [
      [11, 10],
      [12, 11],
      [13, 12],
      [11, 13],
      [12, 11],
    ] as const)
      replaced.note([command(address, one, run(before))], held)
    expect(replaced.find(run(12), held)).toEqual(run(10))
    replaced.note([command(12, one, null)], held)
    expect(replaced.find(run(12), held)).toBeNull()
  })

  test('of a long absence, and of many, take a limited place', () => {
    const replaced = new ReplacedRuns(100)
    const held = heldOf([1])
    for (let i = 2; i < 90; i++) replaced.note([command(i, one, run(i - 1))], held)
    expect(replaced.find(run(89), held)).toEqual(run(1))
    for (let i = 1000; i < 1100; i++) replaced.note([command(i, one, run(i - 500))], held)
    expect(replaced.find(run(89), held)).toBeNull()
  })

  test('are cut out of what is sent', () => {
    const replaced = new ReplacedRuns()
    replaced.note([command(12, new Uint8Array(2 * blockBytes), run(5)), command(18, one, run(6))], null)
    const cut = (address: number, blocks: number) =>
      [...replaced.cut({ address, blocks })].map((each) => [each.address, each.blocks])
    expect(cut(10, 10)).toEqual([
      [10, 2],
      [12, 2],
      [14, 4],
      [18, 1],
      [19, 1],
    ])
    expect(cut(12, 1)).toEqual([[12, 1]])
  })
})

describe('replaced runs, in detail', () => {
  const run = (address: number, blocks = 1): BlockRun => ({ address, blocks })
  const write = (to: BlockRun, from: BlockRun | null) => [
    command(to.address, new Uint8Array(to.blocks * blockBytes), from),
  ]

  test('a run of another length is another run, as the one that replaces and as the one that is replaced', () => {
    const replaced = new ReplacedRuns()
    replaced.note(write(run(20, 2), run(10, 2)), null)
    replaced.note(write(run(30, 2), run(20, 1)), null)
    expect(replaced.find(run(30, 2), heldOf([10]))).toBeNull()
    expect(replaced.find(run(30, 2), heldOf([20]))).toEqual(run(20, 1))
    expect(replaced.find(run(20, 1), heldOf([10]))).toBeNull()
    replaced.note(write(run(40, 2), run(20, 2)), null)
    expect(replaced.find(run(40, 2), heldOf([10]))).toEqual(run(10, 2))
  })

  test('what the mirror has is the oldest that is kept', () => {
    const replaced = new ReplacedRuns()
    for (let at = 11; at < 15; at++) replaced.note(write(run(at), run(at - 1)), heldOf([12]))
    expect(replaced.find(run(14), heldOf([12]))).toEqual(run(12))
    expect(replaced.find(run(14), heldOf([11]))).toBeNull()
    expect(replaced.find(run(14), heldOf([10]))).toBeNull()
    // The run that is replaced is held itself: nothing before it is kept.
    replaced.note(write(run(20), run(14)), heldOf([14]))
    expect(replaced.find(run(20), heldOf([13]))).toBeNull()
  })

  test('what is older than what the mirror has now is forgotten, also when it was noted before', () => {
    for (const has of [13, 12, 11]) {
      const replaced = new ReplacedRuns()
      for (let at = 11; at < 15; at++) replaced.note(write(run(at), run(at - 1)), null)
      replaced.note(write(run(15), run(14)), heldOf([has]))
      const found = [14, 13, 12, 11, 10].filter((at) => replaced.find(run(15), heldOf([at])) !== null)
      expect(found).toEqual([14, 13, 12, 11].filter((at) => at >= has))
    }
  })

  test.each([
    [15, true],
    [16, true],
    [17, false],
  ])('of %p ancestors those in the middle go: the ninth newest is there: %p', (count, isThere) => {
    const replaced = new ReplacedRuns()
    for (let at = 1; at <= count; at++) replaced.note(write(run(100 + at), run(100 + at - 1)), null)
    const newest = run(100 + count)
    const has = (age: number) => replaced.find(newest, heldOf([100 + count - age])) !== null
    expect(has(9)).toBe(isThere)
    for (let age = 1; age <= count; age++) if (age !== 9) expect([age, has(age)]).toEqual([age, true])
  })

  test.each([-1, 0, 1])('of so many runs and %p the oldest is forgotten, or none', (more) => {
    const runsMax = 5
    const replaced = new ReplacedRuns(runsMax)
    for (let i = 0; i < runsMax + more; i++) replaced.note(write(run(20 + i), run(10)), null)
    expect(replaced.find(run(20), heldOf([10])) !== null).toBe(more <= 0)
    expect(replaced.find(run(21), heldOf([10]))).toEqual(run(10))
  })

  test('a run that is written again is the youngest', () => {
    const replaced = new ReplacedRuns(2)
    for (const to of [1, 2, 1, 3]) replaced.note(write(run(to), run(10)), null)
    expect([1, 2, 3].map((at) => replaced.find(run(at), heldOf([10])) !== null)).toEqual([true, false, true])
  })

  test.each([
    [run(20, 2), [[20, 2]]],
    [run(20, 1), [[20, 1]]],
    [run(19, 2), [[19, 2]]],
    [
      run(19, 3),
      [
        [19, 1],
        [20, 2],
      ],
    ],
    [
      run(20, 3),
      [
        [20, 2],
        [22, 1],
      ],
    ],
    [run(21, 2), [[21, 2]]],
    [
      run(20, 4),
      [
        [20, 2],
        [22, 1],
        [23, 1],
      ],
    ],
    [
      run(18, 7),
      [
        [18, 2],
        [20, 2],
        [22, 1],
        [23, 1],
        [24, 1],
      ],
    ],
    [run(1, 3), [[1, 3]]],
  ])('%p is cut', (whole, pieces) => {
    const replaced = new ReplacedRuns()
    replaced.note([...write(run(20, 2), run(5, 2)), ...write(run(23), run(6))], null)
    expect([...replaced.cut(whole)].map(({ address, blocks }) => [address, blocks])).toEqual(pieces)
  })
})
