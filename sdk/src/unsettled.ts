/**
 * Writes that were answered `buffered`: the server has them in memory only, until a consistency point has them.
 *
 * A server that ends before that point loses them, and its next run knows nothing about them: it takes a consistency
 * point without complaint. So each write is noted with the run that has answered it, and `settle` says which writes have
 * to be sent again. `T` names a write for the caller.
 */
import { isClientError } from './client-error.ts'
import type { Client } from './client.ts'
import type { ConsistencyPoint } from './contract.ts'
import type { Abortable } from './wishes.ts'

export class Unsettled<T> {
  private writes: { readonly opening: string | null; readonly write: T }[] = []

  constructor(private readonly client: Pick<Client, 'administration'>) {}

  /** Writes that no consistency point is known to have. */
  get size(): number {
    return this.writes.length
  }

  /** `opening` is that of the answer to the write. */
  note(opening: string | null, write: T): void {
    this.writes.push({ opening, write })
  }

  /**
   * Takes a consistency point for all that was noted. `lost` are the writes that the consistency point may lack: send
   * and note them again. Null is the consistency point when the newest run is not the one that answered last.
   */
  async settle(
    options: Abortable = {},
  ): Promise<{ readonly cp: ConsistencyPoint | null; readonly lost: T[] }> {
    const writes = this.writes
    this.writes = []
    const opening = writes.at(-1)?.opening ?? undefined
    try {
      const cp = await this.client.administration.takeCp({ ...options, opening })
      const lost = writes.filter((noted) => noted.opening !== (opening ?? null)).map(({ write }) => write)
      return { cp, lost }
    } catch (error) {
      if (isClientError(error, 'opening-changed')) return { cp: null, lost: writes.map(({ write }) => write) }
      this.writes = [...writes, ...this.writes]
      throw error
    }
  }
}
