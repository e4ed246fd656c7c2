/** `ls [PATH]`: lists a directory, one line or one JSON value for each entry, all of one consistency point. */
import { buildCommand } from '@stricli/core'
import { pageEntries } from '../../../sdk/src/client.ts'
import type { Stat } from '../../../sdk/src/contract.ts'
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

interface Flags extends ClientFlags, ReadingFlags {
  readonly recursive: boolean
  readonly long: boolean
}

async function ls(this: CliContext, flags: Flags, target = ''): Promise<void> {
  const client = await clientFor(this, flags)
  const { cp, at, minCp, wait } = flags
  const reading = { cp, at, minCp, wait }
  const path = parseServerPath(target)
  const stat = await client.stat(showPath(path), reading)
  if (stat.kind !== 'directory') {
    if (flags.json) printJson(this, { cp: stat.cp, path: showPath(path), entries: [stat] })
    else printLine(this, describe(stat, path.at(-1) ?? '', flags.long))
    return
  }
  const { stdout } = this.process
  let count = 0
  const options = { limit: pageEntries, ...(flags.recursive ? { recursive: true } : {}) }
  const first = await client.page(showPath(path), { ...reading, ...options })
  if (flags.json) stdout.write(`{"cp":${first.cp},"path":${JSON.stringify(showPath(path))},"entries":[`)
  // A listing may be larger than memory, so each entry is written when the entry comes.
  for await (const entry of client.entriesFrom(showPath(path), first, options)) {
    if (flags.json) stdout.write(`${count++ === 0 ? '' : ','}\n${JSON.stringify(entry)}`)
    else printLine(this, describe(entry, flags.recursive ? entry.path : entry.name, flags.long))
  }
  if (flags.json) stdout.write('\n]}\n')
}

function describe(stat: Stat, name: string, isLong: boolean): string {
  const marked = `${showName(name)}${stat.kind === 'directory' ? '/' : ''}`
  if (!isLong) return marked
  const target = stat.kind === 'link' ? ` -> ${showName(stat.target ?? '')}` : ''
  return `${stat.mode} ${String(stat.size).padStart(12)} ${stat.modified} ${marked}${target}`
}

export const lsCommand = buildCommand<Flags, [string?], CliContext>({
  func: ls,
  parameters: {
    flags: {
      ...clientFlags,
      ...readingFlags,
      recursive: { kind: 'boolean', brief: 'Everything below as well', default: false, withNegated: false },
      long: {
        kind: 'boolean',
        brief: 'Mode, size and time of each entry',
        default: false,
        withNegated: false,
      },
    },
    aliases: { r: 'recursive', l: 'long' },
    positional: {
      kind: 'tuple',
      parameters: [{ brief: 'Path on the server', parse: String, placeholder: 'PATH', optional: true }],
    },
  },
  docs: { brief: 'List a directory' },
})
