/** What a primary can tell of a CP that it does not have: that it was lost here, or nothing. */
import { expect, test } from 'bun:test'
import { OwnHistory } from '../../../src/cp-engine/volume/own-history.ts'
import type { PublishedRoot } from '../../../src/cp-engine/contract.ts'
import { cpsPerEpoch } from '../../../src/format/geometry.ts'

const hashOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const position = (cp: number, hash = 1) => ({ cp, hash: hashOf(hash) })
const published = (cp: number): PublishedRoot => ({ root: { cp }, hash: hashOf(1) }) as PublishedRoot

test('numbers that this opening never gave, and those that it gave to something else, are lost', () => {
  const history = new OwnHistory(10, 14)
  for (const cp of [14, 15, 16]) history.published(published(cp))
  for (const cp of [11, 12, 13, 17, 1000]) expect(history.hasLost(position(cp))).toBe(true)
  for (const cp of [14, 15, 16]) {
    expect(history.hasLost(position(cp))).toBe(false)
    expect(history.hasLost(position(cp, 2))).toBe(true)
  }
})

test('of what was before the opening, of other epochs and of what is forgotten nothing is said', () => {
  const history = new OwnHistory(10, 14)
  for (let cp = 14; cp < 6000; cp++) history.published(published(cp))
  for (const cp of [1, 10, 14, 1000]) expect(history.hasLost(position(cp, 2))).toBe(false)
  expect(history.hasLost(position(5999, 2))).toBe(true)
  expect(history.hasLost(position(12))).toBe(true)

  const next = new OwnHistory(10, cpsPerEpoch + 14)
  for (const cp of [11, 100, cpsPerEpoch - 1, 2 * cpsPerEpoch + 1])
    expect(next.hasLost(position(cp))).toBe(false)
  expect(next.hasLost(position(cpsPerEpoch + 20))).toBe(true)
})
