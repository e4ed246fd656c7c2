/**
 * Bounds how many are inside at once, in all and of each client.
 *
 * As long as fewer are inside than one client may have, nobody asks who the clients are: a pot that is nearly empty
 * costs an entry in a set.
 */
import { assert } from '../assert.ts'

export interface PotLimits {
  readonly most: number
  readonly mostOfClient: number
}

export class Pot<T extends object> {
  /** Entries whose clients nobody has asked for. */
  private readonly unknown = new Set<T>()
  private readonly clients = new Map<T, string>()
  private readonly counts = new Map<string, number>()

  constructor(
    private readonly limits: PotLimits,
    private readonly clientOf: (entry: T) => string,
  ) {}

  get size(): number {
    return this.unknown.size + this.clients.size
  }

  /** Says why this one may not enter; null when there is room. */
  refusal(entry: T): 'full' | 'share' | null {
    const { most, mostOfClient } = this.limits
    if (this.size >= most) return 'full'
    if (this.size < mostOfClient) return null
    for (const other of this.unknown) this.name(other)
    this.unknown.clear()
    return (this.counts.get(this.clientOf(entry)) ?? 0) < mostOfClient ? null : 'share'
  }

  /** The entry stays inside until it leaves, exactly once. */
  enter(entry: T): void {
    if (this.clients.size === 0) this.unknown.add(entry)
    else this.name(entry)
  }

  leave(entry: T): void {
    if (this.unknown.delete(entry)) return
    const client = this.clients.get(entry)
    assert(client !== undefined, 'only an entry that is inside leaves')
    this.clients.delete(entry)
    const left = this.counts.get(client)! - 1
    if (left > 0) this.counts.set(client, left)
    else this.counts.delete(client)
  }

  private name(entry: T): void {
    const client = this.clientOf(entry)
    this.clients.set(entry, client)
    this.counts.set(client, (this.counts.get(client) ?? 0) + 1)
  }
}
