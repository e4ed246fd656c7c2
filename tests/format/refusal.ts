/** What a decoder may throw, and nothing else: the format's refusals, and damage with its place. */
import { hasCode } from '../../src/lib/errors.ts'

const isName = (value: unknown): boolean => typeof value === 'string' && /^[A-Za-z][\w ]*$/.test(value)

/** The error names a structure and one of its parts, or refuses the format as a whole. */
export function assertRefusal(error: unknown): void {
  if (hasCode(error, 'newer-format') || hasCode(error, 'older-format')) return
  if (!hasCode(error, 'corrupt')) throw error
  if (!isName(error.help['structure']) || !isName(error.help['field']))
    throw new Error(`a refusal without its place: ${error.message}`, { cause: error })
}
