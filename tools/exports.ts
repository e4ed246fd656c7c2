/** Names that files give to others, and who takes them: nothing is exported for nobody, and a name means one thing. */
import { posix } from 'node:path'
import { blanked, lineOf } from './source-code.ts'

export interface Export {
  readonly name: string
  readonly line: number
}

/** The clause of an import or of a list of exports, as far as this project writes them. */
const clauseOf =
  /\b(?:import|export)\s+(?:type\s+)?(?<clause>[^'"`;()=]*?)\s*\bfrom\s*['"](?<from>[^'"\n]+)['"]/g
const declared =
  /^export\s+(?:declare\s+)?(?:default\s+)?(?:async\s+)?(?:abstract\s+)?(?:const|let|function\*?|class|interface|type|enum)\s+(?<name>[A-Za-z_$][\w$]*)/gm
const listed = /^export\s+(?:type\s+)?\{(?<names>[^}]*)\}(?!\s*from)/gm
const lateImport = /\bimport\s*\(\s*['"](?<from>[^'"\n]+)['"]\s*\)(?:\s*\.\s*(?<name>[A-Za-z_$][\w$]*))?/g

/** `a as b` is known outside as `b`, and inside as `a`. */
const namesIn = (list: string, side: 'first' | 'last'): string[] =>
  list
    .split(',')
    .map((part) => part.trim().replace(/^type\s+/, ''))
    .filter((part) => part !== '')
    .map((part) => part.split(/\s+as\s+/).at(side === 'first' ? 0 : -1)!)

export function exportsOf(text: string): Export[] {
  const code = blanked(text, true)
  return [
    ...[...code.matchAll(declared)].map(({ groups, index }) => ({
      name: groups!['name']!,
      line: lineOf(code, index),
    })),
    ...[...code.matchAll(listed)].flatMap(({ groups, index }) =>
      namesIn(groups!['names']!, 'last').map((name) => ({ name, line: lineOf(code, index) })),
    ),
  ]
}

/** What is taken through `* as space`: its members by name, or everything where it is handed on as it is. */
function membersOf(code: string, space: string): string[] {
  const uses = code.matchAll(
    new RegExp(`(?<![.\\w$])${space}\\b(?:\\s*\\.\\s*(?<name>[A-Za-z_$][\\w$]*))?`, 'g'),
  )
  // The first is the import itself.
  return [...uses].slice(1).map(({ groups }) => groups!['name'] ?? everything)
}

/** Who takes all of a module, by `* as` or by a late import without a name, uses each of its names. */
export const everything = '*'

export function takenFrom(text: string): { readonly from: string; readonly names: readonly string[] }[] {
  const code = blanked(text, false)
  return [
    ...[...code.matchAll(clauseOf)].map(({ groups }) => {
      const clause = groups!['clause']!
      const list = /\{(?<names>[^}]*)\}/.exec(clause)?.groups?.['names']
      const names = list === undefined ? [] : namesIn(list, 'first')
      const space = /\*\s+as\s+(?<space>[A-Za-z_$][\w$]*)/.exec(clause)?.groups?.['space']
      if (space !== undefined) names.push(...membersOf(code, space))
      return { from: groups!['from']!, names: /^[A-Za-z_$]/.test(clause) ? [...names, 'default'] : names }
    }),
    ...[...code.matchAll(lateImport)].map(({ groups }) => ({
      from: groups!['from']!,
      names: [groups!['name'] ?? everything],
    })),
  ]
}

/** Of all files by path: the exports below src/ that no other file takes, each as `path:line: name`. */
export function unusedExports(files: ReadonlyMap<string, string>): string[] {
  const taken = new Map<string, Set<string>>()
  for (const [path, text] of files)
    for (const { from, names } of takenFrom(text)) {
      const target = posix.join(posix.dirname(path), from)
      if (!from.startsWith('.') || target === path) continue
      const known = taken.get(target) ?? new Set()
      for (const name of names) known.add(name)
      taken.set(target, known)
    }
  return sources(files).flatMap(([path, text]) => {
    const names = taken.get(path)
    return exportsOf(text)
      .filter(({ name }) => !names?.has(name) && !names?.has(everything))
      .map(({ name, line }) => `${path}:${line}: ${name}`)
  })
}

/** Names that more than one file below src/ exports, each with its files. */
export function namesOfTwo(files: ReadonlyMap<string, string>): string[] {
  const owners = new Map<string, string[]>()
  for (const [path, text] of sources(files))
    for (const { name } of exportsOf(text)) owners.set(name, [...(owners.get(name) ?? []), path])
  return [...owners]
    .filter(([, paths]) => paths.length > 1)
    .map(([name, paths]) => `${name}: ${paths.toSorted().join(', ')}`)
}

const sources = (files: ReadonlyMap<string, string>): [string, string][] =>
  [...files].filter(([path]) => path.startsWith('src/'))
