/**
 * The words of a command line, before a command is looked for: whether a person asks for help or for the version, and
 * where `--json` stands. Words behind `--` are arguments and mean nothing here.
 */
import { type Described, type Verbs, verbsOf } from './page.ts'

type Asked =
  | { readonly what: 'help'; readonly path: readonly string[]; readonly target: Described | null }
  | { readonly what: 'version' }
  /** Words that lead to no command; `choices` are the verbs that there are. */
  | { readonly what: 'unfinished'; readonly path: readonly string[]; readonly choices: readonly string[] }
  | { readonly what: 'command'; readonly inputs: readonly string[] }

const isAny = (words: readonly string[], names: readonly string[]): boolean =>
  words.some((word) => names.includes(word))

/** Words that are no arguments. */
const optionsIn = (inputs: readonly string[]): readonly string[] => {
  const end = inputs.indexOf('--')
  return end < 0 ? inputs : inputs.slice(0, end)
}

export const wantsJson = (inputs: readonly string[]): boolean => optionsIn(inputs).includes('--json')

export function askedBy(inputs: readonly string[], verbs: Verbs): Asked {
  const { path, target, rest, isJsonEarly } = lookUp(inputs, verbs)
  const options = optionsIn(rest)
  const [first] = rest
  if (path.length === 0 && (first === 'help' || isAny(options.slice(0, 1), ['-h', '--help']))) {
    const topic = lookUp(rest.slice(1), verbs)
    const unknown = topic.rest.find((word) => !word.startsWith('-'))
    return unknown === undefined
      ? { what: 'help', path: topic.path, target: topic.target }
      : { what: 'unfinished', path: topic.path, choices: choicesOf(topic.target, verbs) }
  }
  if (path.length === 0 && (first === 'version' || isAny(options.slice(0, 1), ['-V', '--version'])))
    return { what: 'version' }
  if (target !== null && isAny(options, ['-h', '--help'])) return { what: 'help', path, target }
  const isMap = target !== null && verbsOf(target) !== null
  if (rest.length === 0 && (target === null || isMap))
    return { what: 'unfinished', path, choices: choicesOf(target, verbs) }
  const early = isJsonEarly && !options.includes('--json') ? ['--json'] : []
  return { what: 'command', inputs: [...path, ...early, ...rest] }
}

/** Follows the words as far as they lead; `--json` may stand between them. */
function lookUp(inputs: readonly string[], verbs: Verbs) {
  const path: string[] = []
  let target: Described | null = null
  let isJsonEarly = false
  let at = 0
  for (; at < inputs.length; at++) {
    const word = inputs[at]!
    const within: Verbs | null = target === null ? verbs : verbsOf(target)
    if (within === null) break
    if (word === '--json') isJsonEarly = true
    else if (Object.hasOwn(within, word)) {
      path.push(word)
      target = within[word]!
    } else break
  }
  return { path, target, rest: inputs.slice(at), isJsonEarly }
}

const choicesOf = (target: Described | null, verbs: Verbs): readonly string[] =>
  Object.keys((target && verbsOf(target)) ?? verbs)
