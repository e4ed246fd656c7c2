/** Items of a version that is not known here are said to be newer, whatever their length. */
import { describe, expect, test } from 'bun:test'
import { decodeEntryItem, encodeEntryItem } from '../../../src/format/items/items.ts'
import { noExtra } from '../../../src/format/items/entry-extra.ts'
import { hasCode } from '../../../src/lib/errors.ts'

const item = encodeEntryItem(
  {
    kind: 'directory',
    version: { epoch: 0, opening: 1, sequence: 1 },
    mode: 0o755,
    createdMs: 0,
    createdNanos: 0,
    modifiedMs: 0,
    modifiedNanos: 0,
    size: 0,
    id: 2,
    content: null,
    extra: { inline: noExtra, record: null },
  },
  'xxh3',
)

describe.each([
  ['as long', item.length],
  ['shorter', 5],
  ['longer', item.length + 20],
])('an entry of a later version that is %s', (_, length) => {
  test('is newer, not damaged', () => {
    const later = new Uint8Array(length)
    later.set(item.subarray(0, length))
    later[2]! += 1
    let code = ''
    try {
      decodeEntryItem(later, 'xxh3')
    } catch (error) {
      code = hasCode(error, 'newer-format') ? 'newer-format' : String(error)
    }
    expect(code).toBe('newer-format')
  })
})
