/** The lines that a change touched, as git tells them: those of the working tree that are not in a revision. */
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { type Edit, type LineRange, linesOf } from './edit.ts'

export type ChangedLines = ReadonlyMap<string, ReadonlySet<number>>

/** An emptied block is an edit of its first line: what is far below it is not what the change was about. */
const spanLinesMax = 6

export function touches(source: string, edit: Edit, changed: ReadonlySet<number>): boolean {
  const { first, last } = linesOf(source, edit)
  if (changed.has(first)) return true
  return last - first < spanLinesMax && range({ first, last }).some((line) => changed.has(line))
}

const range = ({ first, last }: LineRange): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i)

/** Throws git's sentence when it does not know the revision. */
export function changedLines(root: string, revision: string): ChangedLines {
  const changed = new Map(
    parsedDiff(git(root, 'diff', '--no-color', '--no-ext-diff', '-U0', revision, '--', 'src', 'sdk/src')),
  )
  const fresh = git(root, 'ls-files', '--others', '--exclude-standard', '-z', '--', 'src', 'sdk/src').split(
    '\0',
  )
  for (const file of fresh.filter((name) => name !== '')) {
    const last = readFileSync(join(root, file), 'utf8').split('\n').length
    changed.set(file, new Set(range({ first: 1, last })))
  }
  return changed
}

function git(root: string, ...args: string[]): string {
  const done = Bun.spawnSync(['git', ...args], { cwd: root, stderr: 'pipe' })
  if (!done.success) throw new Error(`git ${args[0]}: ${done.stderr.toString().trim()}`)
  return done.stdout.toString()
}

/** Of a diff without context: the new side's lines of each file. Lines that are only gone leave nothing to edit. */
export function parsedDiff(diff: string): Map<string, Set<number>> {
  const files = new Map<string, Set<number>>()
  let lines = new Set<number>()
  for (const line of diff.split('\n')) {
    const file = /^\+\+\+ b\/(?<path>.+)$/.exec(line)?.groups?.['path']
    if (file !== undefined) {
      lines = new Set()
      files.set(file, lines)
    }
    const hunk = /^@@ -\S+ \+(?<first>\d+)(?:,(?<count>\d+))? @@/.exec(line)?.groups
    if (!hunk) continue
    const first = Number(hunk['first'])
    for (let i = 0; i < Number(hunk['count'] ?? 1); i++) lines.add(first + i)
  }
  return files
}
