/** A damage that somebody plants, and every finding that the check has of it. */
import { checkVolume } from '../../../src/cp-engine/check.ts'
import type { CheckFinding } from '../../../src/cp-engine/check-findings.ts'
import type { Item } from '../../../src/cp-engine/contract.ts'
import type { Root } from '../../../src/format/disk/root.ts'
import type { SimulatedDevice } from '../../simulated/simulated-device.ts'

export interface Plant {
  readonly title: string
  readonly plant: () => Promise<SimulatedDevice>
  /**
   * All findings, in any order: `severity kind cp: message`. The cp is `-` where the finding belongs to no root; a star
   * stands for any text.
   */
  readonly expected: readonly string[]
  /** What the floor above says of the items. */
  readonly onItem?: (root: Root, item: Item) => void
}

const lineOf = ({ severity, kind, cp, message }: CheckFinding): string =>
  `${severity} ${kind} ${cp ?? '-'}: ${message}`

const patternOf = (line: string): RegExp =>
  new RegExp(`^${line.split('*').map(RegExp.escape).join('.*')}$`, 's')

export interface Found {
  readonly lines: readonly string[]
  /** Why an open would be refused; null when it would not. */
  readonly refusal: string | null
}

export async function findingsOf({ plant, onItem }: Plant): Promise<Found> {
  const device = await plant()
  const before = device.mutations
  const { findings, open } = await checkVolume(device, onItem ? { onItem } : {})
  if (device.mutations !== before) throw new Error('the check has written')
  return { lines: findings.map(lineOf), refusal: open.outcome === 'refused' ? open.message : null }
}

/** Findings that nobody expects, and expected ones that are missing. */
export function differences(found: readonly string[], expected: readonly string[]): string[] {
  const rest = [...found]
  const missing = expected.filter((line) => {
    const at = rest.findIndex((text) => patternOf(line).test(text))
    if (at !== -1) rest.splice(at, 1)
    return at === -1
  })
  return [...missing.map((line) => `missing: ${line}`), ...rest.map((line) => `not expected: ${line}`)]
}
