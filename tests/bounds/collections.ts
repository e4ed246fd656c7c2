/**
 * Every place in `src/` that makes a collection: maps and sets, and lists that begin empty or take another one's place. The
 * sources are rewritten so that each place tells of what it makes: see `alive.ts`.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dir, '../../src')
/** A process of these ends with its command. */
const ofCommands = /^(cli|client)\//

interface Rewritten {
  /** `lib/gates/pot.ts#clients`: the file and the name that the collection gets. Lists that end with their function are left out. */
  readonly names: readonly string[]
  readonly text: string
}

const comment = /^\s*(?:\*|\/[/*])/
const made = /\bnew (Map|Set)\b/g
/** The name that a line gives: a member, a variable, a property. */
const named =
  /^\s*(?:(?:private|protected|public|static|readonly|export|const|let) )*(?:this\.)?(\w+)[?!]?(?::.*?)?(?: =|:) /
const inside = /(\w+)(?: =|:) new (?:Map|Set)\b/
/** An empty list that gets a name, and a list that takes the place of a member. */
const emptyList =
  /^(\s*(?:(?:private|protected|public|static|readonly|export|const|let) )+(\w+)(?:: .*)? = )(\[(?:\[\], \[\])?\])$/
const replacedList = /^(\s*this\.(\w+) = )(\[.*\])$/
/** A property that begins as an empty list. */
const listProperty = /(\b(\w+): )(\[\])(?=,| }|$)/

/** `tell` makes the text that stands for `new Map`, `new Set`, or a list. */
export function rewrite(file: string, text: string, isTold: boolean): Rewritten {
  const names: string[] = []
  const lines = text.split('\n').map((line, i) => {
    if (comment.test(line)) return line
    const place = (name: string, isOfFunction = false): string => {
      const known = `${file}#${name}`
      if (!isOfFunction) names.push(known)
      return `globalThis.collectionsOf(${JSON.stringify(known)})`
    }
    if (made.test(line)) {
      const name = inside.exec(line)?.[1] ?? named.exec(line)?.[1] ?? `line ${i + 1}`
      const to = place(name, /^ {4,}(?:const|let) /.test(line))
      return line.replace(made, (_, kind: string) => `new (${to}.${kind})`)
    }
    const list = emptyList.exec(line) ?? replacedList.exec(line)
    if (list) return `${list[1]}${place(list[2]!, /^\s+(?:const|let) /.test(line))}.list(${list[3]})`
    const property = listProperty.exec(line)
    if (property && !/^\s*(?:case|\?|default)/.test(line))
      return line.replace(listProperty, () => `${property[1]}${place(property[2]!)}.list(${property[3]})`)
    return line
  })
  return { names, text: isTold ? lines.join('\n') : text }
}

export const isRewritten = (file: string): boolean => !ofCommands.test(file)

export function allNames(): readonly string[] {
  const files = [...new Bun.Glob('**/*.ts').scanSync(root)].filter(isRewritten).sort()
  return [
    ...new Set(files.flatMap((file) => rewrite(file, readFileSync(join(root, file), 'utf8'), false).names)),
  ]
}
