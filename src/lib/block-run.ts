/** Blocks next to each other. */
export interface BlockRun {
  /** Of the first block. */
  readonly address: number
  readonly blocks: number
}
