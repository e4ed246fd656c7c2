/** The linter is there for dropped promises: it must find a planted one, with the rules of this project. */
import { expect, test } from 'bun:test'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempFolder } from '../blockdev/temp-folder.ts'

const root = join(import.meta.dir, '../..')

function lint(text: string): { code: number; output: string } {
  const folder = tempFolder()
  try {
    for (const name of ['.oxlintrc.json', 'tsconfig.json']) cpSync(join(root, name), folder.file(name))
    symlinkSync(join(root, 'node_modules'), folder.file('node_modules'))
    mkdirSync(folder.file('src'))
    writeFileSync(join(folder.file('src'), 'planted.ts'), text)
    const oxlint = join(root, 'node_modules/.bin/oxlint')
    const done = Bun.spawnSync([oxlint, '--type-aware', '--deny-warnings', 'src'], { cwd: folder.path })
    return { code: done.exitCode, output: done.stdout.toString() }
  } finally {
    folder.remove()
  }
}

const save = 'const save = async (): Promise<number> => 1\n'

test('a promise that is awaited, returned or caught passes', () => {
  const kept =
    'export async function keep(): Promise<number> {\n  save().catch(() => 0)\n  await save()\n  return save()\n}\n'
  expect(lint(save + kept)).toMatchObject({ code: 0 })
})

test.each([
  ['dropped', 'export function drop(): void {\n  save()\n}\n', 'no-floating-promises'],
  ['dropped by void', 'export function drop(): void {\n  void save()\n}\n', 'no-floating-promises'],
  [
    'dropped by forEach',
    'export const drop = (a: number[]): void => a.forEach(async () => save())\n',
    'no-misused-promises',
  ],
  [
    'taken for a condition',
    'export const drop = (): number => {\n  if (save()) return 1\n  return 0\n}\n',
    'no-misused-promises',
  ],
])('a promise that is %s is found', (_how, text, rule) => {
  const { code, output } = lint(save + text)
  expect(code).not.toBe(0)
  expect(output).toContain(rule)
})
