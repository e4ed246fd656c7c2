/** The runtimes in which the suite of the client runs, and how it is started in each. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Browser, browserProblem } from '../browser/browser.ts'
import type { Outcome } from './suite/run.ts'
import type { Config } from './suite/world.ts'

export interface Ran {
  readonly outcomes: readonly Outcome[]
  /** Largest resident memory of the process that runs the suite, in bytes. */
  readonly rssBytesMax: number
}

export interface Runtime {
  readonly name: string
  /** Null when the runtime is there. */
  readonly problem: string | null
  /** More than the suite may take: the runtime, and what its collector leaves for later. */
  readonly rssBytesMax: number
  run(config: Config, folder: string): Promise<Ran>
}

const suite = join(import.meta.dir, 'suite')

/** One file, as a bundler makes it for programs that use the package. */
export async function bundled(entry: 'main.ts' | 'run.ts', target: 'node' | 'browser'): Promise<string> {
  const built = await Bun.build({ entrypoints: [join(suite, entry)], target, format: 'esm' })
  if (!built.success) throw new Error(built.logs.map(({ message }) => message).join('\n'))
  return built.outputs[0]!.text()
}

function processRuntime(name: string, command: string | null, problem: string): Runtime {
  return {
    name,
    problem: command === null ? problem : null,
    // A stream that is kept is more than that, also in the small share.
    rssBytesMax: 240 * 2 ** 20,
    async run(config, folder) {
      const file = join(folder, 'suite.mjs')
      writeFileSync(file, await bundled('main.ts', 'node'))
      const child = spawn(command!, [file, JSON.stringify(config)], { stdio: ['ignore', 'pipe', 'pipe'] })
      const memory = new Memory(() => [child.pid!])
      const texts = { out: '', err: '' }
      child.stdout.on('data', (bytes: Buffer) => (texts.out += bytes.toString()))
      child.stderr.on('data', (bytes: Buffer) => (texts.err += bytes.toString()))
      const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
      const rssBytesMax = memory.end()
      if (code !== 0) throw new Error(`${name} ended with ${code}: ${texts.err}`)
      return { outcomes: JSON.parse(texts.out) as Outcome[], rssBytesMax }
    },
  }
}

/** Looks at the high-water marks that the system keeps, of processes that may come and go. */
class Memory {
  private bytesMax = 0
  private readonly watch: NodeJS.Timeout

  constructor(private readonly pids: () => readonly number[]) {
    this.watch = setInterval(() => this.look(), 100)
  }

  end(): number {
    this.look()
    clearInterval(this.watch)
    return this.bytesMax
  }

  private look(): void {
    for (const pid of this.pids()) {
      const status = textOf(`/proc/${pid}/status`)
      this.bytesMax = Math.max(this.bytesMax, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024)
    }
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process has ended.
    return ''
  }
}

/** The processes of pages, in the browser that this process has started. */
function renderers(): number[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const parents = new Map(
    all.map((pid) => [Number(pid), Number(/^PPid:\s+(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0)]),
  )
  const isBelow = (pid: number): boolean => pid === process.pid || (pid > 1 && isBelow(parents.get(pid) ?? 0))
  return [...parents.keys()].filter(
    (pid) => isBelow(pid) && textOf(`/proc/${pid}/cmdline`).includes('--type=renderer'),
  )
}

const chromium: Runtime = {
  name: 'Chromium',
  problem: browserProblem,
  rssBytesMax: 480 * 2 ** 20,
  async run(config) {
    const browser = await Browser.start()
    const memory = new Memory(renderers)
    try {
      const page = await browser.page()
      await page.goto(config.control)
      const outcomes = await page.evaluate(
        `(async () => (await import('/suite.js')).runSuite(${JSON.stringify(config)}))()`,
      )
      return { outcomes: outcomes as Outcome[], rssBytesMax: memory.end() }
    } finally {
      memory.end()
      await browser.close()
    }
  },
}

function versionOf(command: string): string | null {
  const done = spawnSync(command, ['--version'], { encoding: 'utf8' })
  return done.status === 0 ? done.stdout.trim() : null
}

const installed = versionOf('node')
const packaged = join(import.meta.dir, `node_modules/node-${process.platform}-${process.arch}/bin/node`)

export const runtimes: readonly Runtime[] = [
  processRuntime('Bun', process.execPath, ''),
  processRuntime(`Node ${installed ?? ''} of the machine`, installed === null ? null : 'node', 'no node'),
  processRuntime(
    'Node 22 of its package',
    existsSync(packaged) ? packaged : null,
    'no package node: npm install in tests/sdk',
  ),
  chromium,
]
