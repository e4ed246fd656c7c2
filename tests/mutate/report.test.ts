import { expect, test } from 'bun:test'
import type { Verdict } from '../../tools/mutate/judge.ts'
import { timeLeft } from '../../tools/mutate/progress.ts'
import { type Result, missedText, resultOf, share, table } from '../../tools/mutate/report.ts'

const verdict = (kind: Verdict['kind']): Verdict => ({ kind, detail: '', by: null, seconds: 1 })
const source = 'one()\nif (a > 0) {\n  two()\n}\n'

function result(kind: Verdict['kind'], reachedBy: readonly string[] = [], file = 'src/lib/a.ts'): Result {
  const edit = { file, kind: 'EqualityOperator', start: 10, end: 15, replacement: 'a >= 0', mark: 1 }
  return resultOf(source, edit, reachedBy, verdict(kind))
}

test('a survivor is shown with its place, its lines, and who came by', () => {
  expect(missedText(result('survived', ['tests/a.test.ts', 'tests/b.test.ts']))).toBe(
    [
      'src/lib/a.ts:2: survived (EqualityOperator)',
      '  - if (a > 0) {',
      '  + if (a >= 0) {',
      '  reached by tests/a.test.ts tests/b.test.ts',
    ].join('\n'),
  )
  expect(missedText(result('unreached'))).toEndWith('\n  no test reaches it')
  const many = Array.from({ length: 9 }, (_, i) => `tests/${i}.test.ts`)
  expect(missedText(result('survived', many))).toEndWith('tests/5.test.ts and 3 more')
})

test('a long edit is shown by its ends', () => {
  const long = `f(() => {\n${'  step()\n'.repeat(40)}})\n`
  const edit = {
    file: 'src/lib/a.ts',
    kind: 'BlockStatement',
    start: 8,
    end: long.length - 2,
    replacement: '{}',
    mark: 1,
  }
  const lines = missedText(resultOf(long, edit, [], verdict('unreached'))).split('\n')
  expect(lines).toHaveLength(1 + 6 + 1 + 6 + 1)
  expect(lines[1]).toBe('  - f(() => {')
  expect(lines.at(-2)).toBe('  + f(() => {})')
})

test('a table counts each kind of verdict by row; what is without effect is not in the share', () => {
  const results = [
    result('noticed'),
    result('hung'),
    result('survived'),
    result('without effect'),
    result('unreached', [], 'src/fs/paths.ts'),
  ]
  const cells = table('room', results, ({ room }) => room)
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
  expect(cells.toSpliced(1, 1).map((row) => row.slice(1, -1))).toEqual([
    ['room', 'edits', 'noticed', 'hung', 'survived', 'unreached', 'without effect', 'share noticed'],
    ['fs/paths.ts', '1', '0', '0', '0', '1', '0', '0 %'],
    ['lib', '4', '1', '1', '1', '0', '1', '66.6 %'],
    ['all', '5', '1', '1', '1', '1', '1', '50 %'],
  ])
})

test('a share is rounded down: 100 % means all', () => {
  expect(share([...Array.from({ length: 2000 }, () => result('noticed')), result('survived')])).toBe('99.9 %')
  expect(share([result('noticed')])).toBe('100 %')
  expect(share([result('without effect')])).toBe('-')
})

test('the time left is that of the rest at the rate so far', () => {
  expect(timeLeft(60_000, 10, 100)).toBe(', 9 min left')
  expect(timeLeft(1_000, 50, 100)).toBe(', less than a minute left')
  expect(timeLeft(1_000, 0, 100)).toBe('')
  expect(timeLeft(1_000, 100, 100)).toBe('')
})
