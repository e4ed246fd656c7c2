import { fromHex, toHex } from './bytes.ts'

/** The only place that knows chance. All other code is given a Random. */
export interface Random {
  /** Fresh bytes, unpredictable on a real system. */
  bytes(length: number): Uint8Array
}

export const systemRandom: Random = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
}

/** A repeatable stream for tests and the simulator (mulberry32). Never for secrets. */
export function seededRandom(seed: number): Random & { below(limit: number): number } {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  return {
    below: (limit) => Math.floor((next() / 2 ** 32) * limit),
    bytes(length) {
      const out = new Uint8Array(length)
      for (let i = 0; i < length; i++) out[i] = next()
      return out
    },
  }
}

/** Sixteen random bytes shaped as a version 4 UUID (RFC 9562). */
export function newUuid(random: Random): Uint8Array {
  const bytes = random.bytes(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes
}

export function formatUuid(bytes: Uint8Array): string {
  const hex = toHex(bytes)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** The sixteen bytes of a UUID in its text form. */
export function parseUuid(text: string): Uint8Array {
  return fromHex(text.replaceAll('-', ''))
}
