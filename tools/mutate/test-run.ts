/** One run of `bun test` in a folder of its own, ended at its first failure, at its time limit, or when it eats the memory. */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporary, removeTemporary } from './temporary.ts'

export interface Outcome {
  readonly kind: 'passed' | 'failed' | 'hung' | 'did not run'
  /** The test that failed, or the reason. */
  readonly detail: string
  /** The test that failed did not end in the time that it has. */
  readonly isLate: boolean
  readonly ms: number
}

export interface TestRun {
  readonly folder: string
  /** Relative to the folder. */
  readonly paths: readonly string[]
  readonly msMax: number
  readonly pattern?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Of a test that names none itself; Bun's 5,000 when not given. */
  readonly testMsMax?: number
  /** Runs on after a failure. */
  readonly toTheEnd?: boolean
  readonly memoryBytesMax?: number
}

/** A loop that keeps all that it makes would take the machine with it. */
const memoryBytesDefault = 3 * 2 ** 30
const memoryLookMs = 200

export async function runTests(run: TestRun): Promise<Outcome> {
  const scratch = makeTemporary('run')
  const output = join(scratch, 'output')
  // A file and no pipe: a process that outlives its test would keep a pipe open.
  const descriptor = openSync(output, 'w')
  const began = performance.now()
  const child = Bun.spawn([process.execPath, ...argumentsOf(run)], {
    cwd: run.folder,
    stdio: ['ignore', 'ignore', descriptor],
    env: { ...process.env, ...run.env, NO_COLOR: '1' },
    // A group of its own, so that what the tests have started ends with them.
    detached: true,
  })
  let ended = ''
  const end = (why: string): void => {
    ended = why
    endGroup(child.pid)
  }
  const limit = setTimeout(() => end('the tests did not end'), run.msMax)
  const look = setInterval(() => {
    if (memoryBytes(child.pid) > (run.memoryBytesMax ?? memoryBytesDefault))
      end('the tests took all the memory')
  }, memoryLookMs)
  try {
    const code = await child.exited
    const ms = performance.now() - began
    if (ended === '' && child.signalCode !== null) ended = `ended by ${child.signalCode}`
    if (ended !== '') return { kind: 'hung', detail: ended, isLate: false, ms }
    return { ...outcomeOf(code, readFileSync(output, 'utf8')), ms }
  } finally {
    clearTimeout(limit)
    clearInterval(look)
    endGroup(child.pid)
    closeSync(descriptor)
    removeTemporary(scratch)
  }
}

function argumentsOf({ paths, pattern, testMsMax, toTheEnd }: TestRun): string[] {
  return [
    'test',
    '--no-orphans',
    // Each file has fresh globals, as in `npm test`.
    '--isolate',
    ...(toTheEnd ? [] : ['--bail']),
    ...(testMsMax === undefined ? [] : [`--timeout=${testMsMax}`]),
    ...(pattern === undefined ? [] : ['--test-name-pattern', pattern]),
    ...paths.map((path) => `./${path}`),
  ]
}

const failure = /^\(fail\) (?<name>.*?)(?: \[[\d.]+ ?m?s\])?$(?:\n +\^ (?<late>this test timed out))?/m

function outcomeOf(code: number, output: string): Omit<Outcome, 'ms'> {
  if (code === 0) return { kind: 'passed', detail: '', isLate: false }
  const failed = failure.exec(output)?.groups
  if (failed) return { kind: 'failed', detail: failed['name']!, isLate: failed['late'] !== undefined }
  return { kind: 'did not run', detail: output.trim().split('\n').at(-1) ?? '', isLate: false }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nothing of it is left.
  }
}

/** Resident; 0 where the system does not tell. */
function memoryBytes(pid: number): number {
  try {
    return 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  } catch {
    return 0
  }
}
