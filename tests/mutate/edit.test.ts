import { describe, expect, test } from 'bun:test'
import {
  type Edit,
  applied,
  changeKey,
  lineAt,
  lineChange,
  linesOf,
  shownChange,
} from '../../tools/mutate/edit.ts'

const source = 'let a = 1\nif (a > 0) {\n  go(a)\n  stop(a)\n}\nlet é = "𝄞", b = a < 2'

function editOf(text: string, replacement: string): Edit {
  const start = source.indexOf(text)
  expect(start).toBeGreaterThanOrEqual(0)
  return { file: 'src/a.ts', kind: 'Kind', start, end: start + text.length, replacement, mark: 1 }
}

test('an edit changes its place and nothing beside', () => {
  expect(applied(source, editOf('a > 0', 'true'))).toBe(source.replace('a > 0', 'true'))
  expect(applied(source, editOf('let a', ''))).toBe(source.slice('let a'.length))
  expect(applied(source, editOf('a < 2', 'a <= 2'))).toBe(`${source.slice(0, -'a < 2'.length)}a <= 2`)
})

test.each([
  ['let a', 1, 1],
  ['a > 0', 2, 2],
  ['{\n  go(a)\n  stop(a)\n}', 2, 5],
  ['1\n', 1, 2],
  ['a < 2', 6, 6],
])('the lines of %j', (text, first, last) =>
  expect(linesOf(source, editOf(text, ''))).toEqual({ first, last }),
)

test('lines count from 1, and a newline belongs to the line that it ends', () => {
  expect([0, 9, 10, source.length].map((offset) => lineAt(source, offset))).toEqual([1, 1, 2, 6])
  expect(lineAt('', 0)).toBe(1)
})

describe('whole lines before and after', () => {
  test.each<[string, string, string[], string[]]>([
    ['let a', 'var a', ['let a = 1'], ['var a = 1']],
    ['a < 2', 'true', ['let é = "𝄞", b = a < 2'], ['let é = "𝄞", b = true']],
    ['{\n  go(a)\n  stop(a)\n}', '{}', ['if (a > 0) {', '  go(a)', '  stop(a)', '}'], ['if (a > 0) {}']],
    ['stop(a)', 'stop(\na)', ['  stop(a)'], ['  stop(', 'a)']],
  ])('%j', (text, replacement, before, after) =>
    expect(lineChange(source, editOf(text, replacement))).toEqual({ before, after }),
  )
})

test('what is shown leaves out lines that stay, and never all of them', () => {
  const shown = (before: string[], after: string[]) => shownChange({ before, after })
  expect(shown(['f(', '  a,', '  b,', ')'], ['f(', '  a,', '  "",', ')'])).toEqual(['-   b,', '+   "",'])
  expect(shown(['a'], ['b'])).toEqual(['- a', '+ b'])
  expect(shown(['{', '  a', '}'], ['{}'])).toEqual(['- {', '-   a', '- }', '+ {}'])
  expect(shown(['a', 'b'], ['a'])).toEqual(['- a', '- b', '+ a'])
})

test('a change is named by its file and its lines, not by where they are or how far they are indented', () => {
  const key = changeKey('src/a.ts', lineChange(source, editOf('stop(a)', ';')))
  const deeper = `{\n${source.replaceAll('  stop', '    stop')}`
  const start = deeper.indexOf('stop(a)')
  const moved: Edit = { file: 'src/a.ts', kind: 'Kind', start, end: start + 7, replacement: ';', mark: 9 }
  expect(changeKey('src/a.ts', lineChange(deeper, moved))).toBe(key)
  expect(changeKey('src/b.ts', lineChange(source, editOf('stop(a)', ';')))).not.toBe(key)
  expect(changeKey('src/a.ts', lineChange(source, editOf('stop(a)', '')))).not.toBe(key)
  expect(changeKey('src/a.ts', lineChange(source, editOf('go(a)', ';')))).not.toBe(key)
})
