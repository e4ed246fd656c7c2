/** Looks at source text without being fooled by comments and strings. Not a parser: it knows what the tests need. */

export interface Import {
  readonly from: string
  /** Nothing of it is left at run time. */
  readonly typeOnly: boolean
  readonly reExport: boolean
  readonly line: number
}

/** The text with comments (and, if asked, what is in strings) replaced by spaces; lines and columns stay. */
export function blanked(text: string, strings: boolean): string {
  let out = ''
  let at = 0
  /** Depth of braces in each template placeholder that is open. */
  const placeholders: number[] = []
  const blank = (part: string) => part.replaceAll(/[^\n]/g, ' ')
  const takeString = (end: number) => {
    const whole = text.slice(at, end)
    out += strings ? whole[0]! + blank(whole.slice(1, -1)) + (whole.length > 1 ? whole.at(-1)! : '') : whole
    at = end
  }
  /** From behind the opening quote or a placeholder's end up to the closing quote or the next placeholder. */
  const takeTemplate = () => {
    let end = at
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end))
      end += text[end] === '\\' ? 2 : 1
    const part = text.slice(at, end)
    out += strings ? blank(part) : part
    const opens = text.startsWith('${', end)
    out += text.slice(end, end + (opens ? 2 : 1))
    at = end + (opens ? 2 : 1)
    if (opens) placeholders.push(0)
  }
  while (at < text.length) {
    const char = text[at]!
    if (text.startsWith('//', at) || text.startsWith('/*', at)) {
      const found = text[at + 1] === '/' ? text.indexOf('\n', at) : text.indexOf('*/', at) + 2
      const end = found < at + 2 ? text.length : found
      out += blank(text.slice(at, end))
      at = end
    } else if (char === "'" || char === '"') {
      let end = at + 1
      while (end < text.length && text[end] !== char && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
      takeString(end + 1)
    } else if (char === '`') {
      out += char
      at++
      takeTemplate()
    } else if (char === '/' && beginsRegex(out)) {
      takeString(regexEnd(text, at))
    } else {
      if (placeholders.length > 0) {
        const depth = placeholders.length - 1
        if (char === '{') placeholders[depth]!++
        else if (char === '}' && placeholders[depth]!-- === 0) {
          placeholders.pop()
          out += char
          at++
          takeTemplate()
          continue
        }
      }
      out += char
      at++
    }
  }
  return out
}

/** Only the comments; everything else is replaced by spaces, and lines and columns stay. */
export function commentsOf(text: string): string {
  const code = blanked(text, false)
  let out = ''
  for (let at = 0; at < text.length; at++) out += text[at] === '\n' || code[at] !== text[at] ? text[at] : ' '
  return out
}

/** A slash begins a regular expression where a value is expected. */
function beginsRegex(before: string): boolean {
  const trimmed = before.slice(-60).trimEnd()
  return (
    trimmed === '' ||
    /(?:[([{,;:=!&|?+*%<>~^-]|=>|\b(?:return|typeof|case|in|of|void|delete|throw|await))$/.test(trimmed)
  )
}

function regexEnd(text: string, begin: number): number {
  let inClass = false
  for (let at = begin + 1; at < text.length && text[at] !== '\n'; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '[') inClass = true
    else if (text[at] === ']') inClass = false
    else if (text[at] === '/' && !inClass) return at + 1
  }
  return begin + 1
}

const importForms = [
  /\b(?<verb>import|export)\b(?<clause>[^'"`;()=]*?)\bfrom\s*['"](?<from>[^'"\n]+)['"]/g,
  /\bimport\s*['"](?<from>[^'"\n]+)['"]/g,
  /\bimport\s*\(\s*['"](?<from>[^'"\n]+)['"]/g,
]

/** Every module that the text names: static, for types, for effects, dynamic, and re-exports. */
export function importsOf(text: string): Import[] {
  const code = blanked(text, false)
  return importForms.flatMap((form) =>
    [...code.matchAll(form)].map((match) => {
      const { verb, clause = '', from = '' } = match.groups ?? {}
      return {
        from,
        typeOnly: isTypeOnly(clause),
        reExport: verb === 'export',
        line: lineOf(code, match.index),
      }
    }),
  )
}

function isTypeOnly(clause: string): boolean {
  const trimmed = clause.trim()
  if (/^type\b/.test(trimmed)) return true
  const names = /^\{(?<names>[^}]*)\}$/.exec(trimmed)?.groups?.['names']
  return (
    names !== undefined && names.split(',').every((name) => name.trim() === '' || /^type\s/.test(name.trim()))
  )
}

export const lineOf = (text: string, index: number): number => text.slice(0, index).split('\n').length
