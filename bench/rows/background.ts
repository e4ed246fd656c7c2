/** Writes to a primary for as long as something else is measured. */
import type { Bench } from '../harness/contract.ts'
import type { Generator } from '../harness/generator.ts'
import type { StillpointServer } from '../servers/stillpoint.ts'

const connections = 16
const bytes = 4096
/** Of one job of the writer; the next one follows while it is wanted. */
const stepSeconds = 0.5

export class Background {
  private readonly prefix: string

  constructor(
    private readonly bench: Bench,
    private readonly writer: Generator,
    primary: StillpointServer,
  ) {
    this.prefix = `${primary.prefix}background/`
    this.port = primary.port
  }

  private readonly port: number

  async during<T>(work: () => Promise<T>): Promise<T> {
    const state = { isWanted: true }
    const { keys, seconds } = this.bench.scale
    const writing = (async () => {
      while (state.isWanted) {
        await this.writer.run({
          kind: 'requests',
          method: 'PUT',
          port: this.port,
          connections,
          prefix: this.prefix,
          query: '?durability=buffered',
          keys,
          bytes,
          seconds: Math.min(stepSeconds, seconds),
          warmupSeconds: 0,
          requestsMax: 10_000_000,
        })
      }
    })()
    // An error of the writer is the measurement's: it says nothing then.
    const failed = writing.then(() => new Promise<never>(() => undefined))
    try {
      return await Promise.race([work(), failed])
    } finally {
      state.isWanted = false
      await writing
    }
  }
}
