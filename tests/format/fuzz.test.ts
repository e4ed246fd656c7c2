/**
 * Decoders believe nothing. Invariants checked, for mutations of real structures and for plain noise:
 * - a decoder returns a value, or refuses by null, by `corrupt` with its place, or by the format; nothing else is thrown;
 * - what it accepts has exactly the form that its encoder gives it (one form for one value), or, on the wire, is the
 *   same after another round;
 * - what it returns is not larger than a small multiple of what it was given, and it ends in time.
 *
 *   STILLPOINT_FUZZ_RUNS=1000000 bun test tests/format/fuzz.test.ts      so many inputs for each structure
 */
import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { toHex } from '../../src/lib/bytes.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { assertRefusal } from './refusal.ts'
import { type Structure, structures } from './structures.ts'
import { wireStructures } from './wire/wire-structures.ts'

const runs = Number(process.env['STILLPOINT_FUZZ_RUNS'] ?? 1500)
const seed = Number(process.env['STILLPOINT_FUZZ_SEED'] ?? 1)
const timeoutMs = 20_000 + runs * 2
const decodeMsMax = 500

type Chance = ReturnType<typeof seededRandom>
const extremes = [0, 1, 2, 3, 7, 8, 64, 127, 128, 254, 255]

/** One small damage, in place where the length stays. */
function damage(bytes: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  const at = chance.below(bytes.length + 1)
  const end = Math.min(bytes.length, at + 1 + chance.below(16))
  switch (chance.below(8)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.below(8))
      return bytes
    case 1:
      bytes[at] = extremes[chance.below(extremes.length)]!
      return bytes
    case 2:
      return bytes.fill(0xff, at, end)
    case 3:
      return bytes.fill(0, at, end)
    case 4:
      return bytes.slice(0, at)
    case 5: {
      const longer = new Uint8Array(bytes.length + 1 + chance.below(64))
      longer.set(bytes)
      return longer
    }
    case 6:
      return bytes.copyWithin(at, chance.below(bytes.length + 1), end)
    default:
      bytes.set(other.subarray(at, Math.min(end, bytes.length, other.length)), Math.min(at, other.length))
      return bytes
  }
}

/** Bytes of everything that was returned; a number counts as eight. */
function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length
  if (typeof value === 'string') return value.length
  if (Array.isArray(value)) return value.reduce<number>((sum, part) => sum + sizeOf(part), 8)
  if (typeof value === 'object' && value !== null) return sizeOf(Object.values(value))
  return 8
}

function attempt(structure: Structure, bytes: Uint8Array): boolean {
  const { name, encode, decode, hasManyForms, bytesMax } = structure
  const before = performance.now()
  let value: unknown
  try {
    value = decode(bytes)
  } catch (error) {
    assertRefusal(error)
    value = null
  }
  const tookMs = performance.now() - before
  if (tookMs > decodeMsMax) throw new Error(`${name}: took ${tookMs} ms`)
  if (value === null) return false
  if (sizeOf(value) > (bytesMax ?? 4096 + 64 * bytes.length))
    throw new Error(`${name}: larger than its bytes`)
  const again = encode(value)
  if (hasManyForms) expect(decode(again)).toEqual(value)
  else if (Buffer.compare(again, bytes) !== 0) throw new Error(`${name}: accepted in a second form`)
  return true
}

describe(`decoders refuse what is not theirs, ${runs} inputs each`, () => {
  for (const structure of [...structures, ...wireStructures]) {
    test(
      structure.name,
      () => {
        const chance = seededRandom(seed)
        const real = fc
          .sample(structure.values, { numRuns: 24, seed })
          .map((value) => structure.encode(value))
        let accepted = 0
        for (let run = 0; run < runs; run++) {
          let bytes: Uint8Array = real[chance.below(real.length)]!.slice()
          const noise = run % 16 === 0
          if (noise) bytes = chance.bytes(chance.below(300))
          const times = 1 + chance.below(3)
          for (let i = 0; i < times; i++) bytes = damage(bytes, real[chance.below(real.length)]!, chance)
          if (run % 4 !== 0) structure.reseal?.(bytes)
          try {
            if (attempt(structure, bytes)) accepted++
          } catch (error) {
            throw new Error(`${structure.name}, run ${run}, ${toHex(bytes.subarray(0, 600))}`, {
              cause: error,
            })
          }
        }
        // The fuzzer is worth something only while it also reaches what is behind the checks.
        expect(accepted).toBeGreaterThan(0)
      },
      timeoutMs,
    )
  }
})
