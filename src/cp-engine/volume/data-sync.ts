/**
 * Syncs of the block file, shared: whoever asks while one runs shares the next one, because a sync covers only writes
 * that had resolved when it was called. A failed sync is never retried; it poisons whoever asked.
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
