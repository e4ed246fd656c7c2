import { Bytes, fromBinary } from './bytes.ts'

/** What the key of an item of the file tree says. */
export type Key =
  | { readonly kind: 'entry'; readonly directory: number; readonly name: string }
  | { readonly kind: 'record'; readonly id: number; readonly offset: number }
  | { readonly kind: 'object' | 'orphan' | 'directory'; readonly id: number }
  | { readonly kind: 'setting'; readonly name: string }

export function decodeKey(key: string): Key {
  const bytes = new Bytes(fromBinary(key), 'item')
  switch (bytes.u8(0)) {
    case 1:
      return entryKey(bytes)
    case 2:
      bytes.want(bytes.length === 17, 'the key of a record has another length')
      return { kind: 'record', id: bytes.big64(1), offset: bytes.big64(9) }
    case 3:
      return { kind: 'object', id: idOf(bytes) }
    case 4:
      return { kind: 'orphan', id: idOf(bytes) }
    case 5:
      return { kind: 'directory', id: idOf(bytes) }
    case 6:
      bytes.want(bytes.length >= 2 && bytes.length <= 256, 'the name of a setting has a bad length')
      bytes.want(/^[!-~]+$/.test(key.slice(1)), 'the name of a setting is not visible ASCII')
      return { kind: 'setting', name: key.slice(1) }
    default:
      bytes.want(false, `the kind of a key is ${bytes.u8(0)}`)
      throw new Error('unreachable')
  }
}

function entryKey(bytes: Bytes): Key {
  const directory = bytes.big64(1)
  const name = bytes.text(9, bytes.length - 9)
  bytes.want((name === '') === (directory === 0), 'a name is empty, or an entry of directory 0 has one')
  bytes.want(bytes.length <= 9 + 255, 'a name is too long')
  bytes.want(!/[/\0]/.test(name) && name !== '.' && name !== '..', 'a name is no name of a path')
  return { kind: 'entry', directory, name }
}

function idOf(bytes: Bytes): number {
  bytes.want(bytes.length === 9, 'a key of an id has another length')
  const id = bytes.big64(1)
  bytes.want(id > 0, 'the id of a key is 0')
  return id
}

/** The bytes of a key of one kind and id, and what may follow: where a range begins. */
export function keyOf(kind: 1 | 2 | 3 | 4 | 5, id: number, rest: string | number = ''): string {
  const head = Buffer.alloc(9)
  head.writeUInt8(kind, 0)
  head.writeBigUInt64BE(BigInt(id), 1)
  if (typeof rest === 'string') return head.toString('latin1') + Buffer.from(rest).toString('latin1')
  const tail = Buffer.alloc(8)
  tail.writeBigUInt64BE(BigInt(rest), 0)
  return head.toString('latin1') + tail.toString('latin1')
}
