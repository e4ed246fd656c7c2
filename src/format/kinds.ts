/**
 * The first two bytes of every structure: its kind, and the version of its layout. Kind 0 is invalid, so a zeroed
 * block is never valid. A kind is never used again for another structure; a changed layout takes the next version.
 */
export interface StructureHead {
  readonly kind: number
  readonly version: number
}

export const structures = {
  superblock: { kind: 1, version: 1 },
  root: { kind: 2, version: 1 },
  treeNode: { kind: 3, version: 1 },
  mapPage: { kind: 4, version: 1 },
  mapIndex: { kind: 5, version: 1 },
  logGroup: { kind: 6, version: 1 },
  logRecord: { kind: 7, version: 1 },
  /** Kinds from 16 on are the bodies of values in trees. */
  entryItem: { kind: 16, version: 1 },
  recordItem: { kind: 17, version: 1 },
  objectItem: { kind: 18, version: 1 },
  orphanItem: { kind: 19, version: 1 },
  entryExtra: { kind: 20, version: 1 },
  snapshotItem: { kind: 21, version: 1 },
  directoryItem: { kind: 22, version: 1 },
  settingItem: { kind: 23, version: 1 },
  /** Values of settings. */
  tokenSetting: { kind: 24, version: 1 },
  accessMark: { kind: 25, version: 1 },
} as const satisfies Record<string, StructureHead>

/** Kinds from here on belong to the frames on the wire; `frames.ts` defines them. */
export const wireKindMin = 64
