/** The package as a program gets it: built, imported by its name, and its README's blocks checked by a compiler. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectFiles } from '../../tools/project-files.ts'
import { importsOf } from '../../tools/source-code.ts'

const root = join(import.meta.dir, '../..')
const sdk = join(root, 'sdk')
const compiler = join(sdk, 'node_modules/typescript/bin/tsc')
const problem = existsSync(compiler) ? null : 'no typescript: npm install in sdk'
const named = (name: string): string => (problem === null ? name : `${name} (${problem})`)
const compileMsMax = 60_000

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stillpoint-package-'))
  if (problem !== null) return
  const modules = join(folder, 'node_modules')
  const own = join(modules, '@stillpoint/client')
  mkdirSync(own, { recursive: true })
  cpSync(join(sdk, 'package.json'), join(own, 'package.json'))
  const built = spawnSync('node', [compiler, '-p', sdk, '--outDir', join(own, 'dist')], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stdout + built.stderr)
  symlinkSync(join(root, 'node_modules/valibot'), join(modules, 'valibot'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const options = {
    strict: true,
    noEmit: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2022', 'dom', 'dom.iterable'],
    types: [],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options }))
}, compileMsMax)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.skipIf(problem !== null)(named('Node imports it by its name'), () => {
  const script = `import * as all from '@stillpoint/client'; console.log(Object.keys(all).sort().join())`
  const done = spawnSync('node', ['--input-type=module', '-e', script], { cwd: folder, encoding: 'utf8' })
  expect([done.stdout.trim(), done.stderr]).toEqual([
    'Administration,Client,ClientError,RemoteFile,Unsettled,isClientError',
    '',
  ])
})

const readme = readFileSync(join(sdk, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/^```ts by tests\/sdk\/package\.test\.ts\n([\s\S]*?)^```$/gm)].map(
  ([, code]) => code!,
)
/** Blocks after the first one go on with its client. */
const begun = `declare const client: import('@stillpoint/client').Client\n`
/** What the README takes of Node, in the types that it uses: types of Node are no package of this one. */
const ofNode = `
declare module 'node:fs' { export function openAsBlob(path: string): Promise<Blob> }
declare module 'node:fs/promises' { export function readFile(path: string, encoding: 'utf8'): Promise<string> }
declare module 'node:crypto' {
  export function createHash(algorithm: string): {
    update(bytes: Uint8Array): unknown
    digest(encoding: 'base64' | 'hex'): string
  }
}
`

/** Faults by file. The package's own declarations are checked, too: no `skipLibCheck`. */
function check(sources: readonly string[]): Map<string, string> {
  for (const name of readdirSync(folder).filter((entry) => entry.startsWith('block')))
    rmSync(join(folder, name))
  for (const [i, code] of sources.entries()) writeFileSync(join(folder, `block${i}.ts`), code)
  writeFileSync(join(folder, 'node.d.ts'), ofNode)
  const done = spawnSync(process.execPath, ['check', '--no-script', '-p', folder], { encoding: 'utf8' })
  const said = done.stdout + done.stderr
  expect(said).toMatch(/checked \d+ files|No type errors in/)
  return new Map(
    said.split('\n').flatMap((line) => {
      const place = /^(?:.*\/)?([\w.-]+)\(\d+,\d+\): error/.exec(line)?.[1]
      return place === undefined ? [] : [[place, line] as const]
    }),
  )
}

test.skipIf(problem !== null)(
  named('every block of the README is right by a strict compiler'),
  () => {
    expect(blocks.length).toBeGreaterThanOrEqual(5)
    expect([...check(blocks.map((code, i) => (i === 0 ? code : begun + code)))]).toEqual([])
  },
  compileMsMax,
)

test.skipIf(problem !== null)(
  named('the compiler sees what is wrong: codes, options and answers are closed'),
  () => {
    const right = [`await client.move('a', 'b')`, `isClientError(null, 'not-found')`]
    const wrong = [
      `isClientError(null, 'no-such-code')`,
      `await client.put('a', 'x', { durability: 'never' })`,
      `await client.put('a', 5)`,
      `const size: string = (await client.stat('a')).size; console.log(size)`,
      `await client.get('a', { range: {} })`,
      `await client.batch([{ op: 'none' }])`,
    ]
    const imported = `import { isClientError } from '@stillpoint/client'\n${begun}isClientError(null)\n`
    const found = check([...right, ...wrong].map((code) => imported + code))
    expect([...found.keys()].toSorted()).toEqual(wrong.map((_, i) => `block${i + right.length}.ts`))
  },
  compileMsMax,
)

test('the sources import valibot alone, and of no runtime', () => {
  const found = projectFiles(root, 'sdk/src').flatMap((path) =>
    importsOf(readFileSync(join(root, path), 'utf8')).map(({ from }) => from),
  )
  expect([...new Set(found.filter((from) => !from.startsWith('./')))]).toEqual(['valibot'])
})
