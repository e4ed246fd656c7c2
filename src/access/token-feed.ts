/**
 * Keeps the known tokens as new as the newest image of a side that only receives images.
 *
 * - From the moment an image is published until its tokens are read, whoever asks who somebody is waits for them: so a
 *   token that the image revokes opens nothing any more once the mirror says that the image is published.
 * - Tokens that cannot be read open nothing: then the administrator's file is the only key, until another image comes.
 */
import type { ReadView } from '../fs/contract.ts'
import { logger } from '../lib/log.ts'
import type { Who } from './decide.ts'
import type { KnownTokens } from './known-tokens.ts'
import { readTokens } from './token-settings.ts'

const log = logger('access')

export class TokenFeed {
  private mark: string | null | undefined = undefined
  private images = 0
  private isStale = false
  private isClosed = false
  private reading: Promise<void> | null = null

  constructor(
    private readonly known: KnownTokens,
    /** Opens the newest image; null when there is none yet. */
    private readonly openNewest: () => ReadView | null,
  ) {}

  /** Counts the images: a request that has waited for one is decided by the tokens of that one. */
  get generation(): number {
    return this.images
  }

  get nowMs(): number {
    return this.known.nowMs
  }

  tokens() {
    return this.known.tokens()
  }

  who(headers: Headers): Who | Promise<Who> {
    return this.reading ? this.reading.then(() => this.who(headers)) : this.known.who(headers)
  }

  /** To be called when a newer image is published, in the same turn. Resolves when its tokens are known. */
  newer(): Promise<void> {
    this.isStale = true
    this.images++
    return (this.reading ??= this.read())
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.reading
  }

  private async read(): Promise<void> {
    // The caller has the promise before the first look at the image.
    await Promise.resolve()
    while (this.isStale && !this.isClosed) {
      this.isStale = false
      try {
        await this.readNewest()
      } catch (error) {
        this.mark = undefined
        this.known.replace([], true)
        log.error('the tokens cannot be read: no token of this volume opens anything', {
          reason: error instanceof Error ? error.message : String(error),
        })
      }
    }
    this.reading = null
  }

  private async readNewest(): Promise<void> {
    const view = this.openNewest()
    if (!view) return
    try {
      const { mark, tokens } = await readTokens(view, this.mark)
      this.mark = mark
      if (tokens) this.known.replace(tokens, mark !== null)
    } finally {
      view.release()
    }
  }
}
