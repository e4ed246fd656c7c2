/** `mv FROM TO`: renames a file, link or directory, whatever its size. A TO that ends in `/` keeps the name. */
import { buildCommand } from '@stricli/core'
import { type ClientFlags, clientFlags, clientFor } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { printJson } from '../command/output.ts'
import { parseServerPath, showPath } from '../command/server-path.ts'

interface Flags extends ClientFlags {
  readonly overwrite: boolean
}

async function mv(this: CliContext, flags: Flags, from: string, to: string): Promise<void> {
  const source = parseServerPath(from)
  const target = parseServerPath(to.endsWith('/') ? `${to}${source.at(-1) ?? ''}` : to)
  const client = await clientFor(this, flags)
  const moved = await client.move(showPath(source), showPath(target), {
    overwrite: flags.overwrite,
  })
  if (flags.json) printJson(this, moved)
}

export const mvCommand = buildCommand<Flags, [string, string], CliContext>({
  func: mv,
  parameters: {
    flags: {
      ...clientFlags,
      overwrite: { kind: 'boolean', brief: 'Replace what is there', default: false, withNegated: false },
    },
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'Path on the server', parse: String, placeholder: 'FROM' },
        { brief: 'New path on the server', parse: String, placeholder: 'TO' },
      ],
    },
  },
  docs: { brief: 'Move or rename' },
})
