/** `mkdir PATH…`: makes directories, with the parents that are missing. A directory that exists stays as it is. */
import { buildCommand } from '@stricli/core'
import { type ClientFlags, clientFlags, clientFor } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { printJson } from '../command/output.ts'
import { parseServerPath, showPath } from '../command/server-path.ts'

async function mkdir(this: CliContext, flags: ClientFlags, ...targets: readonly string[]): Promise<void> {
  const client = await clientFor(this, flags)
  const made: unknown[] = []
  for (const target of targets) made.push(await client.makeDirectory(showPath(parseServerPath(target))))
  if (flags.json) printJson(this, { made })
}

export const mkdirCommand = buildCommand<ClientFlags, string[], CliContext>({
  func: mkdir,
  parameters: {
    flags: clientFlags,
    positional: {
      kind: 'array',
      parameter: { brief: 'Path on the server', parse: String, placeholder: 'PATH' },
      minimum: 1,
    },
  },
  docs: { brief: 'Make directories, with their parents' },
})
