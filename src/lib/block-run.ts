/** A run of adjacent blocks. */
export interface BlockRun {
  /** Number of the first block. */
  readonly address: number
  readonly blocks: number
}
