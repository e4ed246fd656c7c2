import { describe, expect, test } from 'bun:test'
import { describeValue, goldenPath, parseGolden } from './golden.ts'
import { structures } from './structures.ts'

describe('stored forms stay readable, and are written as they were', () => {
  for (const { name, encode, decode } of structures) {
    test(name, async () => {
      const { value, bytes } = parseGolden(await Bun.file(goldenPath(name)).text())
      const decoded = decode(bytes)
      expect(describeValue(decoded)).toBe(value)
      expect(Buffer.compare(encode(decoded), bytes)).toBe(0)
    })
  }
})
