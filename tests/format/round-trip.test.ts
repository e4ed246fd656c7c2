import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { structures } from './structures.ts'

describe('what was encoded is decoded as it was', () => {
  for (const { name, values, encode, decode } of structures) {
    test(name, () => {
      fc.assert(
        fc.property(values, (value) => {
          const bytes = encode(value)
          const before = bytes.slice()
          expect(decode(bytes)).toEqual(value)
          // A decoder changes nothing, and one value has one form.
          expect(Buffer.compare(bytes, before)).toBe(0)
          expect(Buffer.compare(encode(value), bytes)).toBe(0)
        }),
        { numRuns: 60, seed: 1 },
      )
    })
  }
})
