/**
 * Faults that somebody thought of without looking at the tests: a folder of JSON files, each an edit with its reason.
 * Unlike a planted bug of `tests/mutants`, a fault names no test: every test that comes by is asked.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import * as v from 'valibot'
import type { Catalogue } from './catalogue.ts'
import { type Edit, linesOf } from './edit.ts'
import type { Reach, ReachIndex } from './reach.ts'

const faultSchema = v.object({
  why: v.pipe(v.string(), v.minLength(10)),
  file: v.pipe(v.string(), v.regex(/^(?:sdk\/)?src\//)),
  find: v.pipe(v.string(), v.minLength(1)),
  replace: v.string(),
})

/** No counter of a file says that a run has come by a fault. */
const noMark = -1

export interface FaultEdits {
  readonly edits: readonly Edit[]
  /** A sentence for each fault that cannot be put in. */
  readonly problems: readonly string[]
}

/** Edits named after the files of `folder`. Throws with the file's name for one that is no fault. */
export function readFaults(folder: string, catalogue: Catalogue): FaultEdits {
  const problems: string[] = []
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'))
  const edits = names.toSorted().flatMap((name): Edit[] => {
    const parsed = v.safeParse(faultSchema, JSON.parse(readFileSync(join(folder, name), 'utf8')))
    if (!parsed.success) throw new Error(`${name}: ${v.summarize(parsed.issues)}`)
    const { file, find, replace } = parsed.output
    const source = catalogue.get(file)?.source
    const count = source === undefined ? 0 : source.split(find).length - 1
    if (count !== 1) {
      problems.push(`${name}: the text is found ${count} times in ${file}`)
      return []
    }
    const start = source!.indexOf(find)
    const kind = basename(name, '.json')
    return [{ file, kind, start, end: start + find.length, replacement: replace, mark: noMark }]
  })
  return { edits, problems }
}

/** The tests that come by the lines of the fault, the quickest first; where nobody does, those that come by its file. */
export function testsOfFault(fault: Edit, catalogue: Catalogue, index: ReachIndex): readonly Reach[] {
  const { source, edits } = catalogue.get(fault.file)!
  const lines = linesOf(source, fault)
  const near = edits.filter((edit) => {
    const { first, last } = linesOf(source, edit)
    return first <= lines.last && last >= lines.first
  })
  const asked = (among: readonly Edit[]): Reach[] =>
    [...new Set(among.flatMap((edit) => index.testsOf(edit)))].toSorted((a, b) => a.ms - b.ms)
  const reaching = asked(near)
  return reaching.length > 0 ? reaching : asked(edits)
}
