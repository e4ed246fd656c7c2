/**
 * `check DIR`: checks every invariant of a volume that no process serves, and what an open would do. Writes nothing.
 */
import { buildCommand } from '@stricli/core'
import { StillpointError } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'
import { jsonFlag } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import type { CheckReport } from '../../cp-engine/check.ts'
import { printJson, printLine, showName } from '../command/output.ts'

interface Flags {
  readonly json: boolean
}

async function check(this: CliContext, flags: Flags, folder: string): Promise<void> {
  const { checkFolder } = await import('../../server/check-folder.ts')
  const report = await checkFolder(folder)
  const errors = report.findings.filter(({ severity }) => severity === 'error').length
  if (flags.json) printJson(this, { ok: errors === 0, ...report })
  else for (const line of linesOf(report, errors)) printLine(this, line)
  if (report.findings.some(({ kind, severity }) => kind === 'newer-format' && severity === 'error'))
    throw new StillpointError(
      'newer-format',
      `${folder}: a newer version of Stillpoint is needed to check it`,
    )
  if (errors > 0) throw new UserError(`${folder}: not every invariant holds`)
}

/** Yields a line for each finding, then the counts, then lines about what an open would do. */
function* linesOf(
  { findings, cps, nodes, records, log, open }: CheckReport,
  errors: number,
): Generator<string> {
  for (const { severity, kind, cp, address, message } of findings) {
    const where = [cp === null ? '' : `cp ${cp}: `, address === null ? '' : `block ${address}: `].join('')
    yield `${severity} ${kind}: ${where}${showName(message)}`
  }
  const warnings = findings.length - errors
  yield `${cps.length} roots, ${nodes} address blocks, ${records} records, ${errors} errors, ${warnings} warnings`
  if (log) yield `log: ${log.groups} groups, ${log.operations} operations above the root, end ${log.end}`
  if (open.outcome === 'opens') {
    const upTo = log?.lastSequence ? `, up to sequence ${log.lastSequence}` : ''
    yield `an open replays ${open.replayed} operations${upTo}`
    if (open.fenced) yield `and takes no writes: ${open.fenced}`
  } else {
    yield `an open is refused (${open.code}): ${open.message}`
    for (const way of open.waysOut) yield `way out: ${way}`
  }
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
