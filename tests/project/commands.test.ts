/** The commands that documents name are there. */
import { expect, test } from 'bun:test'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import packageJson from '../../package.json'

const root = join(import.meta.dir, '../..')

/** Names behind `npm run` that `package.json` does not have. */
const missingIn = (text: string): string[] =>
  [...text.matchAll(/\bnpm run ([a-z][\w-]*)/g)]
    .map(([, name]) => name!)
    .filter((name) => !Object.hasOwn(packageJson.scripts, name))

test('every `npm run` of a document is a script of the package', () => {
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    'tests/README.md',
    'tests/mutants/README.md',
    ...readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ]
  const texts = documents.map((path) => readFileSync(join(root, path), 'utf8'))
  expect(texts.join('\n').match(/npm run/g)!.length).toBeGreaterThan(20)
  expect(texts.flatMap(missingIn)).toEqual([])
  expect(missingIn('`npm run no-such-thing -- A`')).toEqual(['no-such-thing'])
})
