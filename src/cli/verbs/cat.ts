/** `cat PATH…`: writes the contents of files to standard output, one after the other. */
import { buildCommand } from '@stricli/core'
import {
  type ClientFlags,
  clientFlags,
  clientFor,
  type ReadingFlags,
  readingFlags,
} from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { writeOut } from '../command/output.ts'
import { parseServerPath } from '../command/server-path.ts'
import { receive } from '../trees/received-content.ts'
import { UsageError } from '../../lib/user-error.ts'

interface Flags extends ClientFlags, ReadingFlags {}

async function cat(this: CliContext, flags: Flags, ...targets: readonly string[]): Promise<void> {
  if (flags.json) throw new UsageError('--json and the content do not both fit standard output')
  const client = await clientFor(this, flags)
  const { cp, at, minCp, wait } = flags
  for (const target of targets)
    await receive(client, parseServerPath(target), { cp, at, minCp, wait }, {}, (chunk) =>
      writeOut(this, chunk),
    )
}

export const catCommand = buildCommand<Flags, string[], CliContext>({
  func: cat,
  parameters: {
    flags: { ...clientFlags, ...readingFlags },
    positional: {
      kind: 'array',
      parameter: { brief: 'Path on the server', parse: String, placeholder: 'PATH' },
      minimum: 1,
    },
  },
  docs: { brief: 'Write files to standard output' },
})
