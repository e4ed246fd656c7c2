/** The page that shows the house, held against the house. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rooms } from '../../tools/floors.ts'

const root = join(import.meta.dir, '../..')
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')

function chapter(title: string): string {
  const from = page.indexOf(`\n## ${title}\n`)
  expect({ title, isThere: from >= 0 }).toMatchObject({ isThere: true })
  const end = page.indexOf('\n## ', from + 1)
  return page.slice(from, end < 0 ? page.length : end)
}

test('the rooms of the page are those of the table, in its order', () => {
  const named = [...chapter('The rooms').matchAll(/^\| `([^`]+)` +\|/gm)].map(([, name]) => name)
  expect(named).toEqual(Object.keys(rooms))
})

test('the page has its chapters', () => {
  for (const title of [
    'The problem, in ten lines',
    'One write, from the request to the mirror',
    'Two lanes',
    'What runs at the same time',
    'What is remembered, and who forgets it',
    'Where a change belongs',
    'Glossary',
  ])
    expect(chapter(title).length).toBeGreaterThan(200)
})

test('the files and folders that it names exist', () => {
  const paths = [...page.matchAll(/`((?:[a-z0-9-]+\/)+(?:[a-z0-9.-]+)?)`/g)].map(([, path]) => path!)
  expect(paths.length).toBeGreaterThan(40)
  const missing = paths.filter((path) => {
    const places = [path, `src/${path}`, `src/${path}.ts`, path.replace('sdk/', 'sdk/src/')]
    return !places.some((place) => existsSync(join(root, place)))
  })
  expect(missing).toEqual([])
})
