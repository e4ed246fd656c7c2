/**
 * Applies planted bugs one at a time to a copy of the tree and expects the named tests to fail.
 *
 * - An edit applies exactly once, or the mutant fails.
 * - The tests of a mutant pass on the unchanged copy, or their failure proves nothing.
 * - A run that reports no failed test (it did not start, it did not end) has not noticed anything.
 */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import * as v from 'valibot'

const runMsMax = 60_000
const copied = ['src', 'tests', 'tools', 'scripts', 'drizzle', 'openapi', 'docs', 'bench']
const copiedFiles = ['package.json', 'package-lock.json', 'tsconfig.json', 'bunfig.toml', '.oxlintrc.json']

const text = v.pipe(
  v.union([v.string(), v.array(v.string())]),
  v.transform((lines) => (typeof lines === 'string' ? lines : lines.join('\n'))),
)
const mutantSchema = v.strictObject({
  why: v.pipe(v.string(), v.minLength(10)),
  file: v.pipe(v.string(), v.startsWith('src/')),
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

export interface Verdict {
  readonly name: string
  readonly caught: boolean
  readonly what: string
  readonly seconds: number
}

/** Throws with the file's name for one that is not a mutant. */
export function readMutants(folder: string): Mutant[] {
  if (!existsSync(folder)) return []
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
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
export class MutantRun {
  private readonly copy: string
  private readonly passing = new Map<string, Promise<Outcome>>()

  constructor(root: string) {
    this.copy = mkdtempSync(join(tmpdir(), 'stillpoint-mutants-'))
    for (const name of [...copied, ...copiedFiles]) {
      if (existsSync(join(root, name))) cpSync(join(root, name), join(this.copy, name), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(this.copy, 'node_modules'))
  }

  async judge(mutant: Mutant): Promise<Verdict> {
    const began = performance.now()
    const verdict = (caught: boolean, what: string): Verdict => {
      return { name: mutant.name, caught, what, seconds: (performance.now() - began) / 1000 }
    }
    const file = join(this.copy, mutant.file)
    if (!existsSync(file)) return verdict(false, `there is no ${mutant.file}`)
    const original = readFileSync(file, 'utf8')
    const edit = mutated(original, mutant)
    if ('problem' in edit) return verdict(false, edit.problem)
    const unchanged = await this.unchanged(mutant)
    if (unchanged.kind !== 'passed')
      return verdict(false, `without the bug the tests ${unchanged.kind}: ${unchanged.detail}`)
    writeFileSync(file, edit.source)
    try {
      const outcome = await this.run(mutant)
      if (outcome.kind === 'failed') return verdict(true, outcome.detail)
      if (outcome.kind === 'hung') return verdict(mutant.hangs === true, 'the tests did not end')
      return verdict(false, outcome.kind === 'passed' ? 'no test noticed' : outcome.detail)
    } finally {
      writeFileSync(file, original)
    }
  }

  dispose(): void {
    rmSync(this.copy, { recursive: true, force: true })
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

  private async run(mutant: Mutant): Promise<Outcome> {
    const report = join(this.copy, 'report.xml')
    rmSync(report, { force: true })
    const pattern = mutant.pattern === undefined ? [] : ['--test-name-pattern', mutant.pattern]
    const paths = mutant.tests.map((path) => `./${path}`)
    const args = [
      'test',
      '--no-orphans',
      '--bail',
      '--reporter=junit',
      `--reporter-outfile=${report}`,
      ...pattern,
      ...paths,
    ]
    const child = Bun.spawn([process.execPath, ...args], {
      cwd: this.copy,
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
      timeout: runMsMax,
      killSignal: 'SIGKILL',
      env: { ...process.env, ...mutant.env, NO_COLOR: '1' },
    })
    const output = await new Response(child.stderr).text()
    const code = await child.exited
    if (child.signalCode !== null) return { kind: 'hung', detail: `killed by ${child.signalCode}` }
    if (code === 0) return { kind: 'passed', detail: '' }
    const failed = /^\(fail\) (?<name>.*?)(?: \[[\d.]+ ?m?s\])?$/m.exec(output)?.groups?.['name']
    if (failed !== undefined) return { kind: 'failed', detail: failed }
    return { kind: 'did not run', detail: output.trim().split('\n').at(-1) ?? '' }
  }
}

interface Outcome {
  readonly kind: 'passed' | 'failed' | 'hung' | 'did not run'
  readonly detail: string
}

/** For the terminal: one line a mutant. */
export function verdictLine({ name, caught, what, seconds }: Verdict, width: number): string {
  return `${caught ? 'caught' : 'MISSED'}  ${name.padEnd(width)}  ${seconds.toFixed(1).padStart(5)} s  ${what}`
}

async function main(names: readonly string[]): Promise<number> {
  const root = join(import.meta.dir, '..')
  const all = readMutants(join(root, 'tests/mutants'))
  const unknown = names.filter((name) => !all.some((mutant) => mutant.name === name))
  if (unknown.length > 0) {
    console.error(`no such mutant: ${unknown.join(', ')}`)
    return 1
  }
  const chosen = names.length > 0 ? all.filter((mutant) => names.includes(mutant.name)) : all
  const width = Math.max(0, ...chosen.map((mutant) => mutant.name.length))
  const run = new MutantRun(root)
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

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
