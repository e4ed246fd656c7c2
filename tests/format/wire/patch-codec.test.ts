import { describe, expect, test } from 'bun:test'
import { hasCode } from '../../../src/lib/errors.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { PatchWriter, applyPatch, patchSteps } from '../../../src/format/wire/patch-codec.ts'

const random = seededRandom(31)
const base = random.bytes(5000)

function applied(patch: Uint8Array, length: number): Uint8Array | null {
  try {
    return applyPatch(patch, base, length)
  } catch (error) {
    if (hasCode(error, 'corrupt')) return null
    throw error
  }
}

/** Random steps, as a patch and as what it should make. */
function sample(steps: number): { patch: Uint8Array; made: Uint8Array } {
  const writer = new PatchWriter(100_000)
  const parts: Uint8Array[] = []
  for (let i = 0; i < steps; i++) {
    const length = 1 + random.below(random.below(4) === 0 ? 3000 : 20)
    const part = random.bytes(length)
    const from = random.below(base.length - length)
    switch (random.below(3)) {
      case 0:
        writer.zeros(length)
        parts.push(new Uint8Array(length))
        break
      case 1:
        writer.insert(part, 0, length)
        parts.push(part)
        break
      default:
        writer.copy(from, length)
        parts.push(base.subarray(from, from + length))
    }
  }
  return { patch: writer.finish()!, made: Buffer.concat(parts) }
}

describe('a patch', () => {
  test('makes what was written', () => {
    for (let i = 0; i < 300; i++) {
      const { patch, made } = sample(1 + random.below(30))
      expect(Buffer.compare(applyPatch(patch, base, made.length), made)).toBe(0)
    }
  })

  test('needs no offsets for bytes that stay where they are', () => {
    const writer = new PatchWriter(100)
    writer.copy(0, 2000)
    writer.insert(Uint8Array.of(1), 0, 1)
    writer.copy(2001, 2999)
    expect(writer.finish()!.length).toBe(6)
  })

  test('that becomes longer than its limit is none', () => {
    const writer = new PatchWriter(20)
    writer.insert(base, 0, 10)
    expect(writer.isTooLong).toBeFalse()
    writer.insert(base, 0, 10)
    expect(writer.isTooLong).toBeTrue()
    expect(writer.finish()).toBeNull()
  })

  test('is refused when it makes another length, ends early or goes on', () => {
    const { patch, made } = sample(5)
    expect(applied(patch, made.length + 1)).toBeNull()
    expect(applied(patch, made.length - 1)).toBeNull()
    expect(applied(Buffer.concat([patch, Uint8Array.of(4)]), made.length)).toBeNull()
    for (let cut = 0; cut < patch.length; cut++)
      expect(applied(patch.subarray(0, cut), made.length)).toBeNull()
  })

  test('is refused when it leaves the base', () => {
    const copy = (from: number, length: number) => {
      const writer = new PatchWriter(100)
      writer.copy(from, length)
      return applied(writer.finish()!, length)
    }
    expect(copy(4000, 1000)).not.toBeNull()
    expect(copy(4000, 1001)).toBeNull()
    expect(copy(-1, 10)).toBeNull()
    expect(copy(5000, 1)).toBeNull()
  })

  test('has no step of nothing, no number that is longer than needed, and none of five bytes', () => {
    expect(applied(Uint8Array.of(patchSteps.zeros), 1)).toBeNull()
    expect(applied(Uint8Array.of(4, patchSteps.zeros), 1)).toBeNull()
    expect(applied(Uint8Array.of(4 | 128, 0), 1)).toBeNull()
    expect(applied(Uint8Array.of(4), 1)).toEqual(new Uint8Array(1))
    expect(applied(Uint8Array.of(255, 255, 255, 255, 1), 1)).toBeNull()
  })

  test('of any bytes is applied or refused', () => {
    for (let i = 0; i < 20_000; i++) {
      const { patch, made } =
        i % 2 === 0 ? sample(4) : { patch: random.bytes(random.below(12)), made: new Uint8Array(40) }
      const mutated = patch.slice()
      for (let n = random.below(3); n >= 0 && mutated.length > 0; n--)
        mutated[random.below(mutated.length)] = random.below(256)
      const result = applied(mutated, made.length)
      if (result) expect(result.length).toBe(made.length)
    }
  })
})
