/** What a command may use of the world: handed in, so that tests have another one. */
import type { CommandContext } from '@stricli/core'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { Fetch } from '../../client/client.ts'

export interface CliContext extends CommandContext {
  readonly process: {
    readonly stdout: { write(text: string | Uint8Array, done?: (error?: Error | null) => void): unknown }
    readonly stderr: { write(text: string): unknown }
    readonly env: Readonly<Record<string, string | undefined>>
    exitCode?: number | string | null | undefined
  }
  readonly clock: Clock
  readonly random: Random
  readonly fetch: Fetch
  readonly stdin: () => ReadableStream<Uint8Array>
  /** The next request to end, by name. Until it is called the system ends the process. */
  readonly signal: () => Promise<string>
  /** At once: nothing after it runs. */
  readonly exit: (code: number) => void
  /** Progress is only for somebody who looks at it. */
  readonly showsProgress: boolean
}
