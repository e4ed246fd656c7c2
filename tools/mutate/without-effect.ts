/**
 * Edits that change nothing for anybody, with the reason for each: tests/mutants/without-effect.json.
 *
 * An entry is named by the lines before and after, as `npm run mutate` shows them. Lines that are not in the file any
 * more, or more often than the entry says, are a fault: the reason was given for another text.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { type Edit, changeKey, lineChange } from './edit.ts'

export const withoutEffectFile = 'tests/mutants/without-effect.json'

const lines = v.pipe(
  v.union([v.string(), v.array(v.string())]),
  v.transform((text) => (typeof text === 'string' ? [text] : text)),
)
const entrySchema = v.strictObject({
  file: v.pipe(v.string(), v.regex(/^(?:sdk\/)?src\//)),
  before: lines,
  after: lines,
  /** How many places of the file have these lines; the reason holds for all of them. */
  places: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2)), undefined),
  reason: v.pipe(v.string(), v.minLength(20)),
})
export interface Entry extends v.InferOutput<typeof entrySchema> {}

export function readWithoutEffect(root: string): Entry[] {
  const file = join(root, withoutEffectFile)
  if (!existsSync(file)) return []
  const parsed = v.safeParse(v.array(entrySchema), JSON.parse(readFileSync(file, 'utf8')))
  if (!parsed.success) throw new Error(`${withoutEffectFile}: ${v.summarize(parsed.issues)}`)
  return parsed.output
}

/** Why the entry cannot be about this source, or null. Needs no library: each run of the tests asks. */
export function textProblem(entry: Entry, source: string): string | null {
  const wanted = entry.before.map((line) => line.trim())
  const found = source.split('\n').map((line) => line.trim())
  let places = 0
  for (let at = 0; at + wanted.length <= found.length; at++)
    if (wanted.every((line, i) => line === found[at + i])) places++
  const expected = entry.places ?? 1
  if (places === expected) return null
  return `${entry.file} has these lines ${places} times, not ${expected}: ${entry.before.join('\n')}`
}

export class WithoutEffect {
  private readonly reasons = new Map<string, string>()

  constructor(private readonly entries: readonly Entry[]) {
    for (const { file, before, after, reason } of entries)
      this.reasons.set(changeKey(file, { before, after }), reason)
  }

  /** Null for an edit that tests must notice. */
  reason(source: string, edit: Edit): string | null {
    return this.reasons.get(changeKey(edit.file, lineChange(source, edit))) ?? null
  }

  /** One sentence for each entry that no edit of the catalogue is. */
  problems(edits: readonly Edit[], source: (file: string) => string | null): string[] {
    const keys = new Set<string>()
    const files = new Set(this.entries.map(({ file }) => file))
    for (const edit of edits)
      if (files.has(edit.file)) keys.add(changeKey(edit.file, lineChange(source(edit.file)!, edit)))
    return this.entries.flatMap((entry) => {
      const text = source(entry.file)
      if (text === null) return [`there is no ${entry.file}`]
      const problem = textProblem(entry, text)
      if (problem !== null) return [problem]
      return keys.has(changeKey(entry.file, entry))
        ? []
        : [
            `no edit of ${entry.file} puts "${entry.after.join('\n')}" in the place of "${entry.before.join('\n')}"`,
          ]
    })
  }
}
