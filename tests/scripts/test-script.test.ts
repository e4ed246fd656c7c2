import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TempFolder } from '../blockdev/temp-folder.ts'
import { fakeProject } from './fake-project.ts'

let project: TempFolder
beforeEach(() => {
  project = fakeProject()
  mkdirSync(project.file('tests'))
})
afterEach(() => project.remove())

const write = (name: string, lines: readonly string[]): void =>
  writeFileSync(
    join(project.file('tests'), `${name}.test.ts`),
    ["import { expect, test } from 'bun:test'", ...lines, ''].join('\n'),
  )

function run(): { code: number; lines: string[] } {
  const done = Bun.spawnSync(['node', project.file('scripts/test.mjs'), 'tests'], {
    cwd: project.path,
    env: { ...process.env, CI: 'true' },
  })
  return { code: done.exitCode, lines: done.stdout.toString().trimEnd().split('\n') }
}

const passing = ["test('one', () => expect(1).toBe(1))", "test('two', () => expect(1).toBe(1))"]

test('what passes and what is skipped is counted on the last line', () => {
  write('a', [...passing, "test.skip('three', () => undefined)"])
  write('b', passing)
  const { code, lines } = run()
  expect(lines.at(-1)).toBe('4 passed, 0 failed, 1 skipped')
  expect(code).toBe(0)
})

test('what is skipped is named above the last line, as it is written', () => {
  write('a', [...passing, "test.skip('three & \\'four\\' <5>', () => undefined)", "test.todo('six')"])
  write('b', [
    "import { describe } from 'bun:test'",
    "describe('outer', () => test.skipIf(true)('inner', () => {}))",
  ])
  const { lines } = run()
  expect(lines.filter((line) => line.startsWith('skipped ')).join('\n')).toContain(
    'tests/b.test.ts: outer > inner',
  )
})

test('a failure is counted, shown, and an error', () => {
  write('a', passing)
  write('b', ["test('the broken one', () => expect(1).toBe(2))"])
  const { code, lines } = run()
  expect(lines.at(-1)).toBe('2 passed, 1 failed, 0 skipped')
  expect(lines.join('\n')).toContain('the broken one')
  expect(code).toBe(1)
})

test('a file that cannot be loaded is a failure', () => {
  write('a', passing)
  write('b', ["import { nothing } from './missing.ts'", 'nothing()'])
  const { code, lines } = run()
  expect(lines.at(-1)).toMatch(/^2 passed, [1-9]\d* failed, 0 skipped$/)
  expect(code).toBe(1)
})

test('an error outside of every test is a failure', () => {
  write('a', [...passing, "Promise.reject(new Error('left alone'))"])
  const { code, lines } = run()
  expect(lines.at(-1)).toMatch(/ [1-9]\d* failed, /)
  expect(code).toBe(1)
})

test('no test at all is an error', () => {
  write('a', [])
  const { code, lines } = run()
  expect(lines.at(-1)).toMatch(/^0 passed, /)
  expect(code).toBe(1)
})
