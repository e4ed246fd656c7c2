/**
 * Keys of the file tree: one kind byte, then big-endian numbers, so that keys sort as bytes the way their parts do.
 *
 * | kind | rest | item |
 * |---|---|---|
 * | 1 | directory id (8), name | the entry of a directory; ordered by the bytes of names |
 * | 2 | object id (8), file offset (8) | a record of a file |
 * | 3 | object id (8) | an object: the facts that all records of a file share |
 * | 4 | id of the directory or object (8) | an orphan that the reaper empties |
 * | 5 | directory id (8) | the directory's own item: the place of its entry |
 * | 6 | name | a setting of the volume |
 *
 * The root directory has id `rootDirectoryId`; its own entry is the only one without a name, in directory 0. Names
 * are UTF-8 of 1 to 255 bytes; the file system decides which names a client may give. Names of settings are visible
 * ASCII.
 */
import { assert, unreachable } from '../../lib/assert.ts'
import { encodeUtf8, readU64BigEndian, writeU64BigEndian } from '../../lib/bytes.ts'
import { nameBytesMax } from '../../lib/entry-limits.ts'
import { corrupt, textOf } from '../fields.ts'
import { keyBytesMax } from '../geometry.ts'

export const keyKinds = { entry: 1, record: 2, object: 3, orphan: 4, directory: 5, setting: 6 } as const
export const rootDirectoryId = 1

const entryHeadBytes = 9
const recordKeyBytes = 17
const idKeyBytes = 9
export const settingNameBytesMax = 255
export const settingKeyBytesMax = 1 + settingNameBytesMax
assert(entryHeadBytes + nameBytesMax === keyBytesMax, 'the longest name just fits a key')

export type ItemKey =
  | { readonly kind: 'entry'; readonly directory: number; readonly name: string }
  | { readonly kind: 'record'; readonly object: number; readonly offset: number }
  | { readonly kind: 'object'; readonly object: number }
  | { readonly kind: 'orphan'; readonly orphan: number }
  | { readonly kind: 'directory'; readonly directory: number }
  | { readonly kind: 'setting'; readonly name: string }

interface KeyRange {
  readonly from: Uint8Array
  /** The end is exclusive. */
  readonly end: Uint8Array
}

function numbered(kind: number, bytes: number, id: number): Uint8Array {
  const key = new Uint8Array(bytes)
  key[0] = kind
  writeU64BigEndian(key, 1, id)
  return key
}

export function entryKey(directory: number, name: Uint8Array): Uint8Array {
  assert(name.length <= nameBytesMax, 'a name has at most 255 bytes')
  assert(directory > 0 ? name.length > 0 : name.length === 0, 'only the entry of the root has no name')
  const key = numbered(keyKinds.entry, entryHeadBytes + name.length, directory)
  key.set(name, entryHeadBytes)
  return key
}

/** Makes an entry key from a name that is text. Most names are ASCII, and need no encoder. */
export function entryKeyOf(directory: number, name: string): Uint8Array {
  const key = new Uint8Array(entryHeadBytes + name.length)
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code > 0x7f) return entryKey(directory, encodeUtf8(name))
    key[entryHeadBytes + i] = code
  }
  assert(directory > 0 && name.length > 0 && name.length <= nameBytesMax, 'a name in a directory')
  key[0] = keyKinds.entry
  writeU64BigEndian(key, 1, directory)
  return key
}

/** Key of the entry of the root directory. */
export const rootEntryKey = (): Uint8Array => numbered(keyKinds.entry, entryHeadBytes, 0)

export function recordKey(object: number, offset: number): Uint8Array {
  const key = numbered(keyKinds.record, recordKeyBytes, object)
  writeU64BigEndian(key, 9, offset)
  return key
}

export const objectKey = (object: number): Uint8Array => numbered(keyKinds.object, idKeyBytes, object)
export const orphanKey = (orphan: number): Uint8Array => numbered(keyKinds.orphan, idKeyBytes, orphan)

