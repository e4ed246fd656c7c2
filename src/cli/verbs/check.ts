/** `check DIR`: every invariant of a volume that no process serves. It reads and never writes. */
import { buildCommand } from '@stricli/core'
import { StillpointError } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'
import { jsonFlag } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { printJson, printLine } from '../command/output.ts'

interface Flags {
  readonly json: boolean
}

async function check(this: CliContext, flags: Flags, folder: string): Promise<void> {
  const { checkFolder } = await import('../../server/check-folder.ts')
  const report = await checkFolder(folder)
  const { findings, cps, nodes, records } = report
  if (flags.json) printJson(this, { ok: findings.length === 0, ...report })
  else {
    for (const { kind, cp, address, message } of findings)
      printLine(
        this,
        `${kind}: ${cp === null ? '' : `cp ${cp}: `}${address === null ? '' : `block ${address}: `}${message}`,
      )
    printLine(
      this,
      `${cps.length} roots, ${nodes} address blocks, ${records} records, ${findings.length} findings`,
    )
  }
  const newer = findings.find(({ kind }) => kind === 'newer-format')
  if (newer)
    throw new StillpointError(
      'newer-format',
      `${folder}: a newer version of Stillpoint is needed to check it`,
    )
  if (findings.length > 0) throw new UserError(`${folder}: not every invariant holds`)
}

export const checkCommand = buildCommand<Flags, [string], CliContext>({
  func: check,
  parameters: {
    flags: jsonFlag,
    positional: {
      kind: 'tuple',
      parameters: [{ brief: 'Folder of the volume', parse: String, placeholder: 'DIR' }],
    },
  },
  docs: { brief: 'Check a volume that is not being served' },
})
