/** Makes the clients of docs/clients.md as its blocks say, in a folder of their own, and checks their types. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dir, '../..')
const packages = join(import.meta.dir, 'node_modules')
const page = readFileSync(join(root, 'docs/clients.md'), 'utf8')

export const recipesProblem = [
  '@hey-api/openapi-ts',
  'openapi-typescript',
  'openapi-fetch',
  'typescript',
].every((name) => existsSync(join(packages, name)))
  ? null
  : 'no generators: npm install in tests/clients'

interface Recipe {
  readonly title: string
  /** The line for a shell that generates. */
  readonly command: string
  readonly file: string
  readonly source: string
}

/** A recipe is a section with one block for a shell and one of a source that names its file. */
export const recipes: readonly Recipe[] = page
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const block = (language: string): string =>
      new RegExp(`^\`\`\`${language} by tests/clients/clients.test.ts\\n(.*?)^\`\`\``, 'ms').exec(
        section,
      )?.[1] ?? ''
    const source = block('ts')
    const title = section.slice(0, section.indexOf('\n'))
    return { title, command: block('sh'), source, file: /^\/\/ (\S+\.ts)\n/.exec(source)?.[1] ?? '' }
  })

/** The part of a recipe that the tests use. */
export interface Files {
  write(
    path: string,
    content: string | Blob | Uint8Array,
    type?: string,
    meta?: Readonly<Record<string, string>>,
  ): Promise<number>
  read(path: string, minCp?: number): Promise<Uint8Array>
  list(path: string): AsyncIterable<{ readonly name: string; readonly size: number }>
  rename(from: string, to: string): Promise<unknown>
  remove(path: string): Promise<unknown>
}

/** The page names the address of `npm start`; the client asks this one. */
const documentedUrl = 'http://127.0.0.1:7070'

const compilerOptions = {
  strict: true,
  noUncheckedIndexedAccess: true,
  noImplicitReturns: true,
  module: 'preserve',
  moduleResolution: 'bundler',
  target: 'esnext',
  lib: ['esnext', 'dom', 'dom.iterable'],
  types: ['bun-types'],
  skipLibCheck: true,
  noEmit: true,
}

async function run(folder: string, command: readonly string[]): Promise<void> {
  const child = Bun.spawn([...command], { cwd: folder, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')}: ${out}${err}`)
}

export class Workshop {
  private readonly folder = join(root, '.cache/clients', String(process.pid))

  /** Generates, type-checks, and gives the client. Fails with what the tools say. */
  async make(recipe: Recipe, url: string): Promise<Files> {
    const folder = join(this.folder, recipe.file.replace(/\.ts$/, ''))
    mkdirSync(join(folder, 'openapi'), { recursive: true })
    cpSync(join(root, 'openapi/primary.json'), join(folder, 'openapi/primary.json'))
    symlinkSync(packages, join(folder, 'node_modules'))
    writeFileSync(join(folder, recipe.file), recipe.source.replaceAll(documentedUrl, url))
    const types = join(root, 'node_modules')
    const options = { ...compilerOptions, typeRoots: [types] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['.'] }))
    await run(folder, ['sh', '-ec', recipe.command])
    await run(folder, [join(packages, '.bin/tsc'), '--project', '.'])
    return (await import(join(folder, recipe.file))) as Files
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
