/**
 * The fence decides whether a primary may change anything. A fenced primary makes no change and gives no
 * acknowledgement any more, because another primary has taken over, or because this volume is an older copy. Reads go
 * on, and every later open finds the fence.
 */
import { StillpointError } from '../../lib/errors.ts'
import { type FenceReason, fences } from '../contract.ts'
import type { Superblock } from '../../format/disk/superblock.ts'
import type { SuperblockChange } from './superblock-store.ts'

export class Fence {
  private reason: FenceReason | null
  /** Resolves when the superblock says the reason. */
  private written: Promise<void> = Promise.resolve()

  constructor(
    { fenced, outdated }: Superblock,
    private readonly write: (change: SuperblockChange) => Promise<void>,
  ) {
    this.reason = fenced ? 'another primary' : outdated ? 'an older copy' : null
  }

  get isUp(): boolean {
    return this.reason !== null
  }

  /** Reason for people, with advice; null when the fence is not up. */
  get why(): string | null {
    return this.reason && fences[this.reason]
  }

  assertDown(): void {
    if (this.reason) throw new StillpointError('fenced', fences[this.reason])
  }

  /**
   * Raises the fence at once. Resolves when every later open will find the fence; a second caller waits for the write of
   * the first.
   */
  raise(reason: FenceReason): Promise<void> {
    if (this.reason === reason || this.reason === 'another primary') return this.written
    this.reason = reason
    this.written = this.write(reason === 'an older copy' ? { outdated: true } : { fenced: true })
    return this.written
  }
}
