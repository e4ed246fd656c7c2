/** The files of a project that count here: sources, test files, and what a test file imports. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, posix } from 'node:path'
import { importsOf } from '../source-code.ts'

/** These start servers, look at the text of sources, or test the tools: none is asked to notice an edit. */
const otherTests = ['bench', 'documents', 'e2e', 'mutants', 'mutate', 'project', 'scripts', 'torture']

const filesIn = (root: string, folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name}`)
    .toSorted()

/** Also those of the client package, but for what is generated there. */
export const sourceFiles = (root: string): string[] =>
  ['sdk/src', 'src']
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => filesIn(root, folder))
    .filter((path) => /(?<!\.d)\.tsx?$/.test(path) && !path.startsWith('sdk/src/generated/'))

export const testFiles = (root: string): string[] =>
  filesIn(root, 'tests').filter(
    (path) => path.endsWith('.test.ts') && !otherTests.includes(path.split('/')[1] ?? ''),
  )

/** What files contain, by a hash; each is read once. */
export class Contents {
  private readonly hashes = new Map<string, string>()
  private readonly imports = new Map<string, readonly string[]>()

  constructor(private readonly root: string) {}

  /** Empty for a file that is not there. */
  hash(path: string): string {
    let hash = this.hashes.get(path)
    if (hash === undefined) {
      const file = join(this.root, path)
      hash = existsSync(file) ? Bun.hash(readFileSync(file)).toString(16) : ''
      this.hashes.set(path, hash)
    }
    return hash
  }

  /** The file, and every file of the project that it imports, or that one of those does. */
  closure(path: string): string[] {
    const found = new Set([path])
    for (const each of found) for (const other of this.importsOf(each)) found.add(other)
    return [...found].toSorted()
  }

  private importsOf(path: string): readonly string[] {
    let imports = this.imports.get(path)
    if (!imports) {
      const isCode = /\.(?:ts|tsx|mjs)$/.test(path) && existsSync(join(this.root, path))
      const named = isCode ? importsOf(readFileSync(join(this.root, path), 'utf8')) : []
      imports = named
        .filter(({ from }) => from.startsWith('.'))
        .map(({ from }) => posix.join(posix.dirname(path), from))
      this.imports.set(path, imports)
    }
    return imports
  }
}