export const directoryKey = (directory: number): Uint8Array =>
  numbered(keyKinds.directory, idKeyBytes, directory)

export const isSettingName = (name: string): boolean =>
  name.length <= settingNameBytesMax && /^[\x21-\x7e]+$/.test(name)

export function settingKey(name: string): Uint8Array {
  assert(isSettingName(name), 'the name of a setting is 1 to 255 bytes of visible ASCII')
  const key = new Uint8Array(1 + name.length)
  key[0] = keyKinds.setting
  key.set(encodeUtf8(name), 1)
  return key
}

/** Range of every setting whose name begins with `prefix`. */
export function settingRange(prefix: string): KeyRange {
  if (prefix === '') return kindRange('setting')
  const from = settingKey(prefix)
  const end = from.slice()
  // Names are ASCII, so a higher byte than the last one exists.
  end[end.length - 1] = end.at(-1)! + 1
  return { from, end }
}

/** Every entry of a directory. */
export const entryRange = (directory: number): KeyRange => ({
  from: numbered(keyKinds.entry, entryHeadBytes, directory),
  end: numbered(keyKinds.entry, entryHeadBytes, directory + 1),
})

/** Every record of an object. */
export const recordRange = (object: number): KeyRange => ({
  from: recordKey(object, 0),
  end: recordKey(object + 1, 0),
})

/** Every item of one kind. */
export const kindRange = (kind: keyof typeof keyKinds): KeyRange => ({
  from: Uint8Array.of(keyKinds[kind]),
  end: Uint8Array.of(keyKinds[kind] + 1),
})

const kindOfByte: ReadonlyMap<number | undefined, ItemKey['kind']> = new Map(
  Object.entries(keyKinds).map(([kind, byte]) => [byte, kind as ItemKey['kind']]),
)

/** The bytes of an entry's name. */
export const entryNameBytes = (key: Uint8Array): Uint8Array => key.subarray(entryHeadBytes)

/** Throws `corrupt` for a key that no program should have written. */
export function decodeKey(key: Uint8Array): ItemKey {
  const kind = kindOfByte.get(key[0])
  switch (kind) {
    case 'entry': {
      const directory = idOf(key, 'directory', 0)
      const name = textOf(key, entryHeadBytes, key.length - entryHeadBytes)
      const isNamed = key.length > entryHeadBytes
      if (name === null || key.length > keyBytesMax || isNamed !== directory > 0)
        throw corrupt('key', 'name', 'is not a name')
      return { kind, directory, name }
    }
    case 'record': {
      mustHaveLength(key, recordKeyBytes)
      const offset = readU64BigEndian(key, 9)
      if (Number.isNaN(offset)) throw corrupt('key', 'offset', 'is out of range')
      return { kind, object: idOf(key, 'object', 1), offset }
    }
    case 'object':
      mustHaveLength(key, idKeyBytes)
      return { kind, object: idOf(key, 'object', 1) }
    case 'orphan':
      mustHaveLength(key, idKeyBytes)
      return { kind, orphan: idOf(key, 'orphan', 1) }
    case 'directory':
      mustHaveLength(key, idKeyBytes)
      return { kind, directory: idOf(key, 'directory', 1) }
    case 'setting': {
      const name = textOf(key, 1, key.length - 1)
      if (name === null || !isSettingName(name)) throw corrupt('key', 'name', 'is not that of a setting')
      return { kind, name }
    }
    case undefined:
      throw corrupt('key', 'kind', `is ${key[0]}`)
    default:
      // A kind of key that is not decoded above does not compile.
      return unreachable(kind)
  }
}

function mustHaveLength(key: Uint8Array, bytes: number): void {
  if (key.length !== bytes) throw corrupt('key', 'length', `is ${key.length}`)
}

function idOf(key: Uint8Array, field: string, min: number): number {
  const id = key.length < idKeyBytes ? Number.NaN : readU64BigEndian(key, 1)
  if (!(id >= min)) throw corrupt('key', field, 'is out of range')
  return id
}
