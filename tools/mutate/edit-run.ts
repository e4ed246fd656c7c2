/** Everything between the wish and the report: choose edits, learn who reaches them, judge them in lanes. */
import { type Catalogue, type Kept, makeCatalogue } from './catalogue.ts'
import { changedLines, touches } from './changed-lines.ts'
import type { Edit } from './edit.ts'
import { readFaults, testsOfFault } from './faults.ts'
import { Judge, type Verdict } from './judge.ts'
import { inLanes } from './lanes.ts'
import type { Library } from './library.ts'
import type { Wish } from './options.ts'
import { type KeptReach, ReachIndex, findReach } from './reach.ts'
import { type Result, resultOf } from './report.ts'
import { isInRooms } from './rooms.ts'
import { sampled } from './sample.ts'
import { Contents, sourceFiles, testFiles } from './sources.ts'
import { Store } from './store.ts'
import { WithoutEffect, readWithoutEffect } from './without-effect.ts'

/** Two cores are what the machine of every day has. */
const lanes = 2

export interface EditRunParts {
  readonly root: string
  readonly libraryVersion: string
  readonly openLibrary: () => Promise<Library>
  /** For all runs of tests. */
  readonly env: Readonly<Record<string, string>>
  readonly say: (text: string) => void
  readonly count: (what: string, done: number, of: number) => void
  readonly found: (result: Result) => void
}

export interface EditRunResult {
  readonly results: readonly Result[]
  /** Entries of the list of edits without effect that are out of date, and test files that fail anyway. */
  readonly problems: readonly string[]
}

export type EditWish = Extract<Wish, { kind: 'edits' }>

export async function runEdits(wish: EditWish, parts: EditRunParts): Promise<EditRunResult> {
  const { root, env } = parts
  const contents = new Contents(root)
  const catalogue = await makeCatalogue(sourceFiles(root), {
    root,
    contents,
    store: new Store<Kept>(root, 'edits'),
    libraryVersion: parts.libraryVersion,
    openLibrary: parts.openLibrary,
    progress: parts.say,
  })
  const excused = new WithoutEffect(readWithoutEffect(root))
  const all = [...catalogue.values()].flatMap(({ edits }) => edits)
  const problems = [...excused.problems(all, (file) => catalogue.get(file)?.source ?? null)]
  const faults = wish.faults === null ? null : readFaults(wish.faults, catalogue)
  if (faults) problems.push(...faults.problems)
  const chosen = faults?.edits ?? chooseEdits(catalogue, wish, root)
  if (chosen.length === 0) return { results: [], problems }

  const reaches = await findReach(testFiles(root), {
    root,
    catalogue,
    contents,
    store: new Store<KeptReach>(root, 'reach'),
    env,
    lanes,
    progress: (done, of) => parts.count('test files have shown what they reach', done, of),
  })
  const failing = reaches.filter(({ problem }) => problem !== '')
  const index = new ReachIndex(reaches)

  const results: Result[] = []
  const judgeOne = async (edit: Edit, judge: Judge): Promise<void> => {
    const { source } = catalogue.get(edit.file)!
    const tests = faults ? testsOfFault(edit, catalogue, index) : index.testsOf(edit)
    const reason = excused.reason(source, edit)
    const verdict: Verdict =
      reason === null
        ? await judge.judge(edit, tests)
        : { kind: 'without effect', detail: reason, by: null, seconds: 0 }
    const result = resultOf(
      source,
      edit,
      tests.map(({ test }) => test),
      verdict,
    )
    results.push(result)
    parts.found(result)
    parts.count('edits judged', results.length, chosen.length)
  }
  await inLanes(chosen, lanes, () => new Judge(root, env), judgeOne)
  return {
    results: results.toSorted((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1)),
    problems: [
      ...problems,
      ...failing.map(({ test, problem }) => `${test} notices nothing: without an edit too it ${problem}`),
    ],
  }
}

export function chooseEdits(catalogue: Catalogue, wish: EditWish, root: string): Edit[] {
  const changed = wish.changed === null ? null : changedLines(root, wish.changed)
  const inScope = [...catalogue.values()].filter(({ file }) => isInRooms(file, wish.rooms))
  const edits = inScope.flatMap(({ file, source, edits: ofFile }) => {
    if (!changed) return ofFile
    const lines = changed.get(file)
    return lines ? ofFile.filter((edit) => touches(source, edit, lines)) : []
  })
  if (wish.sample === null) return edits
  return sampled(edits, (file) => catalogue.get(file)!.source, wish.sample, wish.seed)
}
