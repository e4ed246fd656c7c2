/** What must not be in the repository. The patterns are put together here, so that this file does not hold them. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dir, '../..')
const bytesMax = 2 ** 20

interface Rule {
  readonly name: string
  readonly pattern: RegExp
  /** Of paths that the rule looks at. */
  readonly files: RegExp
}

const homes = ['work', 'root', 'home', 'Users']
const rules: readonly Rule[] = [
  { name: 'a path of one machine', pattern: new RegExp(`(?<![\\w.])/(?:${homes.join('|')})/`), files: /./ },
  {
    name: 'the host of a registry',
    pattern: new RegExp(`\\b(?:registry|npm)${'[.]'}[a-z0-9-]+[.][a-z]`),
    files: /./,
  },
  {
    name: 'an address in a lock file',
    pattern: /:\/\//,
    files: /(?:^|\/)(?:package-lock\.json|bun\.lock)$/,
  },
  { name: 'a test that runs alone', pattern: new RegExp(`\\.on${'ly'}\\(`), files: /^tests\// },
  {
    name: 'something left to do',
    pattern: new RegExp(`\\b(?:TO${'DO'}|FIX${'ME'}|X${'XX'})\\b`),
    files: /^(?:src|scripts|tools)\//,
  },
]

/** The rules that a file breaks, each with its line. */
function broken(path: string, text: string): string[] {
  return rules.flatMap(({ name, pattern, files }) => {
    if (!files.test(path)) return []
    const at = text.split('\n').findIndex((line) => pattern.test(line))
    return at < 0 ? [] : [`${path}:${at + 1}: ${name}`]
  })
}

/** Null where there is no git to ask. */
function trackedFiles(): string[] | null {
  try {
    const listed = Bun.spawnSync(['git', 'ls-files', '-z'], { cwd: root, stderr: 'ignore' })
    if (!listed.success) return null
    return listed.stdout
      .toString()
      .split('\0')
      .filter((path) => path !== '' && existsSync(join(root, path)))
  } catch {
    return null
  }
}

const tracked = trackedFiles()

test.skipIf(tracked === null)('tracked files hold nothing that belongs elsewhere', () => {
  const files = tracked ?? []
  expect(files.length).toBeGreaterThan(20)
  expect(files.flatMap((path) => broken(path, readFileSync(join(root, path), 'utf8')))).toEqual([])
})

test.skipIf(tracked === null)(
  'nothing that is made, installed or stored is tracked, and nothing large',
  () => {
    const files = tracked ?? []
    expect(files.filter((path) => /^(?:node_modules|dist|data|\.cache)\//.test(path))).toEqual([])
    expect(files.filter((path) => statSync(join(root, path)).size > bytesMax)).toEqual([])
  },
)

test('there is one lock file for the program, without addresses', () => {
  const locks = [
    'package-lock.json',
    'bun.lock',
    'bun.lockb',
    'yarn.lock',
    'pnpm-lock.yaml',
    'npm-shrinkwrap.json',
  ]
  expect(locks.filter((name) => existsSync(join(root, name)))).toEqual(['package-lock.json'])
  expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toContain(`h${'ttp'}`)
})

describe('planted lines are found', () => {
  const planted: readonly (readonly [path: string, text: string])[] = [
    ['docs/a.md', `see /${'home'}/someone/notes`],
    ['src/a.ts', `const path = '/${'work'}/main'`],
    ['package-lock.json', `"url": "h${'ttp'}s://example.org"`],
    ['README.md', `npm --registry registry${'.'}example.org`],
    ['tests/a.test.ts', `test.on${'ly'}('a', () => {})`],
    ['src/a.ts', `// TO${'DO'} later`],
  ]
  test.each(planted)('in %s: %s', (path, text) => expect(broken(path, `one\n${text}`)).toHaveLength(1))
  test('and innocent ones are not', () => {
    expect(broken('docs/a.md', 'the network/ folder, ./data/primary')).toEqual([])
    expect(broken('sdk/package-lock.json', `"h${'ttp'}s-proxy-agent": "7.0.6"`)).toEqual([])
  })
})
