/** Layouts of the two kinds of pointers. The codecs are in `pointer.ts`; a test compares codecs and layouts. */
import { sha256Bytes } from '../lib/checksum.ts'
import { layout } from './fields.ts'
import { blockPointerBytes, nodePointerBytes } from './pointer.ts'

export const nodePointerLayout = layout('node pointer', nodePointerBytes, [
  ['address', 0, 6, 'block number; 0: there is none, and the rest is zero'],
  ['reserved', 6, 2, 'zero'],
  ['sum', 8, sha256Bytes, 'SHA-256 of the block'],
])

export const blockPointerLayout = layout(
  'block pointer',
  blockPointerBytes('xxh3') - 8,
  [
    ['address', 0, 6, 'first block'],
    ['blocks', 6, 2, 'length of the run: what the payload needs, 1 to 256'],
    ['payloadBytes', 8, 4, 'bytes of the encoded payload; zeros behind it in the last block'],
    ['encoding', 12, 1, '0 raw, 1 zstd'],
    ['reserved', 13, 3, 'zero'],
  ],
  [['sum', 'of the payload: 8 bytes XXH3-64, or 32 bytes SHA-256, as the root says']],
)
