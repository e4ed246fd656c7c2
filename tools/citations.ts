/**
 * What documents and comments name, and whether it is there: files, folders, invariants. Nothing cites a page that is not
 * in this repository.
 */
import { posix } from 'node:path'
import { commentsOf, lineOf } from './source-code.ts'

/** Of everything that is kept: files, by path from the root, with their text. */
export type Repository = ReadonlyMap<string, string>

/** What people read of a file: a document without its samples, the comments of code. Lines stay. */
const proseOf = (path: string, text: string): string =>
  path.endsWith('.md')
    ? text.replaceAll(/^ *```[\s\S]*?^ *```/gm, (sample) => sample.replaceAll(/[^\n]/g, ' '))
    : commentsOf(text)

/** A name with a folder or an extension, as it stands in prose. */
const named =
  /(?<![\w./:@%{}*~-])(?<name>(?:\.{1,2}\/)*(?:[a-z0-9][\w.-]*\/)+[\w.-]*[\w-]|[a-z][\w-]*(?:\.[\w-]+)*\.(?:ts|mjs|md|sql))(?<slash>\/?)(?![\w/*…{}-]|\.\w)/g

/** Names of folders and files that a document may mean, each as `path:line: name`. */
export function missingFiles(repository: Repository): string[] {
  const paths = new Set(repository.keys())
  const folders = new Set([...paths].flatMap((path) => parentsOf(path)))
  const names = new Set([...paths].map((path) => posix.basename(path)))
  const tops = new Set([...folders].map((folder) => folder.replace(/^src\//, '').split('/')[0]!))
  const isThere = (from: string, name: string): boolean => {
    if (!name.includes('/')) return names.has(name)
    const below = ['', 'src', posix.dirname(from)].map((place) => posix.normalize(posix.join(place, name)))
    // The room `sdk` has its sources one folder further down.
    const places = [...below, name.replace(/^sdk\//, 'sdk/src/')]
    return places.some((place) => paths.has(place) || folders.has(place) || paths.has(`${place}.ts`))
  }
  const found: string[] = []
  for (const [path, text] of repository) {
    const prose = proseOf(path, text)
    for (const { groups, index } of prose.matchAll(named)) {
      const name = groups!['name']!
      const isOurs = !name.includes('/') || name.startsWith('.') || tops.has(name.split('/')[0]!)
      if (isOurs && !isThere(path, name)) found.push(`${path}:${lineOf(prose, index)}: ${name}`)
    }
  }
  return found
}

function parentsOf(path: string): string[] {
  const names = path.split('/').slice(0, -1)
  return names.map((_, i) => names.slice(0, i + 1).join('/'))
}

/** Sections of docs/invariants.md by their number, with the files that they name. */
export function invariantsIn(document: string): Map<string, readonly string[]> {
  const sections = document.split(/^### (?=I\d+\b)/m).slice(1)
  return new Map(
    sections.map((section) => [
      /^I\d+/.exec(section)![0],
      [...section.matchAll(/`(?<path>(?:src|tests|tools)\/[\w./-]+)`/g)].map(
        ({ groups }) => groups!['path']!,
      ),
    ]),
  )
}

/** Numbers of invariants that no section explains. */
export function unknownInvariants(repository: Repository, known: ReadonlySet<string>): string[] {
  return [...repository].flatMap(([path, text]) =>
    [...text.matchAll(/(?<![\w.-])I\d{1,3}(?![\w-])/g)]
      .filter(([number]) => !known.has(number))
      .map((match) => `${path}:${lineOf(text, match.index)}: ${match[0]}`),
  )
}

/** Pages that are not in the repository, written so that this file names none. */
const outside = /\bDESIG[N]\b|\bNEX[T]\.md|\bAP[I]\.md|\.\.\/share[d]\b|\bSTYL[E]\.md/g

export function citationsOutside(repository: Repository): string[] {
  return [...repository].flatMap(([path, text]) =>
    [...text.matchAll(outside)].map((match) => `${path}:${lineOf(text, match.index)}: ${match[0]}`),
  )
}
