/**
 * The processes of a run.
 *
 * - Each one is ended by its own pid, when its row is over, when the bench ends, and when the bench is interrupted.
 * - Every wait has an end.
 */
import { readdirSync, readFileSync } from 'node:fs'

const readyMsDefault = 60_000
const stopMsMax = 30_000
const errorTextMax = 4000
/** USER_HZ: /proc counts CPU time in these. */
const ticksPerSecond = 100

export interface StartOptions {
  readonly command: readonly string[]
  /** The line of stdout that says that it serves; the first group, if any, is what the caller gets. */
  readonly ready?: RegExp
  readonly readyMsMax?: number
  /** Otherwise its stdin is empty: some programs take an open one for a connection. */
  readonly takesInput?: boolean
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

export class Child {
  readonly exited: Promise<number>
  private errorText = ''
  private reported = false

  constructor(
    readonly process: Bun.Subprocess<'pipe' | 'ignore', 'pipe', 'pipe'>,
    readonly lines: LineReader,
  ) {
    this.exited = process.exited
    this.collectErrors(process.stderr).catch(() => undefined)
  }

  get pid(): number {
    return this.process.pid
  }

  get errors(): string {
    return this.errorText.trim()
  }

  async say(line: string): Promise<void> {
    const { stdin } = this.process
    if (stdin === undefined || typeof stdin === 'number') throw new Error('the process takes no input')
    await stdin.write(`${line}\n`)
    await stdin.flush()
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  /** Ends it with the signal, and with SIGKILL when that takes too long. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return
    this.process.kill(signal)
    if (await endsWithin(this.exited, stopMsMax)) return
    this.process.kill('SIGKILL')
    await this.exited
  }

  /** CPU seconds of it and its children so far. */
  cpuSeconds(): number {
    return processTree(this.pid).reduce((sum, pid) => sum + cpuTicks(pid), 0) / ticksPerSecond
  }

  /** Bytes of memory, of it and its children: now, and the most that it ever was. */
  memory(): { readonly now: number; readonly most: number } {
    const sum = { now: 0, most: 0 }
    for (const pid of processTree(this.pid)) {
      const status = readProc(`/proc/${pid}/status`)
      sum.now += kilobytes(status, 'VmRSS')
      sum.most += kilobytes(status, 'VmHWM')
    }
    return sum
  }

  private async collectErrors(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder()
    for await (const chunk of stream)
      if (!this.reported) {
        this.errorText += decoder.decode(chunk, { stream: true })
        this.reported = this.errorText.length > errorTextMax
      }
  }
}

export class Processes {
  private readonly children = new Set<Child>()

  /** Resolves once it is ready, with what the ready line said. */
  async start(options: StartOptions): Promise<{ readonly child: Child; readonly ready: string }> {
    const process_ = Bun.spawn([...options.command], {
      stdin: options.takesInput === true ? 'pipe' : 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    const child = new Child(process_, new LineReader(process_.stdout))
    this.children.add(child)
    child.exited.then(
      () => this.children.delete(child),
      () => undefined,
    )
    if (options.ready === undefined) return { child, ready: '' }
    const msMax = options.readyMsMax ?? readyMsDefault
    const deadline = performance.now() + msMax
    for (;;) {
      const line = await child.lines.next(deadline - performance.now())
      if (line === null) {
        await child.stop('SIGKILL')
        throw new Error(`${options.command.join(' ')} was not ready within ${msMax} ms: ${child.errors}`)
      }
      const match = options.ready.exec(line)
      if (match) return { child, ready: match[1] ?? line }
    }
  }

  /** Runs a command to its end; its output, or an error that says what it said. */
  async run(
    command: readonly string[],
    options: { readonly cwd?: string; readonly msMax?: number; readonly env?: Record<string, string> } = {},
  ): Promise<string> {
    const { child } = await this.start({ command, ...options })
    const timer = setTimeout(() => child.process.kill('SIGKILL'), options.msMax ?? 600_000)
    const output = await child.lines.rest()
    const code = await child.exited
    clearTimeout(timer)
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${child.errors}`)
    return output
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.children].map((child) => child.stop()))
  }

  /** For the very end, where nothing can be awaited. */
  killAll(): void {
    for (const child of this.children) child.process.kill('SIGKILL')
  }
}

export class LineReader {
  private readonly reader: AsyncIterator<Uint8Array>
  private readonly decoder = new TextDecoder()
  private text = ''
  private ended = false

  constructor(stream: ReadableStream<Uint8Array>) {
    this.reader = stream[Symbol.asyncIterator]()
  }

  /** Null when the stream has ended or the time is up. */
  async next(msMax: number): Promise<string | null> {
    const deadline = performance.now() + msMax
    for (;;) {
      const end = this.text.indexOf('\n')
      if (end >= 0) {
        const line = this.text.slice(0, end)
        this.text = this.text.slice(end + 1)
        return line
      }
      if (this.ended) return null
      const left = deadline - performance.now()
      if (left <= 0 || !(await endsWithin(this.fill(), left))) return null
    }
  }

  async rest(): Promise<string> {
    while (!this.ended) await this.fill()
    return this.text
  }

  private async fill(): Promise<void> {
    const next = await this.reader.next()
    if (next.done === true) this.ended = true
    else this.text += this.decoder.decode(next.value, { stream: true })
  }
}

async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: Timer | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  const inTime = work.then(
    () => true,
    () => true,
  )
  return Promise.race([inTime, late]).finally(() => clearTimeout(timer))
}

function processTree(pid: number): number[] {
  const found = [pid]
  for (let i = 0; i < found.length; i++) {
    for (const task of listProc(`/proc/${found[i]}/task`))
      found.push(
        ...readProc(`/proc/${found[i]}/task/${task}/children`).trim().split(' ').filter(Boolean).map(Number),
      )
  }
  return found
}

function cpuTicks(pid: number): number {
  const stat = readProc(`/proc/${pid}/stat`)
  // The name of the program, in brackets, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.length > 12 ? Number(fields[11]) + Number(fields[12]) : 0
}

function kilobytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
}

/** A process may end between two looks. */
function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function listProc(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
