/** A command of the program, or of the system, run to its end within its time. */
import { cleanEnvironment, commandLine, project } from './server-process.ts'

export interface Finished {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const msDefault = 120_000

export async function runProgram(args: readonly string[], msMax = msDefault): Promise<Finished> {
  return run(commandLine(args), msMax)
}

export async function run(command: readonly string[], msMax = msDefault): Promise<Finished> {
  const process = Bun.spawn([...command], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    cwd: project,
    env: cleanEnvironment(),
    timeout: msMax,
    killSignal: 'SIGKILL',
  })
  const [out, err] = await Promise.all([process.stdout.text(), process.stderr.text()])
  await process.exited
  return { code: process.exitCode, out, err }
}

/** The same, where anything but success is an error that says what was said. */
export async function runSuccessfully(args: readonly string[], msMax = msDefault): Promise<string> {
  const { code, out, err } = await runProgram(args, msMax)
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}\n${out}${err}`)
  return out
}

/** The rows of a query on the catalog of a volume, also while it is being served. */
export async function queryCatalog(data: string, query: string): Promise<Record<string, unknown>[]> {
  const out = await runSuccessfully(['sql', '--data', data, '--json', query])
  const { columns, rows } = JSON.parse(out) as { columns: { name: string }[]; rows: unknown[][] }
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index]])))
}

/** Every invariant of a volume that nobody serves; an error names what does not hold. */
export async function checkVolume(data: string): Promise<void> {
  await runSuccessfully(['check', data])
}
