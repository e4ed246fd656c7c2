/** docs/cli.md says what the code says. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { verbs } from '../../src/cli/application.ts'
import {
  environmentName,
  flagName,
  type ServerOption,
  serverOptions,
} from '../../src/server/configuration/server-options.ts'
import { serveFlags } from '../../src/cli/verbs/server-flags.ts'

const document = readFileSync(join(import.meta.dir, '../../docs/cli.md'), 'utf8')
const rows = document
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|')),
  )

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
const row = (first: RegExp): string[] => {
  const found = rows.filter((cells) => first.test(cells[0]!))
  expect(found.length).toBe(1)
  return found[0]!
}

test.each([...serverOptions] as readonly ServerOption[])('the option $name', (option) => {
  expect(row(new RegExp(`^\`${option.name}\`$`))).toEqual([
    `\`${option.name}\``,
    `\`--${flagName(option)} ${option.placeholder}\``,
    `\`${environmentName(option.name)}\``,
    option.default ?? '',
    option.brief,
  ])
})

interface Flagged {
  readonly parameters: { readonly flags?: object }
}
/** A verb may have verbs of its own. */
const commands: ReadonlyMap<string, Flagged> = new Map(
  Object.entries(verbs).flatMap(([name, verb]): [string, Flagged][] =>
    'parameters' in verb
      ? [[name, verb]]
      : verb.getAllEntries().map((entry) => [`${name} ${entry.name.original}`, entry.target as Flagged]),
  ),
)

test.each([...commands.keys()])('the flags of %s', (verb) => {
  const { parameters } = commands.get(verb)!
  const named = Object.keys(parameters.flags ?? {}).map((name) => `--${kebab(name)}`)
  const options = serverOptions.map((option) => `--${flagName(option)}`)
  const said = row(new RegExp(`^\`${verb}[ \`]`))[2]!
  const flags = [...said.matchAll(/--[a-z-]+/g)].map(([flag]) => flag)
  if (said.includes('every option')) flags.push(...options)
  expect(flags.toSorted()).toEqual(named.toSorted())
})

test('every option is a flag of serve', () => {
  const flags: readonly string[] = Object.keys(serveFlags).map(kebab)
  for (const option of serverOptions) expect(flags).toContain(flagName(option))
})
