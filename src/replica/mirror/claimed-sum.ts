/**
 * Checks whether a received run has the checksum that the primary claims for the run, and only zeros behind the
 * summed bytes.
 */
import { equalBytes } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/checksum.ts'
import type { PublishedRoot } from '../../cp-engine/contract.ts'
import { isZero } from '../../format/fields.ts'
import { recordSum } from '../../format/pointer.ts'
import type { ReceivedRun } from '../link/frame-stream.ts'

interface ClaimedSum {
  /**
   * The sum as computed here; null when nothing was claimed, when the claim is wrong, or when the volume's seed is
   * not known yet.
   */
  readonly sum: Uint8Array | null
  /** True when the bytes were damaged before they were framed. */
  readonly isWrong: boolean
}

export function claimedSum({ claim, bytes }: ReceivedRun, known: PublishedRoot | null): ClaimedSum {
  if (!claim || (claim.kind === 'xxh3' && !known)) return { sum: null, isWrong: false }
  const payload = bytes.subarray(0, claim.payloadBytes)
  if (!isZero(bytes, claim.payloadBytes, bytes.length)) return { sum: null, isWrong: true }
  const sum = claim.kind === 'sha256' ? sha256(payload) : recordSum(payload, known!.root.sums)
  if (claim.sum.length === 0) return { sum, isWrong: false }
  return equalBytes(sum, claim.sum) ? { sum, isWrong: false } : { sum: null, isWrong: true }
}
