/** What documents and comments name is there, every invariant that is cited has its section, and nothing cites other pages. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Repository,
  citationsOutside,
  invariantsIn,
  missingFiles,
  unknownInvariants,
} from '../../tools/citations.ts'
import { projectFiles } from '../../tools/project-files.ts'

const root = join(import.meta.dir, '../..')
/** Measurements, inputs of tests, and generated types with their examples: nobody reads them as prose. */
const isProse = /^(?!sdk\/src\/generated\/).*\.(?:ts|tsx|mjs|md)$/

const repository: Repository = new Map(
  projectFiles(root).map((path) => [path, isProse.test(path) ? readFileSync(join(root, path), 'utf8') : '']),
)
/** This file and the tool hold planted ones. */
const others: Repository = new Map(
  [...repository].filter(([path]) => path !== 'tests/project/citations.test.ts'),
)
const invariants = invariantsIn(repository.get('docs/invariants.md')!)

test('docs/invariants.md has twelve, each with who upholds it and what attacks it', () => {
  expect([...invariants.keys()]).toEqual(Array.from({ length: 12 }, (_, i) => `I${i + 1}`))
  for (const [number, paths] of invariants) {
    expect({ number, missing: paths.filter((path) => !existsSync(join(root, path))) }).toEqual({
      number,
      missing: [],
    })
    expect({ number, hasFile: paths.some((path) => path.startsWith('src/')) }).toEqual({
      number,
      hasFile: true,
    })
    expect({ number, hasTest: paths.some((path) => path.endsWith('.test.ts')) }).toEqual({
      number,
      hasTest: true,
    })
  }
})

test('every invariant that is cited has its section', () => {
  const mutants = readdirSync(join(root, 'tests/mutants'))
    .filter((name) => name.endsWith('.json'))
    .map(
      (name) => [`tests/mutants/${name}`, readFileSync(join(root, 'tests/mutants', name), 'utf8')] as const,
    )
  expect(unknownInvariants(new Map([...others, ...mutants]), new Set(invariants.keys()))).toEqual([])
})

test('files and folders that documents and comments name are there', () =>
  expect(missingFiles(others)).toEqual([]))

test('nothing cites a page that is not in the repository', () => expect(citationsOutside(others)).toEqual([]))

describe('planted', () => {
  const withFile = (path: string, text: string): Repository =>
    new Map([
      ['src/lib/a.ts', ''],
      ['docs/a.md', ''],
      ['tests/a/b.test.ts', ''],
      [path, text],
    ])
  test.each([
    ['docs/b.md', 'see `src/lib/b.ts`'],
    ['docs/b.md', 'see [b](c.md)'],
    ['docs/b.md', 'in `lib/b.ts` and `lib/a.ts`'],
    ['docs/b.md', 'in `tests/b/`'],
    ['src/lib/c.ts', '// as in tests/a/c.test.ts'],
    ['src/lib/c.ts', '/** `b.ts` has it */'],
  ])('a file that is not there: %s: %s', (path, text) =>
    expect(missingFiles(withFile(path, text))).toHaveLength(1),
  )
  test.each([
    ['docs/b.md', 'see `src/lib/a.ts`, `lib/a.ts`, `lib/a`, `lib/`, `a.ts`, tests/a/b.test.ts, [a](a.md)'],
    ['docs/b.md', 'GET /v1/files/a.txt, text/plain, and/or, https://example.org/lib/b.ts'],
    ['docs/b.md', '```sh\ncurl -T b.md\n```'],
    ['src/lib/c.ts', `const a = 'lib/b.ts'`],
  ])('and one that is, or is none: %s: %s', (path, text) =>
    expect(missingFiles(withFile(path, text))).toEqual([]),
  )
  test('an invariant without a section', () => {
    const known = new Set(['I1', 'I2'])
    expect(unknownInvariants(new Map([['src/a.ts', '// I1, I3 and I20']]), known)).toEqual([
      'src/a.ts:1: I3',
      'src/a.ts:1: I20',
    ])
    expect(unknownInvariants(new Map([['src/a.ts', '// I1, I2: a']]), known)).toEqual([])
  })
  test('a page outside', () => {
    const cited = [`// DESI${'GN'} §4`, `see AP${'I'}.md`, `NE${'XT'}.md has it`, `../sha${'red'}/a`]
    for (const text of cited) expect(citationsOutside(new Map([['a.ts', text]]))).toHaveLength(1)
    expect(citationsOutside(new Map([['a.ts', 'the design, next, an API, shared']]))).toEqual([])
  })
})
