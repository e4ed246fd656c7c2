/** The packages that package.json names are those that something uses: no more, no fewer, each where it belongs. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { projectFiles } from '../../tools/project-files.ts'
import { importsOf } from '../../tools/source-code.ts'

const root = join(import.meta.dir, '../..')

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const packageIn = (folder: string): Package => JSON.parse(read(join(folder, 'package.json'))) as Package
const own = packageIn('.')

/** `@scope/name/file` → `@scope/name`; null for files and what the runtime brings. */
function packageOf(specifier: string): string | null {
  if (/^(?:\.|node:|bun(?::|$))/.test(specifier)) return null
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function importedIn(folders: readonly string[]): Set<string> {
  const files = folders.flatMap((folder) =>
    projectFiles(root, folder).filter((path) => /\.(?:ts|tsx|mjs)$/.test(path)),
  )
  const names = files.flatMap((file) => importsOf(read(file)).map(({ from }) => packageOf(from)))
  return new Set(names.filter((name) => name !== null))
}

/** Of packages that are there: what they want beside them. */
const peersOf = (names: readonly string[]): Set<string> =>
  new Set(
    names
      .filter((name) => existsSync(join(root, 'node_modules', name, 'package.json')))
      .flatMap((name) => Object.keys(packageIn(join('node_modules', name)).peerDependencies ?? {})),
  )

test('src imports every dependency, and nothing else', () => {
  const dependencies = Object.keys(own.dependencies ?? {})
  const imported = importedIn(['src'])
  expect([...imported].filter((name) => !dependencies.includes(name))).toEqual([])
  const peers = peersOf(dependencies)
  expect(dependencies.filter((name) => !imported.has(name) && !peers.has(name))).toEqual([])
})

test('every devDependency is imported, run or configured somewhere', () => {
  const names = Object.keys(own.devDependencies ?? {})
  const imported = importedIn(['tests', 'tools', 'scripts', 'bench'])
  const peers = peersOf(names)
  const scripts = readdirSync(join(root, 'scripts')).map((name) => `scripts/${name}`)
  const texts = ['package.json', 'tsconfig.json', ...scripts].map((path) => {
    const text = read(path)
    // Where it is only named as a dependency it is not used.
    return path === 'package.json' ? JSON.stringify((JSON.parse(text) as { scripts: unknown }).scripts) : text
  })
  const isNamed = (name: string): boolean => texts.some((text) => text.includes(name))
  expect(names.filter((name) => !imported.has(name) && !peers.has(name) && !isNamed(name))).toEqual([])
})

test('the lock file has what every platform needs, so `npm ci` takes it on all of them', () => {
  for (const folder of [
    '.',
    'sdk',
    'tools/documents',
    'tools/mutate',
    'tests/browser',
    'tests/clients',
    'tests/sdk',
  ]) {
    const { packages } = JSON.parse(read(join(folder, 'package-lock.json'))) as {
      packages: Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>
    }
    const isThere = (of: string, name: string): boolean =>
      `${of}/node_modules/${name}` in packages || `node_modules/${name}` in packages
    const missing = Object.entries(packages).flatMap(([of, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !isThere(of, name)),
    )
    expect([folder, missing]).toEqual([folder, []])
  }
})

test('the versions of Node that will do are declared', () => {
  const engines = (own as { readonly engines?: { readonly node?: string } }).engines
  expect(engines?.node).toBe((packageIn('sdk') as typeof own & { engines: { node: string } }).engines.node)
  const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { engines?: object }> }
  expect(lock.packages['']!.engines).toEqual(engines)
})

test.each(['.', 'sdk', 'tools/documents', 'tools/mutate', 'tests/browser', 'tests/clients', 'tests/sdk'])(
  'the lock file of %s is of its packages, in exact versions',
  (folder) => {
    const lock = JSON.parse(read(join(folder, 'package-lock.json'))) as { packages: Record<string, unknown> }
    const { dependencies, devDependencies } = lock.packages[''] as Package
    const named = packageIn(folder)
    expect([dependencies, devDependencies]).toEqual([named.dependencies, named.devDependencies])
    for (const version of Object.values({ ...dependencies, ...devDependencies }))
      expect(version).toMatch(/^\d+\.\d+\.\d+$/)
  },
)
