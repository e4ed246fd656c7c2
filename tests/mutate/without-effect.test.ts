import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Edit } from '../../tools/mutate/edit.ts'
import {
  type Entry,
  WithoutEffect,
  readWithoutEffect,
  textProblem,
  withoutEffectFile,
} from '../../tools/mutate/without-effect.ts'
import { tempFolder } from '../blockdev/temp-folder.ts'

const root = join(import.meta.dir, '../..')
const reason = 'a cache: what it has not, it makes again'

/** The library is not needed for it, so every run of the tests asks. */
test('every entry of this project is about lines that are in its file, and changes them', () => {
  for (const entry of readWithoutEffect(root)) {
    expect({ file: entry.file, exists: existsSync(join(root, entry.file)) }).toMatchObject({ exists: true })
    expect(textProblem(entry, readFileSync(join(root, entry.file), 'utf8'))).toBeNull()
    expect(entry.after).not.toEqual(entry.before)
  }
})

const source = 'if (a) {\n  go()\n}\nif (b) {\n  go()\n}\n'
const entry = (change: Partial<Entry>): Entry => ({
  file: 'src/a.ts',
  before: ['if (a) {'],
  after: ['if (true) {'],
  places: undefined,
  reason,
  ...change,
})

describe('lines that an entry is about', () => {
  test.each<[string, Partial<Entry>, RegExp | null]>([
    ['are there', {}, null],
    ['are there, otherwise indented', { before: ['    if (a) {'] }, null],
    ['are there, several together', { before: ['if (b) {', 'go()', '}'] }, null],
    ['are not there', { before: ['if (c) {'] }, /0 times, not 1/],
    ['are not together', { before: ['if (a) {', '}'] }, /0 times, not 1/],
    ['are a part of a line', { before: ['if (a)'] }, /0 times, not 1/],
    ['are there twice', { before: ['go()'] }, /2 times, not 1/],
    ['are there twice, as it says', { before: ['go()'], places: 2 }, null],
    ['are there twice, and it says three', { before: ['go()'], places: 3 }, /2 times, not 3/],
  ])('%s', (_name, change, expected) => {
    const problem = textProblem(entry(change), source)
    if (expected === null) expect(problem).toBeNull()
    else expect(problem).toMatch(expected)
  })
})

const editOf = (find: string, replacement: string): Edit => {
  const start = source.indexOf(find)
  return { file: 'src/a.ts', kind: 'Kind', start, end: start + find.length, replacement, mark: 1 }
}

test('an entry gives its reason to the edit that makes its change, and to no other', () => {
  const list = new WithoutEffect([entry({})])
  expect(list.reason(source, editOf('a', 'true'))).toBe(reason)
  expect(list.reason(source, editOf('a', 'false'))).toBeNull()
  expect(list.reason(source, editOf('b', 'true'))).toBeNull()
  expect(list.reason(source, { ...editOf('a', 'true'), file: 'src/b.ts' })).toBeNull()
})

test('an entry that no edit is, is a problem, although its lines are there', () => {
  const problems = (...edits: Edit[]) => new WithoutEffect([entry({})]).problems(edits, () => source)
  expect(problems(editOf('b', 'true'), editOf('a', 'true'))).toEqual([])
  expect(problems(editOf('a', 'false')).join('\n')).toStartWith('no edit of src/a.ts puts "if (true) {"')
  expect(new WithoutEffect([entry({})]).problems([], () => null)).toEqual(['there is no src/a.ts'])
})

test('a list without a reason, or with a word that nobody knows, is refused by name', () => {
  const folder = tempFolder()
  const write = (text: unknown): void => writeFileSync(folder.file(withoutEffectFile), JSON.stringify(text))
  try {
    expect(readWithoutEffect(folder.path)).toEqual([])
    mkdirSync(folder.file('tests/mutants'), { recursive: true })
    const line = { file: 'src/a.ts', before: 'a', after: 'b', reason }
    write([line])
    expect(readWithoutEffect(folder.path)).toEqual([entry({ before: ['a'], after: ['b'] })])
    for (const wrong of [
      { ...line, reason: '' },
      { ...line, file: 'a.ts' },
      { ...line, why: 'x' },
      { ...line, places: 1 },
    ]) {
      write([wrong])
      expect(() => readWithoutEffect(folder.path)).toThrow(withoutEffectFile)
    }
  } finally {
    folder.remove()
  }
})
