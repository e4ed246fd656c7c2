/** Commands run inside the test, against the real door over the fake file system, over a real socket. */
import { afterEach } from 'bun:test'
import { runCli } from '../../src/cli/application.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { startHttpServer } from '../../src/routes/http/server.ts'
import { Harness } from '../routes/harness.ts'
import { hurried } from './hurried-clock.ts'

export interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** A terminal is behind stdout. */
  readonly showsOutput?: boolean
  readonly input?: string
  readonly clock?: Clock
  /** Signals to the process (default: one to a server, which ends at once, and none to another command). */
  readonly signal?: () => Promise<string>
  /** Hears of an end at once, before the command goes on: a process would not. */
  readonly onExit?: (code: number) => void
}

const isServer = (verb: string | undefined): boolean => verb === 'serve' || verb === 'mirror'

export async function runCommand(inputs: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const out: Uint8Array[] = []
  let err = ''
  let exited: number | null = null
  const code = await runCli(inputs, {
    process: {
      stdout: {
        write(text, done) {
          out.push(typeof text === 'string' ? Buffer.from(text) : text.slice())
          done?.()
        },
      },
      stderr: {
        write: (text) => void (err += typeof text === 'string' ? text : Buffer.from(text).toString()),
      },
      env: options.env ?? {},
    },
    clock: options.clock ?? hurried(systemClock),
    random: systemRandom,
    fetch,
    stdin: () => new Blob([options.input ?? '']).stream(),
    signal:
      options.signal ?? (() => (isServer(inputs[0]) ? Promise.resolve('SIGTERM') : new Promise(() => {}))),
    exit: (given) => {
      exited = given
      options.onExit?.(given)
    },
    showsProgress: false,
    showsOutput: options.showsOutput ?? false,
  })
  return { code: exited ?? code, out: Buffer.concat(out).toString(), err }
}

export interface Served {
  readonly harness: Harness
  readonly url: string
  readonly mirrorUrl: string
  /** Every request so far, as `METHOD /path?query`. */
  readonly requests: string[]
  /** Runs a command with `--url` of the primary. */
  run(...inputs: string[]): Promise<Ended>
}

/** `break` sees every request of the primary first; what it answers is what the client gets. */
export function servers(): (intercept?: (request: Request) => Response | null) => Served {
  const running: { stop(graceMs?: number): Promise<void> }[] = []
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop(100)
  })
  return (intercept = () => null) => {
    const harness = new Harness()
    const requests: string[] = []
    const serve = (fetch: (request: Request) => Response | Promise<Response>) => {
      const server = startHttpServer({
        hostname: '127.0.0.1',
        port: 0,
        clock: systemClock,
        mounts: [{ prefix: '/', fetch }],
      })
      running.push(server)
      return server.url
    }
    const url = serve((request) => {
      const { pathname, search } = new URL(request.url)
      requests.push(`${request.method} ${pathname}${search}`)
      return intercept(request) ?? harness.primary.fetch(request)
    })
    const mirrorUrl = serve((request) => harness.mirror.fetch(request))
    return {
      harness,
      url,
      mirrorUrl,
      requests,
      run: (...inputs) => runCommand([...inputs, '--url', url]),
    }
  }
}

/** One line, and it ends: what a person sees when something is wrong. */
export const oneLine = /^stillpoint: [^\n]+\n$/
/** The same with `--json`. */
export const oneJsonLine = /^\{"error":\{"code":"[a-z-]+","message":"[^\n]+"\}\}\n$/
