/** `rm PATH…`: removes files and links, and with `-r` directories with everything below. */
import { buildCommand } from '@stricli/core'
import { isClientError } from '../../../sdk/src/client-error.ts'
import { UsageError, UserError } from '../../lib/user-error.ts'
import { type ClientFlags, clientFlags, clientFor } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { printJson } from '../command/output.ts'
import { parseServerPath, showPath } from '../command/server-path.ts'

interface Flags extends ClientFlags {
  readonly recursive: boolean
}

async function rm(this: CliContext, flags: Flags, ...targets: readonly string[]): Promise<void> {
  const client = await clientFor(this, flags)
  const removed: string[] = []
  for (const target of targets) {
    const path = parseServerPath(target)
    if (path.length === 0) throw new UsageError('the root cannot be removed')
    try {
      await client.deleteFile(showPath(path))
    } catch (error) {
      if (!isClientError(error, 'is-a-directory')) throw error
      if (!flags.recursive)
        throw new UserError(`${showPath(path)}: is a directory (use -r)`, { cause: error })
      await client.deleteDirectory(showPath(path), { recursive: true })
    }
    removed.push(showPath(path))
  }
  if (flags.json) printJson(this, { removed })
}

export const rmCommand = buildCommand<Flags, string[], CliContext>({
  func: rm,
  parameters: {
    flags: {
      ...clientFlags,
      recursive: {
        kind: 'boolean',
        brief: 'Remove directories with their content',
        default: false,
        withNegated: false,
      },
    },
    aliases: { r: 'recursive' },
    positional: {
      kind: 'array',
      parameter: { brief: 'Path on the server', parse: String, placeholder: 'PATH' },
      minimum: 1,
    },
  },
  docs: { brief: 'Remove files and directories' },
})
