/**
 * The fenced blocks of the documents, and what becomes of each: the words behind its language say it.
 *
 * - `sh run`: its lines are run, in the order of the document, in one shell of a machine of its own.
 * - `sh terminals`: each line is a server in a terminal of its own; those of the block before are stopped first.
 * - `sh by FILE`: the test of that name runs it, from the document.
 * - `sh shown: REASON`: nobody runs it.
 * - `text` and `json` are what something says, and are never commands.
 */
export interface Block {
  readonly document: string
  /** Of the fence. */
  readonly line: number
  readonly language: string
  readonly fate: Fate | null
  readonly text: string
}

export type Fate =
  | { readonly kind: 'run' | 'terminals' }
  | { readonly kind: 'by'; readonly test: string }
  | { readonly kind: 'shown'; readonly reason: string }

/** Nobody takes these for commands. */
const sayings: ReadonlySet<string> = new Set(['text', 'json'])
/** A word is no reason. */
const reasonWordsMin = 3

export function blocksOf(document: string, text: string): Block[] {
  const blocks: Block[] = []
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const opened = /^\s*(`{3,}|~{3,})\s*(\S*)\s*(.*)$/.exec(lines[at]!)
    if (!opened) continue
    const [, fence, language, words] = opened as unknown as [string, string, string, string]
    const end = lines.findIndex((line, other) => other > at && line.trim() === fence)
    const until = end < 0 ? lines.length : end
    const inner = lines.slice(at + 1, until).join('\n')
    blocks.push({ document, line: at + 1, language, fate: fateOf(words.trim()), text: inner })
    at = until
  }
  return blocks
}

function fateOf(words: string): Fate | null {
  if (words === 'run' || words === 'terminals') return { kind: words }
  const [, test] = /^by (\S+)$/.exec(words) ?? []
  if (test !== undefined) return { kind: 'by', test }
  const [, reason] = /^shown: (.+)$/.exec(words) ?? []
  return reason === undefined ? null : { kind: 'shown', reason }
}

/** Null: all is well. `readTest` gives the text of a test; null when there is none of that name. */
export function problemOf(block: Block, readTest: (path: string) => string | null): string | null {
  const { document, line, language, fate } = block
  const where = `${document}:${line}`
  if (sayings.has(language)) return fate === null ? null : `${where}: what something says is not run`
  if (language === '') return `${where}: a block says its language; what something says is text`
  if (fate === null)
    return `${where}: say behind the language who runs the block (run, terminals, by FILE), or why nobody does (shown: REASON)`
  switch (fate.kind) {
    case 'run':
    case 'terminals':
      return language === 'sh' ? null : `${where}: only sh is run here; name the test that runs it: by FILE`
    case 'by': {
      const test = readTest(fate.test)
      const name = document.split('/').at(-1)!
      return test?.includes(name) ? null : `${where}: ${fate.test} is no test that reads ${name}`
    }
    case 'shown':
      return fate.reason.split(' ').length < reasonWordsMin ? `${where}: "${fate.reason}" is no reason` : null
  }
}
