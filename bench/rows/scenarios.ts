/** Every scenario of the bench, in the order in which they run: those that targets hang on come first. */
import type { Scenario } from '../harness/contract.ts'
import { growth } from './growth.ts'
import { lag } from './lag.ts'
import { largePuts } from './large-puts.ts'
import { mirrorRates } from './mirror-rates.ts'
import { puts } from './puts.ts'
import { mirrorSync } from './mirror-sync.ts'
import { mirrorReads, oneCoreReads, reads } from './reads.ts'
import { memoryUpload } from './sizes.ts'
import { sparseVolumes } from './sparse-volumes.ts'
import { tokenReads } from './token-reads.ts'
import { trees } from './trees.ts'
import { views } from './views.ts'

export const scenarios: readonly Scenario[] = [
  puts,
  largePuts,
  reads,
  oneCoreReads,
  tokenReads,
  mirrorSync,
  growth,
  sparseVolumes,
  views,
  memoryUpload,
  lag,
  trees,
  mirrorRates,
  mirrorReads,
]
