/** The floors and the bans of the design, the size of files, and the proof that each rule can fail. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { arrowsOf, circleOf, floorViolations, rooms } from '../../tools/floors.ts'
import { projectFiles } from '../../tools/project-files.ts'
import { blanked, importsOf } from '../../tools/source-code.ts'

const root = join(import.meta.dir, '../..')
const linesSoftMax = 400
const linesHardMax = 450

function sourceFiles(folder: string): Map<string, string> {
  const paths = projectFiles(root, folder).filter((path) => /\.(?:ts|tsx|mjs)$/.test(path))
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]))
}

const violations = (path: string, text: string): string[] => floorViolations(new Map([[path, text]]))

const sources = (): Map<string, string> => new Map([...sourceFiles('src'), ...sourceFiles('sdk/src')])

test('every import goes down, and every ban holds', () => {
  const files = sources()
  expect(files.size).toBeGreaterThan(10)
  expect(floorViolations(files)).toEqual([])
})

test('the table names rooms that exist, in an order without a circle, and nothing that nobody uses', () => {
  const files = sources()
  const order = Object.keys(rooms)
  const arrows = arrowsOf(files)
  const isArrow = (from: string, to: string, typeOnly: boolean) =>
    arrows.some((arrow) => arrow.from === from && arrow.to === to && (typeOnly || !arrow.typeOnly))
  for (const [name, { imports, types = [] }] of Object.entries(rooms)) {
    expect(
      [...files.keys()].some((path) =>
        path.startsWith(name.startsWith('sdk') ? name.replace('sdk', 'sdk/src') : `src/${name}`),
      ),
    ).toBe(true)
    for (const other of [...imports, ...types])
      expect({
        name,
        other,
        isBelow: order.indexOf(other) < order.indexOf(name) && order.includes(other),
      }).toMatchObject({
        isBelow: true,
      })
    for (const other of imports)
      expect({ name, other, isUsed: isArrow(name, other, false) }).toMatchObject({ isUsed: true })
    for (const other of types)
      expect({ name, other, isUsed: isArrow(name, other, true) }).toMatchObject({ isUsed: true })
  }
})

test('no files import each other in a circle, type imports included', () => {
  expect(circleOf(sources())).toBeNull()
  const planted = new Map([
    ['src/a.ts', `import type { B } from './b.ts'`],
    ['src/b.ts', `import { c } from './c/c.ts'`],
    ['src/c/c.ts', `type A = import('../a.ts').A`],
  ])
  expect(circleOf(planted)).toEqual(['src/a.ts', 'src/b.ts', 'src/c/c.ts', 'src/a.ts'])
})

test('files are small', () => {
  const sizes = ['src', 'sdk', 'tests', 'scripts', 'tools'].flatMap((folder) =>
    [...sourceFiles(folder)]
      .filter(([path]) => !path.startsWith('sdk/src/generated/'))
      .map(([path, text]) => [path, text.split('\n').length - 1] as const),
  )
  for (const [path, lines] of sizes) {
    if (lines > linesSoftMax)
      console.warn(`${path} has ${lines} lines; ${linesSoftMax} is long, ${linesHardMax} the limit`)
  }
  expect(sizes.filter(([, lines]) => lines > linesHardMax)).toEqual([])
})

describe('planted violations are found', () => {
  const planted: readonly (readonly [name: string, path: string, text: string, expected: RegExp])[] = [
    ['up', 'src/lib/a.ts', `import { x } from '../format/pointer.ts'`, /may not know format/],
    ['up, a type', 'src/cp-engine/a.ts', `import type { X } from '../fs/paths.ts'`, /may not know fs/],
    [
      'up, an inline type',
      'src/format/a.ts',
      `type A = import('../cp-engine/b.ts').B`,
      /may not know cp-engine/,
    ],
    ['a sibling', 'src/fs/a.ts', `import { x } from '../replica/b.ts'`, /may not know replica/],
    ['a sibling', 'src/format/a.ts', `import { x } from '../blockdev/b.ts'`, /may not know blockdev/],
    [
      'the two ends of mirroring',
      'src/replica/primary/a.ts',
      `import { x } from '../mirror/b.ts'`,
      /may not know replica\/mirror/,
    ],
    [
      'the two ends of mirroring',
      'src/replica/mirror/a.ts',
      `import type { X } from '../primary/b.ts'`,
      /may not know replica\/primary/,
    ],
    [
      'a room above',
      'src/cp-engine/tree/a.ts',
      `import { x } from '../volume/b.ts'`,
      /may not know cp-engine\/volume/,
    ],
    ['a command', 'src/server/a.ts', `import { x } from '../cli/main.ts'`, /may not know cli/],
    ['the server', 'sdk/src/a.ts', `import type { X } from '../../src/lib/b.ts'`, /sdk may not know lib/],
    ['the client', 'src/server/a.ts', `import { x } from '../../sdk/src/b.ts'`, /may not know sdk/],
    ['a runtime', 'sdk/src/a.ts', `import { createHash } from 'node:crypto'`, /runs in browsers/],
    ['a runtime', 'sdk/src/a.ts', 'const a = Bun.hash(b)', /runs in browsers/],
    ['a runtime', 'sdk/src/a.ts', 'const a = Buffer.concat(b)', /runs in browsers/],
    ['clock', 'sdk/src/a.ts', 'setTimeout(() => {}, 5)', /Clock/],
    ['a barrel', 'sdk/src/a.ts', `export { b } from './b.ts'`, /passes on/],
    ['a floor in between', 'src/fs/a.ts', `import { x } from '../blockdev/b.ts'`, /may not know blockdev/],
    ['the top', 'src/routes/a.ts', `import { x } from '../server/start.ts'`, /routes may not know server/],
    ['the top', 'src/fs/a.ts', `import '../cli/main.ts'`, /fs may not know cli/],
    [
      'more than types',
      'src/fs/a.ts',
      `import { type A, b } from '../cp-engine/contract.ts'`,
      /only the types of cp-engine/,
    ],
    ['dynamic', 'src/catalog/a.ts', `await import("../format/b.ts")`, /may not know format/],
    [
      'over several lines',
      'src/lib/a.ts',
      `import {\n  x,\n  y,\n} from '../format/b.ts'`,
      /a\.ts:1: .*may not know/,
    ],
    ['a new folder', 'src/helpers/a.ts', 'export const a = 1', /has no row/],
    ['a barrel', 'src/fs/tree/a.ts', `export * from './edit.ts'`, /passes on/],
    ['a barrel', 'src/fs/read/a.ts', `export { type Path } from './listing.ts'`, /passes on/],
    ['no extension', 'src/fs/read/a.ts', `import { x } from './listing'`, /without its extension/],
    ['tests', 'src/fs/a.ts', `import { x } from '../../tests/b.ts'`, /not in src/],
    ['node:fs', 'src/cp-engine/a.ts', `import { openSync } from 'node:fs'`, /files are opened/],
    ['fs', 'src/fs/a.ts', `import { open } from 'fs/promises'`, /files are opened/],
    ['Bun.file', 'src/routes/a.ts', 'const a = Bun.file(path)', /files are opened/],
    ['SQLite', 'src/routes/a.ts', `import { Database } from 'bun:sqlite'`, /only catalog/],
    ['SQLite', 'src/fs/a.ts', `import type { sql } from 'drizzle-orm'`, /only catalog/],
    ['ffi', 'src/lib/a.ts', `import { dlopen } from 'bun:ffi'`, /foreign calls/],
    ['clock', 'src/lib/a.ts', 'const a = Date.now()', /Clock/],
    ['clock', 'src/fs/a.ts', 'const a = new Date()', /Clock/],
    ['clock', 'src/fs/a.ts', 'const a = `${new Date( ).toISOString()}`', /Clock/],
    ['clock', 'src/routes/a.ts', 'performance.now()', /Clock/],
    ['a bare label', 'src/server/a.ts', 'const atMs = clock.now()', /labelMs/],
    ['timer', 'src/server/start.ts', 'const t = setTimeout(() => {}, 5)', /Clock/],
    ['timer', 'src/replica/link/a.ts', 'queueMicrotask(next)', /Clock/],
    ['timer', 'src/replica/link/a.ts', 'await Bun.sleep(5)', /Clock/],
    ['timer', 'src/cli/a.ts', 'AbortSignal.timeout(1000)', /Clock/],
    ['chance', 'src/fs/a.ts', 'Math.random()', /Random/],
    ['chance', 'src/cli/a.ts', 'crypto.randomUUID()', /Random/],
    ['chance', 'src/replica/link/a.ts', 'crypto.getRandomValues(bytes)', /Random/],
    ['environment', 'src/fs/a.ts', 'process.env.HOME', /environment/],
    ['a hash for a private member', 'src/fs/a.ts', 'class A {\n  readonly #a = 1\n}', /one idiom/],
    ['exit', 'src/server/start.ts', 'process.exit(70)', /ends the process/],
  ]
  test.each(planted)('%s in %s', (_name, path, text, expected) => {
    const found = violations(path, text)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(expected)
  })
})

describe('what is allowed is not found', () => {
  const allowed: readonly (readonly [path: string, text: string])[] = [
    ['src/fs/a.ts', `import type { A } from '../cp-engine/contract.ts'\nimport { c } from './d.ts'`],
    [
      'src/fs/a.ts',
      `import { type A, type B } from '../cp-engine/contract.ts'\nimport type { D } from './contract.ts'`,
    ],
    ['src/cli/main.ts', `import { A } from './verbs/c.ts'\nimport { openSync } from 'node:fs'`],
    [
      'src/server/start.ts',
      `import { A } from './catalog/c.ts'\nimport { b } from './configuration/listen.ts'`,
    ],
    ['src/catalog/a.ts', `import text from '../../drizzle/0000_first.sql' with { type: 'text' }`],
    ['sdk/src/timers.ts', 'setTimeout(callback, Math.random())'],
    ['sdk/src/index.ts', `export { b } from './b.ts'`],
    ['src/lib/clock.ts', 'setTimeout(callback, Date.now())'],
    ['src/lib/random.ts', 'crypto.getRandomValues(bytes)'],
    ['src/fs/a.ts', 'const a = new Date(ms)\nexport { a }'],
    ['src/fs/a.ts', '// Date.now() is banned\n/* Math.random() */ const a = "setTimeout" + `Date.now`'],
    ['src/fs/a.ts', `const quotes = /['"\`]/g\nconst b = a / c / d // Math.random`],
  ]
  test.each(allowed)('%s: %s', (path, text) => expect(violations(path, text)).toEqual([]))
})

test('comments and strings are told from code', () => {
  expect(blanked('a // b\nc', true)).toBe('a     \nc')
  expect(blanked(`x = 'a//b' + "c\\"d" /* e */`, true)).toBe(`x = '    ' + "    "        `)
  expect(blanked('`a${b + `c${d}`}e` + f', true)).toBe('` ${b + ` ${d}`} ` + f')
  expect(blanked('`${{ a: 1 }.a}` // b', true)).toBe('`${{ a: 1 }.a}`     ')
  expect(blanked('x = /[/"]/.test(y) // z', true).trimEnd()).toBe('x = /    /.test(y)')
  expect(importsOf(`// import a from 'b'\nimport c from 'd'`)).toEqual([
    { from: 'd', typeOnly: false, reExport: false, line: 2 },
  ])
})
