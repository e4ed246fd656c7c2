/** The row of a table of bounds, and what it claims: driven past its bound nothing grows, and the right end is forgotten. */
import { expect } from 'bun:test'
import { heldBy } from './held.ts'

export interface Bound {
  /** As `docs/architecture.md` names it. */
  readonly file: string
  /** Of which more than `most` are never held. */
  readonly what: string
  readonly most: number
  /** How many are added; a multiple of `most`. */
  readonly count: number
  make(): Memory | Promise<Memory>
}

export interface Memory {
  add(i: number): unknown
  /** Held now, in the unit of `most`. */
  size(): number
  /** Whether the one that was added as number i is still there; null where nobody can ask. */
  readonly knows: ((i: number) => boolean) | null
  /** Which end stays. `none`: nothing stays once its time is over. */
  readonly keeps: 'newest' | 'oldest' | 'none'
  /** What is looked at for growth. */
  readonly holder: object
  readonly leaveOut?: readonly unknown[]
  close?(): unknown
}

export async function expectBounded({ what, most, count, make }: Bound): Promise<void> {
  expect(count).toBeGreaterThanOrEqual(2 * most)
  const memory = await make()
  const look = () => heldBy(memory.holder, memory.leaveOut)
  let largest = 0
  let full: ReturnType<typeof look> | null = null
  for (let i = 0; i < count; i++) {
    await memory.add(i)
    const size = memory.size()
    if (size > most) throw new Error(`${what}: ${size} are held after ${i + 1}`)
    largest = Math.max(largest, size)
    // Everything that is made once has been made.
    if (i === Math.ceil(1.5 * most)) full = look()
  }
  const end = look()
  // A bound that nothing comes near is no bound, or this test does not reach it.
  if (memory.keeps !== 'none') expect(largest).toBeGreaterThan(most / 2)
  expect(end.entries).toBeLessThanOrEqual(1.25 * full!.entries + 16)
  expect(end.bytes).toBeLessThanOrEqual(1.25 * full!.bytes + 64 * 1024)
  const { knows, keeps } = memory
  if (knows) {
    expect([knows(0), knows(count - 1)]).toEqual([keeps === 'oldest', keeps === 'newest'])
    if (keeps === 'newest') expect(knows(count - 2)).toBe(true)
  }
  await memory.close?.()
}
