/** Nothing is exported for nobody, and an exported name means one thing in the whole of src/. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportsOf, namesOfTwo, takenFrom, unusedExports } from '../../tools/exports.ts'
import { projectFiles } from '../../tools/project-files.ts'

const root = join(import.meta.dir, '../..')

const files = new Map(
  ['src', 'tests', 'bench', 'tools', 'scripts'].flatMap((folder) =>
    projectFiles(root, folder)
      .filter((path) => /\.(?:ts|tsx|mjs)$/.test(path))
      .map((path) => [path, readFileSync(join(root, path), 'utf8')] as const),
  ),
)

/** The generator of migrations reads the tables of this file by itself. */
const readByDrizzle = /^src\/catalog\/schema\.ts:/

test('somebody imports every export', () => {
  expect([...files.keys()].filter((path) => path.startsWith('src/')).length).toBeGreaterThan(100)
  expect(unusedExports(files).filter((found) => !readByDrizzle.test(found))).toEqual([])
})

test('no two files export one name', () => expect(namesOfTwo(files)).toEqual([]))

/** Names of the exports of the first file that nobody takes. */
const unused = (a: string, other: string, path = 'src/b.ts'): string[] =>
  unusedExports(
    new Map([
      ['src/a.ts', a],
      [path, other],
    ]),
  )
    .filter((found) => found.startsWith('src/a.ts'))
    .map((found) => found.split(' ').at(-1)!)

describe('an export that nobody imports is found', () => {
  test.each([
    ['export const one = 1', 'one'],
    ['export async function one() {}', 'one'],
    ['export function* one() {}', 'one'],
    ['export abstract class One {}', 'One'],
    ['export interface One {}', 'One'],
    ['export type One = 1', 'One'],
    ['const one = 1; const two = 2\nexport { one as two }', 'two'],
  ])('%s', (text, name) => {
    expect(unused(text, '')).toEqual([name])
  })
  test('when only its file, a comment or a string names it', () =>
    expect(
      unused('export const one = 1\none + 1', `// import { one } from './a.ts'\nconst text = 'one'`),
    ).toEqual(['one']))
  test('when another module gives a name like it', () =>
    expect(unused('export const one = 1', `import { one } from './c.ts'`)).toEqual(['one']))
  test('when the whole module is taken, and this is not used of it', () =>
    expect(unused('export const one = 1, two = 2', `import * as a from './a.ts'\na.two`)).toEqual(['one']))
  test('when the other name of an import is alike', () =>
    expect(unused('export const one = 1', `import { two as one } from './a.ts'`)).toEqual(['one']))
})

describe('an export that somebody imports is not reported', () => {
  test.each([
    [`import { one } from './a.ts'`],
    [`import { type one } from './a.ts'`],
    [`import type { one } from './a.ts'`],
    [`import {\n  two,\n  one as three,\n} from './a.ts'`],
    [`type A = import('./a.ts').one`],
    [`const { one } = await import('./a.ts')`],
    [`import * as a from './a.ts'\na.one`],
    [`import * as a from './a.ts'\nObject.keys(a)`],
  ])('%s', (other) => expect(unused('export const one = 1', other)).toEqual([]))
  test('a test is somebody', () =>
    expect(unused('export const one = 1', `import { one } from '../src/a.ts'`, 'tests/a.test.ts')).toEqual(
      [],
    ))
})

test('two files that export one name are found', () => {
  const two = (second: string) =>
    namesOfTwo(
      new Map([
        ['src/a.ts', 'export type One = 1'],
        ['src/b/c.ts', second],
        ['tests/a.ts', 'export type One = 1'],
      ]),
    )
  expect(two('export interface One {}')).toEqual(['One: src/a.ts, src/b/c.ts'])
  expect(two('interface Two {}\nexport { type Two as One }')).toEqual(['One: src/a.ts, src/b/c.ts'])
  expect(two('interface One {}')).toEqual([])
})

test('every form of export and import in this project is understood', () => {
  for (const [path, text] of files) {
    const lines = text.split('\n').filter((line) => line.startsWith('export '))
    if (path.startsWith('src/'))
      expect({ path, count: exportsOf(text).length }).toEqual({ path, count: lines.length })
    const imports = text
      .split('\n')
      .filter((line) => /^(?:import\b|\} from ').*from '\.|^\} from '\./.test(line))
    expect(takenFrom(text).length).toBeGreaterThanOrEqual(imports.length)
  }
})
