/** A source and its copy, as the rows of mirroring use them. */
import type { Role } from '../harness/contract.ts'

export const burstBytes = 4096

export interface Change {
  readonly key: number
  readonly offset: number
  readonly bytes: number
  readonly version: number
}

/** A source with its copy. */
export interface Copied {
  readonly name: string
  readonly role: Role
  /** All files, before anything is measured. */
  fill(): Promise<void>
  /** A copy where there was none; gone afterwards. */
  firstCopy(): Promise<{ readonly wire: number; readonly ms: number }>
  /** Parts of files of the fill. */
  change(changes: readonly Change[]): Promise<void>
  /** Whole small files, so many times each. */
  burst(files: number, writes: number): Promise<void>
  /** The copy shows everything; how many bytes that took since the last time. */
  sync(): Promise<{ readonly wire: () => Promise<number> }>
  hash(): Promise<string>
  close(): Promise<void>
}
