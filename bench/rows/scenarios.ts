/** Every scenario of the bench, in the order in which they run. */
import type { Scenario } from '../harness/contract.ts'
import { largePuts } from './large-puts.ts'
import { mirrorRates } from './mirror-rates.ts'
import { puts } from './puts.ts'
import { mirrorReads, oneCoreReads, reads } from './reads.ts'

export const scenarios: readonly Scenario[] = [puts, largePuts, reads, oneCoreReads, mirrorReads, mirrorRates]
