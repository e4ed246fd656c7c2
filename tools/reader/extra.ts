import { Bytes } from './bytes.ts'

/** What an entry carries beside its attributes. */
export interface Extra {
  readonly contentType?: string
  readonly meta?: Readonly<Record<string, string>>
  readonly target?: string
}

export function decodeExtra(all: Uint8Array): Extra {
  const bytes = new Bytes(all, 'extra')
  bytes.want(bytes.length <= 4096, 'an extra is too long')
  bytes.head(20)
  const extra: { contentType?: string; meta?: Record<string, string>; target?: string } = {}
  let type = -1
  let at = 2
  bytes.want(at < bytes.length, 'an extra has no members')
  while (at < bytes.length) {
    bytes.want(bytes.u16(at) > type, 'the members do not ascend')
    type = bytes.u16(at)
    const length = bytes.u16(at + 2)
    bytes.want(length > 0, 'a member is empty')
    const member = bytes.part(at + 4, length)
    if (type === 1) {
      extra.contentType = member.text(0, length)
      bytes.want(length <= 255, 'a content type is too long')
    }
    if (type === 2) extra.meta = metadata(member)
    if (type === 3) {
      extra.target = member.text(0, length)
      bytes.want(length <= 4095, 'a target is too long')
    }
    at += 4 + length
  }
  return extra
}

function metadata(bytes: Bytes): Record<string, string> {
  const pairs: [string, string][] = []
  let at = 0
  let sum = 0
  let before: Uint8Array | undefined
  while (at < bytes.length) {
    const nameBytes = bytes.u8(at)
    const valueBytes = bytes.u16(at + 1)
    bytes.want(nameBytes >= 1 && nameBytes <= 64, 'the name of metadata has a bad length')
    const name = bytes.slice(at + 3, nameBytes)
    bytes.want(before === undefined || Buffer.compare(before, name) < 0, 'metadata is not sorted')
    before = name
    pairs.push([bytes.text(at + 3, nameBytes), bytes.text(at + 3 + nameBytes, valueBytes)])
    sum += nameBytes + valueBytes
    at += 3 + nameBytes + valueBytes
  }
  bytes.want(sum <= 2048, 'the metadata is too long')
  return Object.fromEntries(pairs)
}
