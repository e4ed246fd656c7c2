/**
 * Pages of `--help`, at most 80 columns wide: made from what the commands declare, so that no page says anything that a
 * command does not take.
 */
import { environmentName, flagName, serverOptions } from '../../server/configuration/server-options.ts'
import { exitCodes } from '../command/exit-codes.ts'
import { examples } from './examples.ts'
import { variables } from './variables.ts'

const columns = 80
/** Width of the names before what they mean. */
const namesWidth = 26

interface Flag {
  readonly kind: string
  readonly brief: string
  readonly placeholder?: string
  readonly values?: readonly string[]
  readonly default?: string | boolean | readonly string[] | undefined
  readonly optional?: boolean
  readonly variadic?: boolean | string
}

interface Argument {
  readonly brief: string
  readonly placeholder?: string
  readonly optional?: boolean
}

type Positional =
  | { readonly kind: 'tuple'; readonly parameters: readonly Argument[] }
  | { readonly kind: 'array'; readonly parameter: Argument; readonly minimum?: number }

/** The part of a command, or of a map of commands, that a page is made from. */
export interface Described {
  readonly brief: string
  readonly parameters?: {
    readonly flags?: Readonly<Record<string, Flag>>
    readonly aliases?: Readonly<Record<string, string>>
    readonly positional?: Positional
  }
  readonly getAllEntries?: () => readonly {
    readonly name: { readonly original: string }
    readonly target: Described
  }[]
}
export type Verbs = Readonly<Record<string, Described>>

/** A verb may have verbs of its own. */
export const verbsOf = (of: Described): Verbs | null =>
  of.getAllEntries
    ? Object.fromEntries(of.getAllEntries().map(({ name, target }) => [name.original, target]))
    : null

export function mainPage(brief: string, verbs: Verbs): string {
  return page([
    ['USAGE', ['  stillpoint VERB [FLAGS] [ARGUMENTS]', '  stillpoint help [VERB]']],
    ['', wrapped(brief, '')],
    ['VERBS', Object.entries(verbs).flatMap(([name, verb]) => row(name, verb.brief))],
    [
      'FLAGS',
      [...row('-h, --help', 'Say what can be given here'), ...row('-V, --version', 'Say the version')],
    ],
    ['EXAMPLES', examplesOf('')],
    ['EXIT CODES', Object.entries(exitCodes).flatMap(([code, said]) => row(code, said))],
    ['ENVIRONMENT', Object.entries(variables).flatMap(([name, said]) => row(name, said))],
  ])
}

/** `path` are the words that lead to the command, as in `token create`. */
export function verbPage(path: readonly string[], described: Described): string {
  const name = ['stillpoint', ...path].join(' ')
  const within = verbsOf(described)
  if (within)
    return page([
      ['USAGE', [`  ${name} VERB [FLAGS] [ARGUMENTS]`, `  stillpoint help ${path.join(' ')} [VERB]`]],
      ['', wrapped(described.brief, '')],
      ['VERBS', Object.entries(within).flatMap(([verb, { brief }]) => row(verb, brief))],
      ['EXAMPLES', examplesOf(path.join(' '))],
    ])
  const { flags = {}, aliases = {}, positional } = described.parameters ?? {}
  const given = argumentsOf(positional)
  const needed = Object.entries(flags).filter(([, flag]) => isNeeded(flag))
  const usage = [
    name,
    ...needed.map(([key, flag]) => named(key, flag)),
    ...(Object.keys(flags).length > needed.length ? ['[FLAGS]'] : []),
    ...given.map(({ usage: text }) => text),
  ]
  return page([
    ['USAGE', wrapped(usage.join(' '), '  ')],
    ['', wrapped(described.brief, '')],
    ['ARGUMENTS', given.flatMap(({ name: argument, brief }) => row(argument, brief))],
    ['FLAGS', Object.entries(flags).flatMap(([key, flag]) => flagRows(key, flag, path, aliases))],
    ['EXAMPLES', examplesOf(path.join(' '))],
  ])
}

function argumentsOf(positional: Positional | undefined) {
  if (positional === undefined) return []
  const of = (argument: Argument, usage: (name: string) => string) => {
    const name = argument.placeholder ?? 'ARGUMENT'
    return { name, brief: argument.brief, usage: usage(name) }
  }
  if (positional.kind === 'array') return [of(positional.parameter, (name) => `${name}...`)]
  return positional.parameters.map((argument) =>
    of(argument, (name) => (argument.optional === true ? `[${name}]` : name)),
  )
}

const isNeeded = ({ kind, optional, default: initial }: Flag): boolean =>
  kind !== 'boolean' && optional !== true && initial === undefined

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

function named(key: string, { kind, placeholder, values }: Flag): string {
  const value = kind === 'boolean' ? '' : ` ${placeholder ?? (values ? 'WORD' : 'VALUE')}`
  return `--${kebab(key)}${value}`
}

function flagRows(
  key: string,
  flag: Flag,
  path: readonly string[],
  aliases: Readonly<Record<string, string>>,
): string[] {
  const alias = Object.entries(aliases).find(([, of]) => of === key)?.[0]
  const { brief, values, variadic, default: initial } = flag
  const notes = [
    ...(values ? [`one of ${values.join(', ')}`] : []),
    ...(isNeeded(flag) ? ['needed'] : []),
    ...(initial !== undefined && initial !== false && !brief.includes('default')
      ? [`default ${String(initial)}`]
      : []),
    ...(variadic !== undefined && variadic !== false && !brief.includes('repeated')
      ? ['may be repeated']
      : []),
    ...variableOf(key, path, brief),
  ]
  const said = notes.length > 0 ? `${brief} [${notes.join('; ')}]` : brief
  return row(`${alias === undefined ? '    ' : `-${alias}, `}${named(key, flag)}`, said)
}

/** Options of a server may come from the environment. */
function variableOf(key: string, [verb]: readonly string[], brief: string): string[] {
  if (verb !== 'serve' && verb !== 'mirror') return []
  const option = serverOptions.find((each) => flagName(each) === kebab(key))
  return option && !brief.includes('STILLPOINT_') ? [environmentName(option.name)] : []
}

const examplesOf = (path: string): string[] => (examples[path] ?? []).map((line) => `  ${line}`)

/** A name and what it means; a long name has a line of its own. */
function row(name: string, said: string): string[] {
  const [first = '', ...rest] = wrapped(said, ' '.repeat(namesWidth))
  const text = `  ${name}`
  return text.length + 2 > namesWidth
    ? [text, first, ...rest]
    : [`${text.padEnd(namesWidth)}${first.trimStart()}`, ...rest]
}

function wrapped(text: string, indent: string): string[] {
  return Bun.wrapAnsi(text, columns - indent.length)
    .split('\n')
    .map((line) => `${indent}${line}`.trimEnd())
}

function page(parts: readonly (readonly [title: string, lines: readonly string[]])[]): string {
  return parts
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => [...(title === '' ? [] : [title]), ...lines, ''].join('\n'))
    .join('\n')
}
