/**
 * Waits until a mirror has published what the primary has: from then on a reader of the mirror sees all of the tree. An
 * empty batch changes nothing, and its answer waits like that of any change.
 */
import type { Client } from '../../../sdk/src/client.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Patience } from './patience.ts'

export const mirroredSecondsDefault = 120
/** Longest wait that a server grants to one request, in seconds. */
const waitSecondsMax = 60

export async function isMirrored(
  {
    client,
    patience,
    clock,
  }: { readonly client: Client; readonly patience: Patience; readonly clock: Clock },
  cp: number,
  seconds: number,
): Promise<boolean> {
  const endMs = clock.monotonic() + seconds * 1000
  do {
    const leftSeconds = Math.ceil((endMs - clock.monotonic()) / 1000)
    const wait = Math.max(0, Math.min(waitSecondsMax, leftSeconds))
    const answer = await patience.of(() => client.batch([], { durability: 'mirrored', wait }))
    if (answer.durability === 'mirrored' && answer.cp >= cp) return true
  } while (clock.monotonic() < endMs)
  return false
}
