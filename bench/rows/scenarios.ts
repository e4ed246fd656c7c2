/** Every scenario of the bench, in the order in which they run. */
import type { Scenario } from '../harness/contract.ts'
import { puts } from './puts.ts'

export const scenarios: readonly Scenario[] = [puts]
