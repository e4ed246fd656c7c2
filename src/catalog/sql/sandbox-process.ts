/**
 * One process of a sandbox, and the talk with it over its standard input and output.
 *
 * What the process says is not trusted: a head of another shape, more bytes than asked for, or bytes that nobody asked
 * for give null, as does the end of the process.
 */
import { resolve } from 'node:path'
import { decodeUtf8, encodeUtf8 } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { inTime } from '../../lib/in-time.ts'
import { sandboxArgument } from './sandbox-argument.ts'
import {
  type AnswerHead,
  type Head,
  parseHead,
  type Question,
  type RefusalHead,
  type SandboxSetting,
} from './question.ts'

/** Inside the compiled program every module has the place of the program. */
const script = import.meta.url.includes('/$bunfs/') ? sandboxArgument : `${import.meta.dir}/sandbox-child.ts`

/** The whole environment: nothing of the server's, which may have secrets; `confine.ts` says why these two. */
const sandboxEnvironment = { MIMALLOC_ARENA_RESERVE: '65536KiB', MIMALLOC_PURGE_DELAY: '0' } as const

/** A new process has this time until it is ready. */
const readyMsMax = 10_000
/** Names and types of all columns, and what is around them. */
const headBytesMax = 2 ** 20

/** Around the rows in JSON. */
const bracketBytes = 2

export interface RowsAnswer extends AnswerHead {
  readonly body: Uint8Array
}

/** A write that fails later is a process that has ended, which its output tells. */
function heedless(written: number | Promise<number>): void {
  Promise.resolve(written).catch(() => {})
}

export class SandboxProcess {
  private readonly process: Bun.Subprocess<'pipe', 'pipe', 'ignore'>
  private readonly output: {
    read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  }
  private readonly setting: SandboxSetting
  private held: Uint8Array = new Uint8Array(0)
  /** True when the process takes questions, false when it never will. */
  readonly ready: Promise<boolean>
  /** False where the system does not bound the memory of the process; known when it is ready. */
  isConfined = false

  /** Throws when the system gives no process. */
  constructor(setting: SandboxSetting, clock: Clock) {
    // The process has another working directory.
    this.setting = { ...setting, path: resolve(setting.path) }
    this.process = Bun.spawn({
      cmd: [process.execPath, script],
      cwd: '/',
      env: { ...sandboxEnvironment },
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'ignore',
    })
    this.process.unref()
    this.output = this.process.stdout.getReader()
    this.ready = inTime(clock, this.begin(), readyMsMax).then((isReady) => isReady === true)
  }

  get pid(): number {
    return this.process.pid
  }

  /** Resolves with the signal that has ended the process, or null. */
  async ended(): Promise<string | null> {
    await this.process.exited
    const { signalCode } = this.process
    return signalCode === null ? null : String(signalCode)
  }

  kill(): void {
    this.process.kill('SIGKILL')
  }

  async ask(question: Question): Promise<RowsAnswer | RefusalHead | null> {
    if (!this.say(question)) return null
    const head = await this.head()
    if (head === null || head.kind === 'ready') return null
    if (head.kind !== 'answer') return head
    if (head.bytes > this.setting.bounds.answerBytesMax + bracketBytes) return null
    const body = await this.bytes(head.bytes)
    return body && { ...head, body }
  }

  private async begin(): Promise<boolean> {
    if (!this.say(this.setting)) return false
    const head = await this.head()
    this.isConfined = head?.kind === 'ready' && head.isConfined
    return head?.kind === 'ready'
  }

  private say(value: SandboxSetting | Question): boolean {
    try {
      const { stdin } = this.process
      heedless(stdin.write(encodeUtf8(`${JSON.stringify(value)}\n`)))
      heedless(stdin.flush())
      return true
    } catch {
      // The process has ended.
      return false
    }
  }

  private async head(): Promise<Head | null> {
    for (let from = 0; from <= headBytesMax;) {
      const end = this.held.indexOf(10, from)
      if (end !== -1) return parseHead(decodeUtf8(this.take(end + 1)))
      from = this.held.length
      if (!(await this.more())) return null
    }
    return null
  }

  private async bytes(length: number): Promise<Uint8Array | null> {
    const parts: Uint8Array[] = []
    for (let missing = length; missing > 0;) {
      if (this.held.length === 0 && !(await this.more())) return null
      const part = this.take(Math.min(missing, this.held.length))
      parts.push(part)
      missing -= part.length
    }
    return this.held.length === 0 ? Buffer.concat(parts) : null
  }

  private take(length: number): Uint8Array {
    const taken = this.held.subarray(0, length)
    this.held = this.held.subarray(length)
    return taken
  }

  private async more(): Promise<boolean> {
    const { value } = await this.output.read()
    if (value === undefined) return false
    this.held = this.held.length === 0 ? value : Buffer.concat([this.held, value])
    return true
  }
}
