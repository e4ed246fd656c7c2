/** Cutting: every chunk lies at a multiple of its span, and covers nothing that the bytes do not touch. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { recordBytesDefault } from '../../../src/format/geometry.ts'
import { preparePieces, cutChunks, spanOf } from '../../../src/fs/tree/records.ts'
import { FakeEngine } from '../fake-engine.ts'
import { bytesOf } from '../volume.ts'

const offset = fc.oneof(
  fc.integer({ min: 0, max: 3_000_000 }),
  fc.integer({ min: 0, max: 40 }).map((n) => n * 65_536),
)
const length = fc.oneof(fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: 1, max: 2_500_000 }))

test('chunks', () => {
  fc.assert(
    fc.property(offset, length, (start, size) => {
      const chunks = cutChunks(start, bytesOf(size))
      const cellsStart = Math.floor(start / recordBytesDefault) * recordBytesDefault
      const cellsEnd = Math.ceil((start + size) / recordBytesDefault) * recordBytesDefault
      let covered = cellsStart
      const whole = new Uint8Array(cellsEnd - cellsStart)
      for (const chunk of chunks) {
        const span = spanOf(chunk.bytes.length)
        expect(chunk.offset % span).toBe(0)
        expect(chunk.offset).toBeGreaterThanOrEqual(covered)
        covered = chunk.offset + span
        whole.set(chunk.bytes, chunk.offset - cellsStart)
      }
      expect(covered).toBeLessThanOrEqual(cellsEnd)
      const expected = new Uint8Array(cellsEnd - cellsStart)
      expected.set(bytesOf(size), start - cellsStart)
      expect(Buffer.compare(whole, expected)).toBe(0)
    }),
    { numRuns: 200 },
  )
})

test('pieces of a fragmented volume are records that do not overlap, and nothing else stays prepared', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 600_000 }),
      async (seed, size) => {
        const engine = new FakeEngine({ seed, cutPercent: 60 })
        const at = spanOf(size) * 3
        const pieces = await preparePieces(engine, bytesOf(size), at)
        let end = at
        let bytes = 0
        for (const piece of pieces) {
          expect(piece.offset % piece.span).toBe(0)
          expect(piece.offset).toBeGreaterThanOrEqual(end)
          expect(piece.offset).toBe(at + bytes)
          end = piece.offset + piece.span
          bytes += piece.record.length
        }
        expect(bytes).toBe(size)
        engine.discard(pieces.map(({ record }) => record))
        engine.assertSettled()
      },
    ),
    { numRuns: 100 },
  )
})
