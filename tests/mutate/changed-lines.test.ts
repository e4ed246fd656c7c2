import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { changedLines, parsedDiff, touches } from '../../tools/mutate/changed-lines.ts'
import type { Edit } from '../../tools/mutate/edit.ts'
import { type TempFolder, tempFolder } from '../blockdev/temp-folder.ts'

const linesOf = (changed: ReadonlyMap<string, ReadonlySet<number>>) =>
  Object.fromEntries([...changed].map(([file, lines]) => [file, [...lines]]))

test('a diff tells the lines of the new side', () => {
  const diff = `diff --git a/src/a.ts b/src/a.ts
index 1..2 100644
--- a/src/a.ts
+++ b/src/a.ts
@@ -3 +3 @@ function f() {
-  old
+  new
@@ -10,0 +11,2 @@
+  more
+  most
@@ -20,3 +21,0 @@
-  gone
diff --git a/src/b.ts b/src/b.ts
--- /dev/null
+++ b/src/b.ts
@@ -0,0 +1,2 @@
+a
+b
`
  expect(linesOf(parsedDiff(diff))).toEqual({ 'src/a.ts': [3, 11, 12], 'src/b.ts': [1, 2] })
  expect(linesOf(parsedDiff(''))).toEqual({})
})

describe('an edit is touched', () => {
  const source = Array.from({ length: 30 }, (_, i) => `line${i + 1}`).join('\n')
  const editOf = (first: number, last: number): Edit => ({
    file: 'src/a.ts',
    kind: 'Kind',
    start: source.indexOf(`line${first}`),
    end: source.indexOf(`line${last}`) + 2,
    replacement: '',
    mark: 1,
  })
  test.each<[string, number, number, number[], boolean]>([
    ['on its only line', 3, 3, [3], true],
    ['not by a neighbour', 3, 3, [2, 4], false],
    ['where it begins, however long it is', 3, 25, [3], true],
    ['inside, when it is short', 3, 8, [8], true],
    ['not deep inside, when it is long', 3, 9, [8], false],
    ['not by nothing', 3, 3, [], false],
  ])('%s', (_name, first, last, changed, expected) =>
    expect(touches(source, editOf(first, last), new Set(changed))).toBe(expected),
  )
})

const hasGit = Bun.which('git') !== null

describe.skipIf(!hasGit)('with git', () => {
  let project: TempFolder
  const git = (...args: string[]): void => {
    const names = ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'commit.gpgsign=false']
    const done = Bun.spawnSync(['git', ...names, ...args], { cwd: project.path, stderr: 'pipe' })
    if (!done.success) throw new Error(done.stderr.toString())
  }
  beforeEach(() => {
    project = tempFolder()
    mkdirSync(project.file('src'))
    writeFileSync(project.file('src/a.ts'), 'one\ntwo\nthree\n')
    writeFileSync(project.file('src/b.ts'), 'one\n')
    writeFileSync(project.file('other.ts'), 'one\n')
    git('init', '-q')
    git('add', '-A')
    git('commit', '-qm', 'first')
  })
  afterEach(() => project.remove())

  test('lines that differ from a revision, committed, staged, neither, or in files that git does not know', () => {
    writeFileSync(project.file('src/a.ts'), 'one\n2\nthree\nfour\n')
    git('commit', '-qam', 'second')
    writeFileSync(project.file('src/a.ts'), 'one\n2\nthree\nfour\nfive\n')
    writeFileSync(project.file('src/new.ts'), 'a\nb')
    writeFileSync(project.file('other.ts'), 'two\n')
    rmSync(project.file('src/b.ts'))
    expect(linesOf(changedLines(project.path, 'HEAD~1'))).toEqual({
      'src/a.ts': [2, 4, 5],
      'src/new.ts': [1, 2],
    })
    expect(linesOf(changedLines(project.path, 'HEAD'))).toEqual({ 'src/a.ts': [5], 'src/new.ts': [1, 2] })
  })

  test('a revision that git does not know is an error that names it', () =>
    expect(() => changedLines(project.path, 'nowhere')).toThrow('nowhere'))
})
