/**
 * A pairing code: 128 random bits, which a mirror shows once, and which an operator carries to the primary. Nobody can
 * guess as many bits from a recorded proof, so a proof by the code alone is safe. The code is valid for some minutes,
 * for a few tries, and until a session that it began is used.
 */
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'

const codeBytes = 16
/** Letters and digits that people do not take for each other (Crockford); each stands for five bits. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const symbols = Math.ceil((codeBytes * 8) / 5)
const groupSymbols = 5

export const codeMsMax = 15 * 60_000
export const codeTriesMax = 10

export function formatCode(bytes: Uint8Array): string {
  let bits = 0n
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte)
  bits <<= BigInt(symbols * 5 - bytes.length * 8)
  let text = ''
  for (let i = symbols - 1; i >= 0; i--) text += alphabet[Number((bits >> BigInt(5 * i)) & 31n)]!
  return text.match(new RegExp(`.{1,${groupSymbols}}`, 'g'))!.join('-')
}

/** Takes small letters, spaces and the letters that look like digits as well; null for a text that is no code. */
export function parseCode(text: string): Uint8Array | null {
  if (text.length > 4 * symbols) return null
  const letters = text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
  if (letters.length !== symbols) return null
  let bits = 0n
  for (const letter of letters) {
    const value = alphabet.indexOf(letter)
    if (value < 0) return null
    bits = (bits << 5n) | BigInt(value)
  }
  const spare = BigInt(symbols * 5 - codeBytes * 8)
  if ((bits & ((1n << spare) - 1n)) !== 0n) return null
  bits >>= spare
  return Uint8Array.from({ length: codeBytes }, (_, i) =>
    Number((bits >> BigInt(8 * (codeBytes - 1 - i))) & 255n),
  )
}

export class PairingCode {
  private bytes: Uint8Array | null
  private tries = codeTriesMax
  private readonly endsMs: number

  constructor(
    private readonly clock: Clock,
    random: Random,
  ) {
    this.bytes = random.bytes(codeBytes)
    this.endsMs = clock.monotonic() + codeMsMax
  }

  /** Null when the code is not valid any more. */
  current(): Uint8Array | null {
    if (this.clock.monotonic() >= this.endsMs) this.end()
    return this.bytes
  }

  failed(): void {
    if (--this.tries <= 0) this.end()
  }

  end(): void {
    this.bytes = null
  }
}
