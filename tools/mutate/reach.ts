/**
 * Which test file reaches which edit: each test file runs once in a copy whose sources count, and what it has reached is
 * kept for as long as every file that had a part in it is the same.
 *
 * - Marked sources take about as long as plain ones (measured), so the time of that run bounds those with an edit.
 * - A test file that fails among marked sources runs among plain ones too. A file that fails there notices nothing.
 */
import { closeSync, openSync, readFileSync, rmSync, ftruncateSync } from 'node:fs'
import { join } from 'node:path'
import type { Catalogue } from './catalogue.ts'
import type { Edit } from './edit.ts'
import { inLanes } from './lanes.ts'
import { markedHeader } from './library.ts'
import { marksVariable } from './marks.ts'
import { ProjectCopy } from './project-copy.ts'
import type { Contents } from './sources.ts'
import type { Store } from './store.ts'
import { runTests } from './test-run.ts'

export interface Reach {
  readonly test: string
  /** How long it takes, at most. */
  readonly ms: number
  /** Empty when it passes with plain sources. */
  readonly problem: string
  /** Marks, by source. */
  readonly reached: Readonly<Record<string, readonly number[]>>
}

export interface KeptReach extends Reach {
  /** Versions of the files that had a part in it: its own, what it imports, and sources that a process of its loaded. */
  readonly versions: Readonly<Record<string, string>>
  readonly env: string
}

export interface ReachParts {
  readonly root: string
  readonly catalogue: Catalogue
  readonly contents: Contents
  readonly store: Store<KeptReach>
  /** For all runs of tests. */
  readonly env: Readonly<Record<string, string>>
  readonly lanes: number
  readonly progress: (done: number, of: number) => void
}

const runMsMax = 10 * 60_000
/** Of one test: marked sources are slower, and the machine may do other work. */
const testMsMax = 60_000

export async function findReach(tests: readonly string[], parts: ReachParts): Promise<Reach[]> {
  const kept = tests.map((test) => parts.store.get(test))
  const isFresh = (reach: KeptReach | null): boolean => reach !== null && isCurrent(reach, parts)
  const stale = tests.filter((_, i) => !isFresh(kept[i]!))
  const known = new Map<string, Reach>(
    kept.flatMap((reach) => (isFresh(reach) ? [[reach!.test, reach!]] : [])),
  )
  // The longest first, so that no lane stands still at the end.
  const msOf = new Map(kept.flatMap((reach) => (reach ? [[reach.test, reach.ms]] : [])))
  const queue = stale.toSorted((a, b) => (msOf.get(b) ?? runMsMax) - (msOf.get(a) ?? runMsMax))
  let done = 0
  await inLanes(
    queue,
    parts.lanes,
    (lane) => new MarkedLane(lane, parts),
    async (test, lane) => {
      const reach = await lane.run(test)
      parts.store.put(test, reach)
      known.set(test, reach)
      parts.progress(++done, queue.length)
    },
  )
  return tests.map((test) => known.get(test)!)
}

function versionOf(path: string, { catalogue, contents }: ReachParts): string {
  return catalogue.get(path)?.version ?? contents.hash(path)
}

function isCurrent({ versions, env }: KeptReach, parts: ReachParts): boolean {
  if (env !== JSON.stringify(parts.env)) return false
  return Object.entries(versions).every(([path, version]) => versionOf(path, parts) === version)
}

/** A copy with marked sources, one with plain ones when it is needed, and the file of the marks. */
class MarkedLane {
  private readonly copy: ProjectCopy
  private plain: ProjectCopy | null = null
  private readonly marks: string
  private readonly ranges = new Map<string, readonly [at: number, marks: number]>()
  private readonly bytes: number

  constructor(
    lane: number,
    private readonly parts: ReachParts,
  ) {
    this.copy = new ProjectCopy(parts.root)
    this.marks = join(this.copy.path, `.marks-${lane}`)
    let at = 0
    for (const { file, marked, marks } of parts.catalogue.values()) {
      this.copy.write(file, markedHeader(at, marks) + marked)
      this.ranges.set(file, [at, marks])
      at += marks
    }
    this.bytes = at
  }

  async run(test: string): Promise<KeptReach> {
    const { env } = this.parts
    this.clearMarks()
    const run = { paths: [test], msMax: runMsMax, testMsMax, toTheEnd: true }
    const outcome = await runTests({
      ...run,
      folder: this.copy.path,
      env: { ...env, [marksVariable]: this.marks },
    })
    const reached = this.reached()
    let { ms } = outcome
    let problem = ''
    if (outcome.kind !== 'passed') {
      this.plain ??= new ProjectCopy(this.parts.root)
      const plain = await runTests({ folder: this.plain.path, paths: [test], msMax: runMsMax, env })
      ms = plain.ms
      if (plain.kind !== 'passed') problem = `${plain.kind}: ${plain.detail}`
    }
    const files = new Set([...this.parts.contents.closure(test), ...Object.keys(reached)])
    const versions = Object.fromEntries([...files].map((path) => [path, versionOf(path, this.parts)]))
    return { test, ms: Math.round(ms), problem, reached, versions, env: JSON.stringify(env) }
  }

  dispose(): void {
    this.copy.dispose()
    this.plain?.dispose()
  }

  private clearMarks(): void {
    // A file of its own for each run: a process that is not quite gone marks the old one.
    rmSync(this.marks, { force: true })
    const descriptor = openSync(this.marks, 'w')
    ftruncateSync(descriptor, Math.max(1, this.bytes))
    closeSync(descriptor)
  }

  private reached(): Record<string, number[]> {
    const bytes = readFileSync(this.marks)
    const reached: Record<string, number[]> = {}
    for (const [file, [at, marks]] of this.ranges) {
      const found: number[] = []
      for (let mark = 0; mark < marks; mark++) if (bytes[at + mark] !== 0) found.push(mark)
      if (found.length > 0) reached[file] = found
    }
    return reached
  }
}

/** Test files that reach an edit and can notice it, the quickest first. */
export class ReachIndex {
  private readonly byMark = new Map<string, Reach[]>()

  constructor(reaches: readonly Reach[]) {
    const usable = reaches.filter(({ problem }) => problem === '').toSorted((a, b) => a.ms - b.ms)
    for (const reach of usable)
      for (const [file, marks] of Object.entries(reach.reached))
        for (const mark of marks) {
          const key = `${file} ${mark}`
          const tests = this.byMark.get(key)
          if (tests) tests.push(reach)
          else this.byMark.set(key, [reach])
        }
  }

  testsOf({ file, mark }: Edit): readonly Reach[] {
    return this.byMark.get(`${file} ${mark}`) ?? []
  }
}
