/** What the configuration says has one default, in the configuration: no option below has another for when nothing is said. */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { serverOptions } from '../../../src/server/configuration/server-options.ts'
import { blanked, lineOf } from '../../../tools/source-code.ts'

const root = join(import.meta.dir, '../../../src')

/** Values that the program needs. The others are of one place: a folder, an address, a secret. */
const names = serverOptions.filter((option) => option.default !== null).map(({ name }) => name)

/** Optional members of these names, and what stands in for one that is missing, unless it is what the configuration takes itself. */
function defaultsIn(path: string, text: string): string[] {
  const code = blanked(text, true)
  const form = new RegExp(
    `\\b(?:${names.join('|')})(?:\\?\\s*:|\\s*\\?\\?|\\s*\\|\\||\\s*=(?!=|>|\\s*\\w+Default\\b))`,
    'g',
  )
  return [...code.matchAll(form)].map((match) => `${path}:${lineOf(code, match.index)}: ${match[0]}`)
}

test('the options have no default anywhere below the server', () => {
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !/^(?:server|cli|routes)\//.test(path),
  )
  expect(paths.length).toBeGreaterThan(100)
  expect(names).toContain('queueBytesMax')
  expect(paths.flatMap((path) => defaultsIn(path, readFileSync(join(root, path), 'utf8')))).toEqual([])
})

test.each([
  'interface A { readonly queueBytesMax?: number }',
  'const a = options.queueBytesMax ?? 64',
  'const a = options.cpIntervalMs || 1000',
  'function f({ nodeCacheBytesMax = 5 }) {}',
])('a planted default is found: %s', (text) => expect(defaultsIn('a.ts', text)).toHaveLength(1))

test.each([
  'interface A { readonly queueBytesMax: number }',
  'if (a.queueBytesMax === 5) b()',
  '// queueBytesMax ?? 5',
])('and an innocent line is not: %s', (text) => expect(defaultsIn('a.ts', text)).toEqual([]))
