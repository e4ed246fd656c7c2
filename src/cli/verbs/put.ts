/** `put SOURCE TARGET`: writes a file, standard input (`-`), or with `-r` a tree. */
import { basename } from 'node:path'
import { buildCommand } from '@stricli/core'
import { UserError } from '../../lib/user-error.ts'
import { type ClientFlags, clientFlags, clientFor } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { LocalFile } from '../trees/local-file.ts'
import { contentTypeOf, localStat } from '../trees/local-stat.ts'
import { printJson, printLine, showName } from '../command/output.ts'
import { formatBytes, startProgress } from '../trees/progress.ts'
import { putTree } from '../trees/put-tree.ts'
import { parseServerPath, showPath } from '../command/server-path.ts'
import { reportTree } from '../trees/tree-report.ts'
import { patienceOf } from '../trees/tree-tools.ts'

/** A file above this size is sent as a stream. */
const wholeFileBytesMax = 1024 * 1024

const durabilities = ['buffered', 'logged', 'committed', 'mirrored'] as const

interface Flags extends ClientFlags {
  readonly recursive: boolean
  readonly durability?: (typeof durabilities)[number]
}

async function put(this: CliContext, flags: Flags, source: string, target: string): Promise<void> {
  if (source === '-' && flags.tokenFile === '-')
    throw new UserError(
      'standard input is either the content or the token: give the token by --token-file FILE',
    )
  const client = await clientFor(this, flags)
  if (flags.recursive) {
    if (flags.durability !== undefined)
      throw new UserError('--durability is for one file: a tree ends in a published CP')
    const { kind } = localStat(source, { follow: true })
    if (kind !== 'directory') throw new UserError(`${source}: is not a directory (leave out -r)`)
    const progress = startProgress(this, 'put', flags.json)
    const tools = { client, patience: patienceOf(this), progress }
    const report = await putTree(tools, source, parseServerPath(target)).finally(() => progress.end())
    reportTree(this, report, flags.json)
    return
  }
  const isInput = source === '-'
  if (isInput && target.endsWith('/'))
    throw new UserError('standard input has no name: end the target with one')
  const path = parseServerPath(target.endsWith('/') ? `${target}${basename(source)}` : target)
  const writing = { durability: flags.durability }
  const written = isInput ? await client.put(showPath(path), this.stdin(), writing) : await putFile()
  if (flags.json) printJson(this, written)
  else
    printLine(
      this,
      `${showName(showPath(path))}: ${formatBytes(written.size)}, cp ${written.cp}, ${written.durability}`,
    )

  async function putFile() {
    const { kind } = localStat(source, { follow: true })
    if (kind === 'directory') throw new UserError(`${source}: is a directory (use -r)`)
    if (kind !== 'file') throw new UserError(`${source}: is not a file (use - for what is piped)`)
    const file = LocalFile.open(source, source, { follow: true })
    try {
      const body = file.stat.size <= wholeFileBytesMax ? file.whole() : file.stream()
      const { mode, modified } = file.stat
      const contentType = contentTypeOf(source)
      const attributes = { mode, modified, ...(contentType === undefined ? {} : { contentType }) }
      return await client.put(showPath(path), body, { ...attributes, ...writing })
    } finally {
      file.close()
    }
  }
}

export const putCommand = buildCommand<Flags, [string, string], CliContext>({
  func: put,
  parameters: {
    flags: {
      ...clientFlags,
      recursive: {
        kind: 'boolean',
        brief: 'Put the content of a directory',
        default: false,
        withNegated: false,
      },
      durability: { kind: 'enum', values: durabilities, brief: 'What the answer waits for', optional: true },
    },
    aliases: { r: 'recursive' },
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'Local file or directory, - for standard input', parse: String, placeholder: 'SOURCE' },
        { brief: 'Path on the server', parse: String, placeholder: 'TARGET' },
      ],
    },
  },
  docs: { brief: 'Write a file, or a whole tree' },
})
