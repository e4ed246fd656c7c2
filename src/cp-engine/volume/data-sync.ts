/**
 * Shared syncs of the block file. A sync covers only writes that had resolved when the sync was called, so callers
 * that come while one sync runs share the next sync. A failed sync is never retried; the failure poisons the engine
 * of every caller.
 */
import type { BlockDevice } from '../../blockdev/block-device.ts'

export class DataSync {
  private running: Promise<void> | null = null
  private next: Promise<void> | null = null

  constructor(private readonly device: BlockDevice) {}

  /** Resolves when a sync that started after this call has ended. */
  sync(): Promise<void> {
    if (!this.running) return this.start()
    this.next ??= this.running.then(() => {
      this.next = null
      return this.start()
    })
    return this.next
  }

  private start(): Promise<void> {
    const running = this.device.sync().finally(() => {
      if (this.running === running) this.running = null
    })
    this.running = running
    return running
  }
}
