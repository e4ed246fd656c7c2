/** Servers inside the test, over real files and a real socket; stopped, and their folders gone, afterwards. */
import { afterEach } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Rate } from '../../src/lib/gates/rate-limit.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { systemRandom } from '../../src/lib/random.ts'
import { readConfiguration } from '../../src/server/configuration/configuration.ts'
import type { Loss } from '../../src/server/losses.ts'
import type { RunningServer } from '../../src/server/running-server.ts'
import { startServer } from '../../src/server/start.ts'

export interface Served {
  folder(): string
  /** A primary, or the mirror of that verb, on the folder. */
  start(data: string, options?: StartedOptions): Promise<RunningServer>
  stop(server: RunningServer): Promise<void>
}

interface StartedOptions {
  readonly verb?: 'serve' | 'mirror'
  readonly clock?: Clock
  readonly wrongCredentials?: Rate
  readonly mirrors?: readonly string[]
  /** Others, or other values. */
  readonly flags?: Readonly<Record<string, string>>
  readonly acceptLoss?: readonly Loss[]
  readonly pair?: boolean
}

/** `after` says when: after each test, or after all of them. */
export function served(after: typeof afterEach = afterEach): Served {
  const folders: string[] = []
  const running = new Set<RunningServer>()
  after(async () => {
    for (const server of running) await server.stop()
    running.clear()
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  })
  return {
    folder() {
      const folder = mkdtempSync(join(tmpdir(), 'stillpoint-server-'))
      folders.push(folder)
      return folder
    },
    async start(data, { verb = 'serve', clock = systemClock, mirrors = [], flags = {}, ...rest } = {}) {
      const configuration = readConfiguration(verb === 'serve' ? 'primary' : 'mirror', {
        flags: {
          data,
          listen: '127.0.0.1:0',
          ...(verb === 'serve' ? { volumeBytesMax: '256MiB', logBytes: '8MiB', mirrors } : {}),
          ...flags,
        },
        environment: {},
        file: undefined,
      })
      const { acceptLoss = [], pair = false, wrongCredentials } = rest
      const options = {
        clock,
        random: systemRandom,
        acceptLoss,
        pair,
        ...(wrongCredentials ? { wrongCredentials } : {}),
      }
      const server = await startServer(verb, configuration, options)
      running.add(server)
      return server
    },
    async stop(server) {
      running.delete(server)
      await server.stop()
    },
  }
}
