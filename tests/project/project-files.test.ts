/** What is installed or made is no file of the project, wherever it lies: a checkout with it is judged like one without. */
import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { projectFiles } from '../../tools/project-files.ts'

const root = join(import.meta.dir, '../..')

test('packages of tools, builds and stores are left out', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stillpoint-files-'))
  try {
    const ours = ['a.ts', 'src/b.ts', 'tools/t/c.ts', 'tools/t/package.json']
    const others = ['node_modules/x/a.ts', 'tools/t/node_modules/x/README.md', 'sdk/dist/d.js', '.git/HEAD']
    for (const path of [...ours, ...others]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), '')
    }
    symlinkSync(join(folder, 'node_modules'), join(folder, 'src/node_modules'))
    expect(projectFiles(folder)).toEqual(ours)
    expect(projectFiles(folder, 'tools')).toEqual(ours.slice(2))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('no test of the project walks folders by itself', () => {
  const walkers = projectFiles(root, 'tests/project').filter((path) =>
    /recursive: true, enc|readdirSync\(join\(root, folder/.test(readFileSync(join(root, path), 'utf8')),
  )
  expect(walkers).toEqual(['tests/project/project-files.test.ts'])
})
