/** What a test file depends on: all that it imports, whatever it says of folders and of files that are not there. */
import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Contents, testFiles } from '../../tools/mutate/sources.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'

const folder = temporaryFolders()

test('imports are followed to files, and a folder or an absent file is empty', () => {
  const root = folder()
  mkdirSync(`${root}/tests/things`, { recursive: true })
  writeFileSync(`${root}/tests/a.test.ts`, "import './b.ts'\nimport './things'\nimport './none.ts'\n")
  writeFileSync(`${root}/tests/b.ts`, "import './c.ts'\n")
  writeFileSync(`${root}/tests/c.ts`, 'export {}\n')
  const contents = new Contents(root)
  expect(contents.closure('tests/a.test.ts')).toEqual([
    'tests/a.test.ts',
    'tests/b.ts',
    'tests/c.ts',
    'tests/none.ts',
    'tests/things',
  ])
  expect(['tests/things', 'tests/none.ts'].map((path) => contents.hash(path))).toEqual(['', ''])
  expect(contents.hash('tests/b.ts')).not.toBe(contents.hash('tests/c.ts'))
})

test('the tests of packages are none of this project', () => {
  const root = folder()
  for (const path of [
    'tests/a.test.ts',
    'tests/clients/node_modules/b/b.test.ts',
    'tests/clients/c.test.ts',
  ]) {
    mkdirSync(dirname(`${root}/${path}`), { recursive: true })
    writeFileSync(`${root}/${path}`, '')
  }
  expect(testFiles(root)).toEqual(['tests/a.test.ts', 'tests/clients/c.test.ts'])
})
