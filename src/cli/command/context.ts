/** Parts of the world that a command may use. The caller of a command hands them in, so tests can hand in others. */
import type { CommandContext } from '@stricli/core'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'

/** `fetch` of Bun, which takes certificates. */
export type CliFetch = (url: string, init: BunFetchRequestInit) => Promise<Response>

export interface CliContext extends CommandContext {
  readonly process: {
    readonly stdout: { write(text: string | Uint8Array, done?: (error?: Error | null) => void): unknown }
    readonly stderr: { write(text: string | Uint8Array): unknown }
    readonly env: Readonly<Record<string, string | undefined>>
    exitCode?: number | string | null | undefined
  }
  readonly clock: Clock
  readonly random: Random
  readonly fetch: CliFetch
  readonly stdin: () => ReadableStream<Uint8Array>
  /**
   * Resolves with the name of the next signal that asks the process to end. Until a command calls this function, such
   * a signal ends the process at once.
   */
  readonly signal: () => Promise<string>
  /** Ends the process at once: no code after the call runs. */
  readonly exit: (code: number) => void
  /** True when a person looks at stderr: progress is only for people. */
  readonly showsProgress: boolean
  /** True when a person looks at stdout: what is for programs goes out as it is otherwise. */
  readonly showsOutput: boolean
}
