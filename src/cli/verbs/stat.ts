/** `stat PATH`: says all that the server knows about one entry. */
import { buildCommand } from '@stricli/core'
import {
  type ClientFlags,
  clientFlags,
  clientFor,
  type ReadingFlags,
  readingFlags,
} from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { printJson, printLine, showName } from '../command/output.ts'
import { parseServerPath, showPath } from '../command/server-path.ts'

interface Flags extends ClientFlags, ReadingFlags {}

async function stat(this: CliContext, flags: Flags, target: string): Promise<void> {
  const client = await clientFor(this, flags)
  const { cp, at, minCp, wait } = flags
  const found = await client.stat(showPath(parseServerPath(target)), { cp, at, minCp, wait })
  if (flags.json) return printJson(this, found)
  const { meta, path, ...rest } = found
  const lines = { path: `/${path}`, ...rest, ...named(meta) }
  for (const [name, value] of Object.entries(lines))
    if (value !== null && value !== undefined)
      printLine(this, `${`${showName(name)}:`.padEnd(13)} ${showName(String(value))}`)
}

const named = (meta: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(meta).map(([name, value]) => [`meta ${name}`, value]))

export const statCommand = buildCommand<Flags, [string], CliContext>({
  func: stat,
  parameters: {
    flags: { ...clientFlags, ...readingFlags },
    positional: {
      kind: 'tuple',
      parameters: [{ brief: 'Path on the server', parse: String, placeholder: 'PATH' }],
    },
  },
  docs: { brief: 'Say size, times, mode and metadata of an entry' },
})
