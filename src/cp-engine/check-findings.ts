/** The closed list of findings of a check, by kind. docs/cli.md explains each kind to people and programs. */
export const findingKinds = {
  'superblock-copy': 'one copy of a superblock slot is unreadable, or older than the other',
  'superblock-slot': 'both copies of a superblock slot cannot be read',
  'going-back': 'a going back was interrupted: an open finishes it',
  root: 'a root node that a slot or a hold names is damaged, or of another volume',
  node: 'an address block is damaged, or not what its parent says',
  record: 'a record does not match its checksum',
  pointer: 'a pointer names blocks that no tree may use, or that something else uses',
  map: 'a map is unusable, or not what the tree reaches',
  padding: 'bytes behind a record or a log group are not zero; nothing has been lost',
  item: 'items of the tree contradict each other',
  'log-torn': 'the last group of the log is not whole: torn, or damaged before it was sealed',
  'log-seal': 'an empty group of the log is damaged; nothing has been lost',
  'log-group': 'a group of the log that was synced is damaged',
  'log-operation': 'an operation of the log contradicts what is before it',
  'log-record': 'a record that the log names is damaged',
  history: 'roots that are each sound do not follow each other',
  'block-count': 'the device has lost its end: a root counts more blocks',
  'newer-format':
    'a structure is sound and of a newer version: nothing is said about what is behind it, or it may only be read here',
  'older-format': 'a structure is sound and of before version 1',
  open: 'an open would be refused, and no other finding says why',
} as const

export type FindingKind = keyof typeof findingKinds

/** A warning means that nothing has been lost: an open mends the damage, or a crash may leave damage of this kind. */
type Severity = 'error' | 'warning'

export interface CheckFinding {
  readonly severity: Severity
  readonly kind: FindingKind
  /** CP of the root that the finding belongs to; null for the superblocks and the log. */
  readonly cp: number | null
  /** Address of the block; null when the finding is not about a single block. */
  readonly address: number | null
  readonly message: string
}

export const hasErrors = (findings: readonly CheckFinding[]): boolean =>
  findings.some(({ severity }) => severity === 'error')
