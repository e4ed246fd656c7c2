/**
 * Finds comments that do not begin with their subject. A reader who opens a file in the middle has nothing that "it",
 * "of those" or "what" could stand for.
 */
import { blanked, lineOf } from './source-code.ts'

const openings =
  /^(?:Of|What|Whatever|Whoever|Whichever|Who|Those|Nobody|For (?:those|whom|whoever|who)|Else|Instead of what|As (?:it|they)|It|Its|They|Their|Them|One (?:that|who|which)|All that|Everything that|Everybody)\b/

export interface CommentFault {
  readonly line: number
  readonly text: string
}

/** A comment, and each point of a list in one, is looked at by its first words. */
export function commentFaults(text: string): CommentFault[] {
  const code = blanked(text, false)
  const found: CommentFault[] = []
  for (const { index, body } of commentsOf(text, code))
    for (const { at, words } of beginnings(body))
      if (openings.test(words)) found.push({ line: lineOf(text, index + at), text: words.slice(0, 80) })
  return found
}

/** The code has spaces where the text has a comment. */
function commentsOf(text: string, code: string): { index: number; body: string }[] {
  const comments = /\/\*\*?(?<block>.*?)\*\/|\/\/(?<line>[^\n]*)/gs
  return [...text.matchAll(comments)]
    .filter(({ index }) => code[index] === ' ')
    .filter(({ index }) => !isContinued(text, index))
    .map((match) => {
      const body = match.groups?.['block'] ?? match.groups?.['line'] ?? ''
      return { index: match.index + match[0].indexOf(body), body }
    })
}

/** A line comment below another one goes on with its sentence. */
function isContinued(text: string, index: number): boolean {
  if (!text.startsWith('//', index)) return false
  const before = text.slice(0, index).split('\n').at(-2)?.trim()
  return before?.startsWith('//') === true
}

function* beginnings(body: string): Generator<{ at: number; words: string }> {
  let isFirst = true
  let at = 0
  for (const line of body.split('\n')) {
    const words = line.replace(/^[\s*]+/, '')
    if (words !== '' && (isFirst || words.startsWith('- '))) {
      yield { at: at + line.length - words.length, words: words.replace(/^- /, '') }
      isFirst = false
    }
    at += line.length + 1
  }
}
