import { expect, test } from 'bun:test'
import { readU16, readU32, readU48, toHex } from '../../src/lib/bytes.ts'
import { blockPointerLayout, nodePointerLayout } from '../../src/format/pointer-layout.ts'
import { blockPointerBytes, writeBlockPointer, writeNodePointer } from '../../src/format/pointer.ts'
import { formatDocuments, renderFormatDocument, withoutAlignment } from '../../tools/format-doc.ts'

test.each(formatDocuments)(
  'docs/$name.md has the tables of the code; `bun tools/format-doc.ts --write` makes them',
  async (page) => {
    const text = await Bun.file(page.path).text()
    expect(withoutAlignment(renderFormatDocument(page, text))).toBe(withoutAlignment(text))
    expect(() => renderFormatDocument(page, '')).toThrow('lacks')
    expect(() => renderFormatDocument(page, '<!-- nothing -->\n<!-- /nothing -->')).toThrow('unknown')
  },
)

test('the tables of the pointers are what their codec writes', () => {
  const sum = new Uint8Array(32).fill(9)
  const node = new Uint8Array(nodePointerLayout.bytes)
  writeNodePointer(node, 0, { address: 0x0102_0304_0506, sum })
  expect(readU48(node, nodePointerLayout.at.address)).toBe(0x0102_0304_0506)
  expect(toHex(node.subarray(nodePointerLayout.at.sum))).toBe(toHex(sum))

  const at = blockPointerLayout.at
  const block = new Uint8Array(blockPointerBytes('sha256'))
  writeBlockPointer(block, 0, { address: 77, blocks: 2, payloadBytes: 5000, encoding: 'zstd', sum })
  expect(readU48(block, at.address)).toBe(77)
  expect(readU16(block, at.blocks)).toBe(2)
  expect(readU32(block, at.payloadBytes)).toBe(5000)
  expect(block[at.encoding]).toBe(1)
  expect(toHex(block.subarray(blockPointerLayout.bytes))).toBe(toHex(sum))
})
