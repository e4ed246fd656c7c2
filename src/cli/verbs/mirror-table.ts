/** The mirrors of a primary as a table for people. */
import type { Mirror } from '../../../sdk/src/contract.ts'
import { formatTable, showName } from '../command/output.ts'
import { formatBytes } from '../trees/progress.ts'

export function mirrorTable(mirrors: readonly Mirror[], hasIds = false): string {
  const show = (value: string | number | null): string => (value === null ? '-' : showName(String(value)))
  return formatTable(
    [...(hasIds ? ['id'] : []), 'mirror', 'state', 'cp', 'lag cps', 'lag ms', 'held', 'needs'],
    mirrors.map(({ id, url, state, cp, lagCps, lagMs, heldBytes, needs }) => [
      ...(hasIds ? [show(id)] : []),
      show(url),
      show(state),
      show(cp),
      show(lagCps),
      show(lagMs),
      heldBytes === null ? '-' : formatBytes(heldBytes),
      show(needs),
    ]),
  )
}
