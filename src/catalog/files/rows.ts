/** Rows of entries, as they follow from the items of an image. */
import { decodeKey, entryRange, kindRange, rootDirectoryId } from '../../format/items/item-keys.ts'
import type { EntryItem } from '../../format/items/items.ts'
import type { WalkedRange } from '../../cp-engine/tree/tree-difference.ts'
import { etagOf } from '../../fs/tree/attributes.ts'
import { assert } from '../../lib/assert.ts'
import type { FileRow } from './file-tables.ts'
import type { ImageReader, ImageRoot, Moment } from './image.ts'

/** Every entry but that of the root, which has no name. */
export const namedEntries: WalkedRange = {
  from: entryRange(rootDirectoryId).from,
  end: kindRange('entry').end,
}

export interface EntryPlace {
  readonly directory: number
  readonly name: string
}

export function placeOf(key: Uint8Array): EntryPlace {
  const decoded = decodeKey(key)
  assert(decoded.kind === 'entry', 'the range has entries alone')
  return decoded
}

export function rowOf(
  { directory, name }: EntryPlace,
  item: EntryItem,
  reader: ImageReader,
  cp: number | null,
): FileRow {
  const { contentType, meta, target } = reader.extraOf(item)
  const { kind, size, mode, createdMs, createdNanos, modifiedMs, modifiedNanos } = item
  return {
    directory,
    name,
    kind,
    size,
    mode,
    createdMs,
    createdNanos,
    modifiedMs,
    modifiedNanos,
    type: contentType,
    meta: meta.length === 0 ? null : JSON.stringify(Object.fromEntries(meta)),
    target,
    etag: etagOf(item.version),
    cp,
  }
}

/**
 * Tells which CP brought a version: the first of the known CPs that has the version. Null for a version that the
 * oldest known CP has already: an earlier CP may have brought it.
 */
export class KnownCps {
  /** Ascending. */
  constructor(private readonly cps: readonly { readonly cp: number; readonly moment: Moment }[]) {}

  static of({ cp, moment }: ImageRoot): { readonly cp: number; readonly moment: Moment } {
    return { cp, moment }
  }

  cpOf({ version: { epoch, opening, sequence } }: EntryItem): number | null {
    const moment: Moment = [epoch, opening, sequence]
    let low = 0
    let high = this.cps.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (isAtOrBefore(moment, this.cps[middle]!.moment)) high = middle
      else low = middle + 1
    }
    const first = low === 0 && this.cps[0]?.cp !== firstCp
    return first ? null : (this.cps[low]?.cp ?? null)
  }
}

/** The CP that makes a volume: nothing is older. */
const firstCp = 1

const isAtOrBefore = (a: Moment, b: Moment): boolean => {
  for (const [i, part] of a.entries()) if (part !== b[i]) return part < b[i]!
  return true
}
