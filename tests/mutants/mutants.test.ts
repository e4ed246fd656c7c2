/** The tool that judges mutants, on a project of two files; and the form of the mutants of this one. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, symlinkSync, writeFileSync, readFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Mutant, PlantedRun, mutated, readMutants } from '../../tools/mutate/planted.ts'
import { tempFolder, type TempFolder } from '../blockdev/temp-folder.ts'

const root = join(import.meta.dir, '../..')
let project: TempFolder
let run: PlantedRun

beforeAll(() => {
  project = tempFolder()
  mkdirSync(project.file('src'))
  mkdirSync(project.file('tests'))
  symlinkSync(join(root, 'node_modules'), project.file('node_modules'))
  writeFileSync(
    join(project.file('src'), 'sum.ts'),
    'export const sum = (a: number, b: number): number => a + b\nexport const unused = 1\n',
  )
  writeFileSync(
    join(project.file('tests'), 'sum.test.ts'),
    "import { expect, test } from 'bun:test'\nimport { sum } from '../src/sum.ts'\ntest('adds', () => expect(sum(1, 2)).toBe(3))\n",
  )
  writeFileSync(
    join(project.file('tests'), 'broken.test.ts'),
    "import { expect, test } from 'bun:test'\ntest('never', () => expect(1).toBe(2))\n",
  )
  writeFileSync(
    join(project.file('tests'), 'told.test.ts'),
    "import { expect, test } from 'bun:test'\nimport { sum } from '../src/sum.ts'\ntest('looks', () => expect(process.env['LOOK'] ? sum(1, 2) : 3).toBe(3))\n",
  )
  run = new PlantedRun(project.path)
})
afterAll(() => {
  run.dispose()
  project.remove()
})

const mutant = (change: Partial<Mutant>): Mutant => ({
  name: 'm',
  why: 'a sum is a sum',
  file: 'src/sum.ts',
  find: 'a + b',
  replace: 'a - b',
  tests: ['tests/sum.test.ts'],
  pattern: undefined,
  hangs: undefined,
  env: undefined,
  ...change,
})

test.each<[string, Partial<Mutant>, boolean, RegExp]>([
  ['a bug that a test notices', {}, true, /^adds$/],
  ['a bug that none notices', { find: 'unused = 1', replace: 'unused = 2' }, false, /no test noticed/],
  [
    'a bug that a test notices only when told to look',
    { tests: ['tests/told.test.ts'], env: { LOOK: '1' } },
    true,
    /^looks$/,
  ],
  ['a bug that it does not look for', { tests: ['tests/told.test.ts'] }, false, /no test noticed/],
  ['text that is not there', { find: 'a * b' }, false, /found 0 times/],
  ['text that is there twice', { find: 'export const' }, false, /found 2 times/],
  ['an edit that changes nothing', { replace: 'a + b' }, false, /changes nothing/],
  ['a file that is not there', { file: 'src/other.ts' }, false, /there is no/],
  ['a bug after which nothing can be loaded', { replace: 'a +* b' }, false, /./],
  ['tests that fail anyway', { tests: ['tests/broken.test.ts'] }, false, /without the bug the tests failed/],
  [
    'tests that do not exist',
    { tests: ['tests/none.test.ts'] },
    false,
    /without the bug the tests did not run/,
  ],
])('%s', async (_name, change, caught, what) => {
  const verdict = await run.judge(mutant(change))
  expect(verdict.what).toMatch(what)
  expect(verdict.caught).toBe(caught)
})

test('every mutant of this project applies, and names tests that exist', () => {
  for (const each of readMutants(join(root, 'tests/mutants'))) {
    const edit = mutated(readFileSync(join(root, each.file), 'utf8'), each)
    expect({ name: each.name, ...edit }).not.toHaveProperty('problem')
    for (const path of each.tests)
      expect({ name: each.name, path, exists: existsSync(join(root, path)) }).toMatchObject({ exists: true })
  }
})
