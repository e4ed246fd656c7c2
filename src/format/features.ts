/**
 * How a program meets a volume of a later one. Superblock and root begin with a format number and three words of
 * feature bits, at places that no later format moves.
 *
 * | a bit that is not known here, in … | means                                                                    |
 * |------------------------------------|--------------------------------------------------------------------------|
 * | incompat                           | it cannot be read: refused, like a higher format number                  |
 * | readOnlyCompat                     | it can be read and checked; whoever changed it would break it            |
 * | compat                             | nothing: it is kept as it is when the structure is written again         |
 *
 * Refused means `newer-format`, and that nothing has been written: the volume is sound, and only this program is old.
 * There are no features yet, so every bit is unknown.
 */
import { StillpointError } from '../lib/errors.ts'

/** Of all that is written here. Volumes of before there was a number have a 0 in its place. */
export const formatNumber = 1

export interface Features {
  readonly incompat: number
  readonly readOnlyCompat: number
  readonly compat: number
}

export const noFeatures: Features = { incompat: 0, readOnlyCompat: 0, compat: 0 }
/** The bits that this program knows. */
const known: Features = noFeatures

export interface FormatWords extends Features {
  readonly format: number
}

/** Bytes that are sound and of a later program. */
export function newerFormat(structure: string, why: string): StillpointError {
  return new StillpointError(
    'newer-format',
    `${structure}: ${why}; a newer version of Stillpoint is needed`,
    {
      structure,
      waysOut: ['the version of Stillpoint that wrote it, or a later one'],
    },
  )
}

/** Throws for what cannot be read here. */
export function assertReadable(structure: string, { format, incompat }: FormatWords): void {
  if (format > formatNumber)
    throw newerFormat(structure, `its format is ${format}, and ${formatNumber} is the highest that is known`)
  const unknown = unknownBits(incompat, known.incompat)
  if (unknown !== 0)
    throw newerFormat(structure, `it has features that are not known: incompat ${hex(unknown)}`)
}

/** Throws for what can be read and must not be changed here. */
export function assertWritable(structure: string, { readOnlyCompat }: Features): void {
  const unknown = unknownBits(readOnlyCompat, known.readOnlyCompat)
  if (unknown !== 0)
    throw newerFormat(
      structure,
      `it has features that are not known: readOnlyCompat ${hex(unknown)}, so it can be checked and not be changed`,
    )
}

const unknownBits = (word: number, knownBits: number): number => (word & ~knownBits) >>> 0
const hex = (word: number): string => `0x${word.toString(16)}`
