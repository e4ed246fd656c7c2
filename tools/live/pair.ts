/** A primary and its mirror as processes, in a folder of their own that goes away with them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ServerOptions, ServerProcess } from './server-process.ts'

export interface PairOptions {
  readonly flags?: readonly string[]
  readonly primary?: Partial<ServerOptions>
  readonly mirror?: Partial<ServerOptions>
  /** Where the folder is made. */
  readonly parent?: string
}

export class Pair {
  private constructor(
    readonly folder: string,
    readonly primary: ServerProcess,
    readonly mirror: ServerProcess,
  ) {}

  static async start(options: PairOptions = {}): Promise<Pair> {
    const folder = mkdtempSync(join(options.parent ?? tmpdir(), 'stillpoint-live-'))
    const flags = options.flags ?? []
    const mirror = new ServerProcess({
      verb: 'mirror',
      data: join(folder, 'mirror'),
      flags,
      ...options.mirror,
    })
    try {
      await mirror.start()
      const primary = new ServerProcess({
        verb: 'serve',
        data: join(folder, 'primary'),
        mirrors: [mirror.url],
        flags,
        ...options.primary,
      })
      await primary.start()
      return new Pair(folder, primary, mirror)
    } catch (error) {
      await mirror.kill()
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Ends both, whatever they are doing, and removes the folder. */
  async remove(): Promise<void> {
    await Promise.all([this.primary.kill(), this.mirror.kill()])
    rmSync(this.folder, { recursive: true, force: true })
  }
}
