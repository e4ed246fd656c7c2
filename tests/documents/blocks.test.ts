/** Every command of a document is run by somebody, or says why not. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectFiles } from '../../tools/project-files.ts'
import { blocksOf, problemOf } from './blocks.ts'

const root = join(import.meta.dir, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const readTest = (path: string): string | null =>
  path.endsWith('.test.ts') && existsSync(join(root, path)) ? read(path) : null

const documents = projectFiles(root).filter((path) => path.endsWith('.md'))
const blocks = documents.flatMap((path) => blocksOf(path, read(path)))

test('every block of every document says what becomes of it', () => {
  expect(blocks.flatMap((block) => problemOf(block, readTest) ?? [])).toEqual([])
  expect(blocks.filter(({ fate }) => fate?.kind === 'run').length).toBeGreaterThan(3)
})

const problemsOf = (text: string): (string | null)[] =>
  blocksOf('docs/some.md', text).map((block) => problemOf(block, () => 'reads some.md'))

test.each([
  ['sh', 'say behind the language who runs'],
  ['', 'says its language'],
  ['sh runs', 'say behind the language who runs'],
  ['sh shown: later', 'is no reason'],
  ['ts run', 'only sh is run here'],
  ['text run', 'is not run'],
])('a block with "%s" behind its fence is refused', (info, problem) => {
  const [found, ...others] = problemsOf(`words\n\n\`\`\`${info}\nls\n\`\`\`\n`)
  expect(found).toStartWith('docs/some.md:3: ')
  expect(found).toContain(problem)
  expect(others).toEqual([])
})

test('a test that runs a block reads its document', () => {
  const [block] = blocksOf('docs/some.md', '```sh by tests/a.test.ts\nls\n```')
  expect(problemOf(block!, () => 'reads other.md')).toContain('is no test that reads some.md')
  expect(problemOf(block!, () => null)).toContain('is no test')
  expect(problemOf(block!, () => 'reads some.md')).toBeNull()
})

test('blocks end at their own fence, and the last one at the end of the document', () => {
  expect(problemsOf('````text\n```\n````\n```sh run\nls')).toEqual([null, null])
  expect(blocksOf('a.md', '````text\n```\n````\n~~~sh run\nls').map(({ text }) => text)).toEqual([
    '```',
    'ls',
  ])
})
