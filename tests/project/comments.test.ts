/** Comments in plain English: the subject comes first, and the actor is named. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commentFaults } from '../../tools/comments.ts'
import { projectFiles } from '../../tools/project-files.ts'

const root = join(import.meta.dir, '../..')

test('no comment of the sources begins without its subject', () => {
  const files = ['src', 'sdk/src'].flatMap((folder) =>
    projectFiles(root, folder).filter((path) => path.endsWith('.ts')),
  )
  expect(files.length).toBeGreaterThan(100)
  const found = files.flatMap((path) =>
    commentFaults(readFileSync(join(root, path), 'utf8')).map(({ line, text }) => `${path}:${line}: ${text}`),
  )
  expect(found).toEqual([])
})

test.each([
  ['/** What waits to leave for one mirror. */', true],
  ['/**\n * A queue.\n *\n * - Whoever takes a buffer owns it.\n */', true],
  ['// Of those who wait, the first.', true],
  ['/** It goes to the device at once. */', true],
  ['  // Else the tree is read.', true],
  ['/** A caller takes buffers and owns them. */', false],
  ['/**\n * A queue of commands. What is in it is bounded.\n */', false],
  ["const a = '/** What is in a string */'", false],
])('%j', (text, isFault) => expect(commentFaults(text).length > 0).toBe(isFault))
