/**
 * Applies planted bugs one at a time to a copy of the tree and expects the named tests to fail.
 *
 * - An edit applies exactly once, or the mutant fails.
 * - The tests of a mutant pass on the unchanged copy, or their failure proves nothing.
 * - A run that reports no failed test (it did not start, it did not end) has not noticed anything.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import * as v from 'valibot'
import { ProjectCopy } from './project-copy.ts'
import { type Outcome, runTests } from './test-run.ts'

const runMsMax = 60_000

const text = v.pipe(
  v.union([v.string(), v.array(v.string())]),
  v.transform((lines) => (typeof lines === 'string' ? lines : lines.join('\n'))),
)
const mutantSchema = v.strictObject({
  why: v.pipe(v.string(), v.minLength(10)),
  file: v.pipe(v.string(), v.regex(/^(?:sdk\/)?src\//)),
  find: v.pipe(text, v.minLength(1)),
  replace: text,
  tests: v.pipe(v.array(v.pipe(v.string(), v.startsWith('tests/'))), v.minLength(1)),
  pattern: v.optional(v.string()),
  hangs: v.optional(v.boolean()),
  env: v.optional(v.record(v.string(), v.string())),
})

export interface Mutant extends v.InferOutput<typeof mutantSchema> {
  readonly name: string
}

export interface PlantedVerdict {
  readonly name: string
  readonly caught: boolean
  readonly what: string
  readonly seconds: number
}

/** The other files of the folder that are no mutants. */
const others = ['without-effect.json']

/** Throws with the file's name for one that is not a mutant. */
export function readMutants(folder: string): Mutant[] {
  if (!existsSync(folder)) return []
  const files = readdirSync(folder).filter((name) => name.endsWith('.json') && !others.includes(name))
  return files.toSorted().map((name) => {
    const parsed = v.safeParse(mutantSchema, JSON.parse(readFileSync(join(folder, name), 'utf8')))
    if (!parsed.success) throw new Error(`${name}: ${v.summarize(parsed.issues)}`)
    return { ...parsed.output, name: basename(name, '.json') }
  })
}

/** The source with the bug in it, or a sentence that says why there is none. */
export function mutated(source: string, mutant: Mutant): { source: string } | { problem: string } {
  const parts = source.split(mutant.find)
  if (parts.length !== 2) return { problem: `the text is found ${parts.length - 1} times in ${mutant.file}` }
  const [before, after] = parts
  const changed = `${before}${mutant.replace}${after}`
  return changed === source ? { problem: 'the replacement changes nothing' } : { source: changed }
}

/** One copy of a project, and its tests that are known to pass unchanged. */
export class PlantedRun {
  private readonly copy: ProjectCopy
  private readonly passing = new Map<string, Promise<Outcome>>()

  constructor(root: string) {
    this.copy = new ProjectCopy(root)
  }

  async judge(mutant: Mutant): Promise<PlantedVerdict> {
    const began = performance.now()
    const verdict = (caught: boolean, what: string): PlantedVerdict => {
      return { name: mutant.name, caught, what, seconds: (performance.now() - began) / 1000 }
    }
    if (!existsSync(join(this.copy.path, mutant.file))) return verdict(false, `there is no ${mutant.file}`)
    const edit = mutated(this.copy.read(mutant.file), mutant)
    if ('problem' in edit) return verdict(false, edit.problem)
    const unchanged = await this.unchanged(mutant)
    if (unchanged.kind !== 'passed')
      return verdict(false, `without the bug the tests ${unchanged.kind}: ${unchanged.detail}`)
    const outcome = await this.copy.whileEdited(mutant.file, edit.source, () => this.run(mutant))
    if (outcome.kind === 'failed') return verdict(true, outcome.detail)
    if (outcome.kind === 'hung') return verdict(mutant.hangs === true, outcome.detail)
    return verdict(false, outcome.kind === 'passed' ? 'no test noticed' : outcome.detail)
  }

  dispose(): void {
    this.copy.dispose()
  }

  private unchanged(mutant: Mutant): Promise<Outcome> {
    const key = JSON.stringify([mutant.tests, mutant.pattern, mutant.env])
    let known = this.passing.get(key)
    if (!known) {
      known = this.run(mutant)
      this.passing.set(key, known)
    }
    return known
  }

  private run({ tests: paths, pattern, env }: Mutant): Promise<Outcome> {
    return runTests({ folder: this.copy.path, paths, pattern, env, msMax: runMsMax })
  }
}

/** For the terminal: one line a mutant. */
export function verdictLine({ name, caught, what, seconds }: PlantedVerdict, width: number): string {
  return `${caught ? 'caught' : 'MISSED'}  ${name.padEnd(width)}  ${seconds.toFixed(1).padStart(5)} s  ${what}`
}

/** The exit code. */
export async function runPlanted(root: string, names: readonly string[]): Promise<number> {
  const all = readMutants(join(root, 'tests/mutants'))
  const unknown = names.filter((name) => !all.some((mutant) => mutant.name === name))
  if (unknown.length > 0) {
    console.error(`no such mutant: ${unknown.join(', ')}`)
    return 1
  }
  const chosen = names.length > 0 ? all.filter((mutant) => names.includes(mutant.name)) : all
  const width = Math.max(0, ...chosen.map((mutant) => mutant.name.length))
  const run = new PlantedRun(root)
  let missed = 0
  try {
    for (const mutant of chosen) {
      const verdict = await run.judge(mutant)
      if (!verdict.caught) missed++
      console.log(verdictLine(verdict, width))
    }
  } finally {
    run.dispose()
  }
  console.log(`${chosen.length - missed} of ${chosen.length} caught`)
  return missed === 0 ? 0 : 1
}
