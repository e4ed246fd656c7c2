import { expect, test } from 'bun:test'
import type { Edit } from '../../tools/mutate/edit.ts'
import { sampled } from '../../tools/mutate/sample.ts'

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `call(${from + i})\n`).join('')

/** An edit for each line. */
function editsOf(file: string, source: string): Edit[] {
  return [...source.matchAll(/call\(\d+\)/g)].map(({ index, 0: text }, i) => ({
    file,
    kind: 'CallExpression',
    start: index,
    end: index + text.length,
    replacement: ';',
    mark: i + 1,
  }))
}

const sources: Record<string, string> = { 'src/a.ts': lines(0, 200), 'src/b.ts': lines(0, 200) }
const all = Object.entries(sources).flatMap(([file, source]) => editsOf(file, source))
const draw = (count: number, seed: number): Edit[] => sampled(all, (file) => sources[file]!, count, seed)

test('a seed draws the same edits each time, another seed others', () => {
  expect(draw(40, 1)).toHaveLength(40)
  expect(draw(40, 1)).toEqual(draw(40, 1))
  expect(draw(40, 2)).not.toEqual(draw(40, 1))
})

test('a larger sample holds the smaller one, and no edit twice', () => {
  const small = draw(20, 7)
  const large = draw(100, 7)
  expect(small.filter((edit) => !large.includes(edit))).toEqual([])
  expect(new Set(large).size).toBe(100)
  expect(draw(1000, 7)).toEqual(all)
})

test('a sample comes from everywhere', () => {
  const fromA = draw(200, 3).filter(({ file }) => file === 'src/a.ts').length
  expect(fromA).toBeGreaterThan(70)
  expect(fromA).toBeLessThan(130)
})

test('lines that are added elsewhere leave the sample what it was', () => {
  const longer = `first()\nsecond()\n${sources['src/a.ts']!}`
  const before = draw(50, 5).filter(({ file }) => file === 'src/a.ts')
  const edits = [...editsOf('src/a.ts', longer), ...editsOf('src/b.ts', sources['src/b.ts']!)]
  const after = sampled(edits, (file) => (file === 'src/a.ts' ? longer : sources[file]!), 50, 5)
  const shift = longer.length - sources['src/a.ts']!.length
  expect(after.filter(({ file }) => file === 'src/a.ts').map(({ start }) => start - shift)).toEqual(
    before.map(({ start }) => start),
  )
})

test('the same change of the same line in two places draws for each', () => {
  const source = 'call(1)\n'.repeat(100)
  const edits = editsOf('src/a.ts', source)
  expect(sampled(edits, () => source, 30, 1)).toHaveLength(30)
})
