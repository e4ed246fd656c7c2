/** Name of the header, and of an opening. */
import { toHex } from '../../lib/bytes.ts'
import type { Random } from '../../lib/random.ts'

export const openingHeader = 'Stillpoint-Opening'

const openingBytes = 12

/**
 * Drawn, not counted: a volume that has gone back to an older superblock, or a new one at the same address, would count
 * to the same number again.
 */
export const drawOpening = (random: Pick<Random, 'bytes'>): string => toHex(random.bytes(openingBytes))
