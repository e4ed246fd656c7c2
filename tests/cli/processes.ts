/** Servers as processes, on ports of their own, gone after the test. */
import { afterEach } from 'bun:test'
import { join } from 'node:path'
import type { Subprocess } from 'bun'

const main = join(import.meta.dir, '../../src/cli/main.ts')

export interface ServerProcess {
  readonly url: string
  readonly role: string
  readonly cp: number
  readonly process: Subprocess<'ignore', 'pipe', 'pipe'>
  /** Sends the signal and gives what the process left behind. */
  end(signal?: NodeJS.Signals): Promise<{ readonly code: number; readonly out: string; readonly err: string }>
}

export interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A process that is expected to end by itself. */
export async function runProcess(...inputs: string[]): Promise<Ended> {
  const child = Bun.spawn([process.execPath, main, ...inputs], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { code: await child.exited, out, err }
}

export interface StartServer {
  (...inputs: string[]): Promise<ServerProcess>
  /** With a signal that the process does not hear. */
  ignoring(signal: string, ...inputs: string[]): Promise<ServerProcess>
}

export function serverProcesses(): StartServer {
  const running = new Set<Subprocess>()
  afterEach(async () => {
    for (const child of running) child.kill('SIGKILL')
    await Promise.all([...running].map((child) => child.exited))
    running.clear()
  })
  const start = async (command: readonly string[]): Promise<ServerProcess> => {
    const child = Bun.spawn([...command], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
    running.add(child)
    const err = child.stderr.text()
    const reader = child.stdout.getReader()
    let out = ''
    while (!out.includes('\n')) {
      const { value, done } = await reader.read()
      if (done) break
      out += Buffer.from(value).toString()
    }
    const ready = /^ready (\S+) role=(\S+) cp=(\d+)\n/.exec(out)
    if (ready === null) throw new Error(`no ready line: ${out}${await err}`)
    return {
      url: ready[1]!,
      role: ready[2]!,
      cp: Number(ready[3]),
      process: child,
      async end(signal = 'SIGTERM') {
        child.kill(signal)
        for (;;) {
          const { value, done } = await reader.read()
          if (done) break
          out += Buffer.from(value).toString()
        }
        const code = await child.exited
        running.delete(child)
        return { code, out, err: await err }
      },
    }
  }
  const plain = (...inputs: string[]) => start([process.execPath, main, ...inputs])
  const ignoring = (signal: string, ...inputs: string[]) =>
    start(['sh', '-c', `trap '' ${signal}; exec "$@"`, 'sh', process.execPath, main, ...inputs])
  return Object.assign(plain, { ignoring })
}
