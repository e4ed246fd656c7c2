/**
 * A directory's own item says where the entry of the directory is. So the path of a directory is found from its id,
 * with one look per level. The item exists exactly as long as the entry: below an unlinked directory, that is until
 * the reaper has taken the entry. The root has no such item, because the root has no name.
 */
import { assert } from '../../lib/assert.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { Reader, layout, textOf } from '../fields.ts'
import { structures } from '../kinds.ts'
import { bareReader, bareWriter } from '../value-codec.ts'
import { nameBytesMax } from '../../lib/entry-limits.ts'

interface DirectoryItem {
  /** Id of the directory that holds the entry. */
  readonly parent: number
  readonly name: string
}

export const directoryItemLayout = layout(
  'directory item',
  10,
  [
    ['kind', 0, 1, 'directory item'],
    ['version', 1, 1, 'of this layout'],
    ['parent', 2, 8, 'id of the directory that its entry is in'],
  ],
  [['name', 'of its entry: UTF-8, 1 to 255 bytes']],
)

export function encodeDirectoryItem({ parent, name }: DirectoryItem): Uint8Array {
  const nameBytes = encodeUtf8(name)
  assert(parent > 0 && nameBytes.length > 0 && nameBytes.length <= nameBytesMax, 'a name in a directory')
  const { bytes, w } = bareWriter(directoryItemLayout, nameBytes.length)
  w.head(structures.directoryItem)
  w.number('parent', parent)
  bytes.set(nameBytes, w.base + directoryItemLayout.bytes)
  return bytes
}

/** Throws `corrupt`. */
export function decodeDirectoryItem(value: Uint8Array): DirectoryItem {
  const r = bareReader(directoryItemLayout, value)
  r.head(structures.directoryItem)
  return { parent: r.number('parent', Number.MAX_SAFE_INTEGER, 1), name: nameOf(r, value) }
}

function nameOf(r: Reader<keyof typeof directoryItemLayout.at>, value: Uint8Array): string {
  const from = r.base + directoryItemLayout.bytes
  const length = value.length - from
  const name = length > 0 && length <= nameBytesMax ? textOf(value, from, length) : null
  if (name === null) throw r.problem('parent', 'is not followed by a name')
  return name
}
