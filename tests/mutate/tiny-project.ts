/** A project of two sources and a few tests, and a library that knows its edits by heart. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EditRunParts } from '../../tools/mutate/edit-run.ts'
import type { Library } from '../../tools/mutate/library.ts'
import { type TempFolder, tempFolder } from '../blockdev/temp-folder.ts'

const root = join(import.meta.dir, '../..')

/** A place in a source: the counters of the marked text come before the lines that bear their numbers. */
export interface Planned {
  readonly find: string
  readonly replacement: string
  readonly mark: number
}

export const sumSource = `export function sum(a: number, b: number): number {
  if (a === 0) return b + 0
  return a + b
}
export function last(list: number[]): number {
  return list.length - 1
}
export function count(to: number): number {
  let i = 0
  while (i < to) i++
  return i
}
`
export const sumEdits: readonly Planned[] = [
  { find: 'a + b', replacement: 'a - b', mark: 2 },
  { find: 'b + 0', replacement: 'b - 0', mark: 1 },
  { find: 'list.length - 1', replacement: 'list.length + 1', mark: 3 },
  { find: 'i++', replacement: 'i--', mark: 4 },
  { find: 'let i = 0', replacement: 'let i = 0 - 0', mark: 4 },
]
const marked = (source: string, counter: string): string =>
  source
    .replace('  if (a === 0)', `  if (a === 0) ${counter}[1] = 1\n  if (a === 0)`)
    .replace('  return a + b', `  ${counter}[2] = 1\n  return a + b`)
    .replace('  return list', `  ${counter}[3] = 1\n  return list`)
    .replace('  let i = 0', `  ${counter}[4] = 1\n  let i = 0`)

export interface TinyProject {
  readonly folder: TempFolder
  /** Those that the library finds in the one source. */
  edits: readonly Planned[]
  readonly parts: EditRunParts
  /** Sources that the library was asked about. */
  readonly asked: string[]
  readonly write: (file: string, text: string) => void
}

export function tinyProject(): TinyProject {
  const folder = tempFolder()
  const write = (file: string, text: string): void => writeFileSync(folder.file(file), text)
  for (const name of ['src/lib', 'src/fs', 'tests/mutants']) mkdirSync(folder.file(name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), folder.file('node_modules'))
  write('src/lib/sum.ts', sumSource)
  write('src/fs/paths.ts', 'export const separator = "/"\n')
  write('tests/sum.test.ts', testText("test('adds', () => expect(sum(1, 2)).toBe(3))"))
  const asked: string[] = []
  const library: Library = (file, source) => {
    asked.push(file)
    const planned = file === 'src/lib/sum.ts' ? project.edits : []
    const found = planned.map(({ find, replacement, mark }) => {
      const start = source.indexOf(find)
      return { file, kind: 'Planned', start, end: start + find.length, replacement, mark }
    })
    // The name is that of the header that marked sources get.
    return Promise.resolve({ edits: found, leftOut: {}, marks: 5, marked: marked(source, 'marks9fa48') })
  }
  const parts: EditRunParts = {
    root: folder.path,
    libraryVersion: '1',
    openLibrary: () => Promise.resolve(library),
    env: {},
    say: () => undefined,
    count: () => undefined,
    found: () => undefined,
  }
  const project: TinyProject = { folder, edits: sumEdits, parts, asked, write }
  return project
}

export const testText = (...lines: string[]): string =>
  [
    "import { expect, test } from 'bun:test'",
    "import { sum, last, count } from '../src/lib/sum.ts'",
    ...lines,
    '',
  ].join('\n')
