/**
 * Entries that have left their place, until the same entries arrive at another one. What finds no room is not
 * remembered: it is told as deleted, and as created where it arrives.
 */
import type { EntryKind } from '../../format/items/items.ts'
import type { EntryPlace } from './rows.ts'

const entriesMaxDefault = 100_000

export interface LeavingEntry extends EntryPlace {
  readonly path: string
  readonly kind: EntryKind
  readonly size: number
  readonly cp: number | null
  /** The change that told the entry as changed, because another content has taken its place. */
  told: number | null
}

export class LeavingEntries {
  private readonly entries = new Map<string, LeavingEntry>()

  constructor(private readonly entriesMax = entriesMaxDefault) {}

  /** False when there is no room. */
  add(identity: string, entry: LeavingEntry): boolean {
    if (this.entries.size >= this.entriesMax) return false
    this.entries.set(identity, entry)
    return true
  }

  find(identity: string): LeavingEntry | null {
    return this.entries.get(identity) ?? null
  }

  arrived(identity: string): void {
    this.entries.delete(identity)
  }

  rest(): Iterable<LeavingEntry> {
    return this.entries.values()
  }
}
