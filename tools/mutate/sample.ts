/**
 * Draws edits at random, the same ones for the same seed.
 *
 * Every edit draws a number from the seed and its own name, and the lowest are taken. So a change of one file draws other
 * edits of that file and leaves the others in the sample.
 */
import { type Edit, changeKey, lineChange } from './edit.ts'

export function sampled(
  edits: readonly Edit[],
  sources: (file: string) => string,
  count: number,
  seed: number,
): Edit[] {
  const seen = new Map<string, number>()
  const drawn = edits.map((edit) => {
    const key = changeKey(edit.file, lineChange(sources(edit.file), edit))
    // The same change of the same line in two places: each draws for itself.
    const nth = seen.get(key) ?? 0
    seen.set(key, nth + 1)
    return { edit, number: Bun.hash.xxHash64(`${key} ${nth}`, BigInt(seed)) }
  })
  const order = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)
  const chosen = new Set(
    drawn
      .toSorted((a, b) => order(a.number, b.number))
      .slice(0, count)
      .map(({ edit }) => edit),
  )
  return edits.filter((edit) => chosen.has(edit))
}
