/**
 * A machine for the commands of documents, as they stand: the ports of the documents are free on its loopback, `/srv` is
 * empty and its own, and nothing of the host's network is seen. The rest is the host's.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cleanEnvironment } from '../../tools/live/server-process.ts'

/** `/srv` is covered by memory, so nothing of it is ever on the disk. */
const ready = 'ip link set lo up && mount -t tmpfs tmpfs /srv && echo ready && exec sleep 600'
const needed = ['unshare', 'nsenter', 'ip', 'curl', 'bash']

/** Why there is none here, in words; null when there is one. */
export function ownMachineProblem(): string | null {
  const missing = needed.filter((name) => Bun.which(name) === null)
  if (missing.length > 0) return `${missing.join(', ')} not installed`
  const probe = ready.replace(' && exec sleep 600', '')
  const tried = Bun.spawnSync([...unshare(), 'bash', '-c', probe], { stdout: 'ignore', stderr: 'pipe' })
  return tried.exitCode === 0 ? null : `no namespaces here: ${tried.stderr.toString().trim()}`
}

const isRoot = (): boolean => process.getuid?.() === 0
const unshare = (): string[] => [
  'unshare',
  ...(isRoot() ? [] : ['--map-root-user']),
  '--net',
  '--mount',
  '--kill-child',
  '--fork',
]

export interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

export class OwnMachine {
  private readonly running: Bun.Subprocess[] = []

  private constructor(
    private readonly holder: Bun.Subprocess,
    private readonly pid: number,
    /** Where commands begin. */
    private readonly folder: string,
    private readonly home: string,
  ) {}

  /** `programs` go before those of the host. */
  static async start(folder: string, home: string): Promise<OwnMachine> {
    mkdirSync(home, { recursive: true })
    // A refusal ends the block, as a person would end there.
    writeFileSync(join(home, '.curlrc'), 'fail-with-body\nsilent\nshow-error\n')
    const holder = Bun.spawn([...unshare(), 'bash', '-c', ready], { stdout: 'pipe', stderr: 'inherit' })
    const { value } = await holder.stdout.getReader().read()
    if (value === undefined) throw new Error('there is no machine')
    const [child] = (await Bun.file(`/proc/${holder.pid}/task/${holder.pid}/children`).text()).split(' ')
    return new OwnMachine(holder, Number(child), folder, home)
  }

  /** One shell after the other, each with the variables of the one before; the first line that fails ends it. */
  async run(script: string, msMax: number): Promise<Ended> {
    const state = join(this.home, 'variables')
    const before = `set -euo pipefail; [ ! -e ${state} ] || source ${state}; trap 'export -p >${state}' EXIT`
    const child = this.spawn(`${before}\nset -a\n${script}\n`)
    const late = setTimeout(() => signal(child, 'SIGKILL'), msMax)
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
    clearTimeout(late)
    return { code: (await child.exited) ?? -1, out, err }
  }

  /** A terminal whose command goes on; resolves with what it has said when the form is there. */
  async open(command: string, form: RegExp): Promise<string> {
    const child = this.spawn(`exec ${command}`)
    this.running.push(child)
    const decoder = new TextDecoder()
    let text = ''
    const reader = child.stdout.getReader()
    while (!form.test(text)) {
      const { value, done } = await reader.read()
      if (done) throw new Error(`${command} ended: ${text}${await child.stderr.text()}`)
      text += decoder.decode(value, { stream: true })
    }
    reader.releaseLock()
    return text
  }

  /** Ctrl-C in every terminal, the newest first, each to its end; gives the exit codes. */
  async stopAll(): Promise<number[]> {
    const codes: number[] = []
    for (const child of this.running.splice(0).toReversed()) {
      signal(child, 'SIGINT')
      codes.push(await child.exited)
      // npm does not always wait for what it has started.
      while (signal(child, 0)) await Bun.sleep(20)
    }
    return codes
  }

  async end(): Promise<void> {
    for (const child of this.running) signal(child, 'SIGKILL')
    this.holder.kill('SIGKILL')
    await this.holder.exited
  }

  private spawn(script: string) {
    const into = [
      'nsenter',
      '--target',
      String(this.pid),
      ...(isRoot() ? [] : ['--user', '--preserve-credentials']),
    ]
    return Bun.spawn([...into, '--net', '--mount', `--wd=${this.folder}`, 'bash', '-c', script], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      // A group of its own: a terminal sends its Ctrl-C to all of them.
      detached: true,
      env: {
        ...cleanEnvironment(),
        HOME: this.home,
        PATH: `${join(this.home, 'bin')}:${process.env['PATH']}`,
      },
    })
  }
}

/** To a whole group; false when none of it is left. */
function signal({ pid }: Bun.Subprocess, name: 'SIGINT' | 'SIGKILL' | 0): boolean {
  try {
    return process.kill(-pid, name)
  } catch {
    return false
  }
}
