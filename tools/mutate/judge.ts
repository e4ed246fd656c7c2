/** What the tests say to an edit: applied to plain sources in a copy, while the test files that reach it run one by one. */
import { type Edit, applied } from './edit.ts'
import { ProjectCopy } from './project-copy.ts'
import type { Reach } from './reach.ts'
import { runTests } from './test-run.ts'

export interface Verdict {
  /** `hung`: a run or a test did not end in its time, or the process broke down; it was noticed too. */
  readonly kind: 'noticed' | 'hung' | 'survived' | 'unreached' | 'without effect'
  /** The test that failed, or the reason. */
  readonly detail: string
  /** The file of that test. */
  readonly by: string | null
  readonly seconds: number
}

const spareMs = 5_000
const slowerMax = 4

/** A loop without an end is ended; a machine that does other work is waited for. */
export const runMsMax = (ms: number): number => spareMs + slowerMax * ms

export class Judge {
  private readonly copy: ProjectCopy

  constructor(
    root: string,
    private readonly env: Readonly<Record<string, string>>,
  ) {
    this.copy = new ProjectCopy(root)
  }

  /** The tests in the order of their runs. */
  async judge(edit: Edit, tests: readonly Reach[]): Promise<Verdict> {
    if (tests.length === 0)
      return { kind: 'unreached', detail: 'no test comes by here', by: null, seconds: 0 }
    const began = performance.now()
    const seconds = (): number => (performance.now() - began) / 1000
    const text = applied(this.copy.read(edit.file), edit)
    return this.copy.whileEdited(edit.file, text, async () => {
      for (const { test, ms } of tests) {
        const run = { folder: this.copy.path, paths: [test], msMax: runMsMax(ms), env: this.env }
        const outcome = await runTests(run)
        if (outcome.kind === 'passed') continue
        const kind = outcome.kind === 'hung' || outcome.isLate ? 'hung' : 'noticed'
        return { kind, detail: outcome.detail, by: test, seconds: seconds() }
      }
      return { kind: 'survived', detail: 'no test noticed', by: null, seconds: seconds() }
    })
  }

  dispose(): void {
    this.copy.dispose()
  }
}
