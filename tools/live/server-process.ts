/**
 * A server as a process of its own, and everything a test may do to it.
 *
 * - It is killed by its own pid only, and it never outlives this process.
 * - Its log goes to a file beside its volume, so that a failure can be explained after its end.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const project = join(import.meta.dir, '../..')
const program = join(project, 'src/cli/main.ts')
const readyMsMax = 30_000
const stopMsMax = 30_000
const logShown = 6000

export interface ServerOptions {
  readonly verb: 'serve' | 'mirror'
  /** Folder of the volume. */
  readonly data: string
  /** Where stderr goes; beside the folder otherwise. */
  readonly logPath?: string
  /** 0: any that is free; it is kept from then on. */
  readonly port?: number
  readonly mirrors?: readonly string[]
  readonly flags?: readonly string[]
  /** Put before the program: a wrapper that limits it. */
  readonly wrapper?: readonly string[]
}

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
}

/** `bun main.ts …` with nothing of this process's configuration. */
export function commandLine(args: readonly string[]): string[] {
  return [process.execPath, '--no-orphans', program, ...args]
}

export function cleanEnvironment(): Record<string, string | undefined> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('STILLPOINT_'))
  return { ...Object.fromEntries(entries), NO_COLOR: '1' }
}

export class ServerProcess {
  url = ''
  port: number
  /** Of the ready line. */
  cp = 0
  readonly data: string
  readonly logPath: string
  private process: Bun.Subprocess<'ignore', 'pipe', number> | null = null
  private mostRss = 0

  constructor(private readonly options: ServerOptions) {
    this.data = options.data
    this.port = options.port ?? 0
    this.logPath = options.logPath ?? `${options.data}.log`
  }

  get pid(): number {
    return this.process?.pid ?? 0
  }

  get isRunning(): boolean {
    return this.process !== null && this.process.exitCode === null && this.process.signalCode === null
  }

  get log(): string {
    return existsSync(this.logPath) ? readFileSync(this.logPath, 'utf8').slice(-logShown) : ''
  }

  /** Resolves when it serves. */
  async start(): Promise<this> {
    const line = await this.readyLine(this.spawn())
    const match = /^ready (https?:\S+:(\d+)) role=\w+ cp=(\d+)$/.exec(line)
    if (!match) throw new Error(`not a ready line: ${line}`)
    this.url = match[1]!
    this.port = Number(match[2])
    this.cp = Number(match[3])
    return this
  }

  /** Starts, and after so long `end` ends it, whatever it has done by then. */
  async startAndDie(ms: number, end: () => Promise<void>): Promise<void> {
    const process = this.spawn()
    await Promise.race([Bun.sleep(ms), process.exited])
    await end()
  }

  /** How it ended by itself, or null when it has not in time. */
  async ended(msMax = stopMsMax): Promise<Ended | null> {
    const { process } = this
    if (!process) return { code: 0, signal: null }
    const timer = Promise.withResolvers<null>()
    const late = setTimeout(() => timer.resolve(null), msMax)
    const ended = await Promise.race([process.exited, timer.promise])
    clearTimeout(late)
    return ended === null
      ? null
      : { code: process.exitCode, signal: process.signalCode === null ? null : String(process.signalCode) }
  }

  signal(name: NodeJS.Signals): void {
    if (this.isRunning) this.process?.kill(name)
  }

  /** SIGKILL, and gone when resolved. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.process?.exited
  }

  /** SIGTERM; its exit code. */
  async stop(): Promise<number | null> {
    this.signal('SIGTERM')
    const ended = await this.ended()
    if (ended) return ended.code
    await this.kill()
    throw new Error(`did not stop within ${stopMsMax} ms\n${this.log}`)
  }

  /** Resident bytes now; of the most that was ever resident see `peakBytes`. */
  rssBytes(): number {
    const rss = statusBytes(this.pid, 'VmRSS')
    this.mostRss = Math.max(this.mostRss, rss)
    return rss
  }

  /** The kernel counts it, so nothing between two looks is missed. */
  peakBytes(): number {
    return Math.max(this.mostRss, statusBytes(this.pid, 'VmHWM'))
  }

  private spawn(): Bun.Subprocess<'ignore', 'pipe', number> {
    const { verb, data, mirrors = [], flags = [], wrapper = [] } = this.options
    mkdirSync(dirname(data), { recursive: true })
    const args = [verb, '--data', data, '--listen', `127.0.0.1:${this.port}`, ...flags]
    for (const url of mirrors) args.push('--mirror', url)
    const log = openSync(this.logPath, 'a')
    const process = Bun.spawn([...wrapper, ...commandLine(args)], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: log,
      cwd: project,
      env: cleanEnvironment(),
    })
    closeSync(log)
    this.process = process
    return process
  }

  private async readyLine(process: Bun.Subprocess<'ignore', 'pipe', number>): Promise<string> {
    const reader = process.stdout.getReader()
    const late = setTimeout(() => process.kill('SIGKILL'), readyMsMax)
    const decoder = new TextDecoder()
    let text = ''
    try {
      while (!text.includes('\n')) {
        const { done, value } = await reader.read()
        if (done) break
        text += decoder.decode(value, { stream: true })
      }
    } finally {
      clearTimeout(late)
      reader.releaseLock()
    }
    const end = text.indexOf('\n')
    if (end >= 0) return text.slice(0, end)
    await process.exited
    const how = process.exitCode ?? process.signalCode
    throw new Error(`${this.options.verb} ended with ${how} before it served\n${this.log}`)
  }
}

function statusBytes(pid: number, name: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
