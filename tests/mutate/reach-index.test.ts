import { expect, test } from 'bun:test'
import type { Edit } from '../../tools/mutate/edit.ts'
import { type Reach, ReachIndex } from '../../tools/mutate/reach.ts'

const edit = (file: string, mark: number): Edit => ({
  file,
  kind: 'Kind',
  start: 0,
  end: 1,
  replacement: '',
  mark,
})
const reach = (test_: string, ms: number, reached: Reach['reached'], problem = ''): Reach => ({
  test: test_,
  ms,
  reached,
  problem,
})

const index = new ReachIndex([
  reach('slow', 900, { 'src/a.ts': [0, 1, 2], 'src/b.ts': [0, 1] }),
  reach('quick', 10, { 'src/a.ts': [0, 2] }),
  reach('middle', 200, { 'src/a.ts': [1, 2] }),
  reach('broken', 1, { 'src/a.ts': [0, 1, 2] }, 'failed: always'),
])
const tests = (file: string, mark: number): string[] =>
  index.testsOf(edit(file, mark)).map(({ test: name }) => name)

test('the marks of all test files together, the quickest first, without those that fail anyway', () => {
  expect(tests('src/a.ts', 1)).toEqual(['middle', 'slow'])
  expect(tests('src/a.ts', 2)).toEqual(['quick', 'middle', 'slow'])
})

test('a mark is of its file', () => {
  expect(tests('src/b.ts', 1)).toEqual(['slow'])
  expect(tests('src/b.ts', 2)).toEqual([])
  expect(tests('src/c.ts', 1)).toEqual([])
})
