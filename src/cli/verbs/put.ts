/** `put SOURCE TARGET`: writes a file, standard input (`-`), or with `-r` a tree. */
import { basename } from 'node:path'
import { buildCommand } from '@stricli/core'
import { UsageError, UserError } from '../../lib/user-error.ts'
import { type ClientFlags, clientFlags, clientFor, parseCount } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { LocalFile } from '../trees/local-file.ts'
import { contentTypeOf, localStat } from '../trees/local-stat.ts'
import { printJson, printLine, showName } from '../command/output.ts'
import { isMirrored, mirroredSecondsDefault } from '../trees/mirrored.ts'
import { formatBytes, startProgress } from '../trees/progress.ts'
import { retriesMax } from '../trees/patience.ts'
import { putInput } from '../trees/put-input.ts'
import { putTree } from '../trees/put-tree.ts'
import { parseServerPath, showPath } from '../command/server-path.ts'
import { reportTree } from '../trees/tree-report.ts'
import { atSignal, patienceOf } from '../trees/tree-tools.ts'

/** A file above this size is sent as a stream. */
const wholeFileBytesMax = 1024 * 1024

/** From the weakest on. */
const durabilities = ['buffered', 'logged', 'committed', 'mirrored'] as const

interface Flags extends ClientFlags {
  readonly recursive: boolean
  readonly durability?: (typeof durabilities)[number]
  readonly wait?: number
}

async function put(this: CliContext, flags: Flags, source: string, target: string): Promise<void> {
  if (source === '-' && flags.tokenFile === '-')
    throw new UsageError(
      'standard input is either the content or the token: give the token by --token-file FILE',
    )
  const client = await clientFor(this, flags)
  if (flags.recursive) {
    const { durability = 'committed', wait = mirroredSecondsDefault } = flags
    if (durability !== 'committed' && durability !== 'mirrored')
      throw new UsageError(
        'a tree ends in a published consistency point: its --durability is committed or mirrored',
      )
    const { kind } = localStat(source, { follow: true })
    if (kind !== 'directory') throw new UserError(`${source}: is not a directory (leave out -r)`)
    const progress = startProgress(this, 'put', flags.json)
    const tools = { client, patience: patienceOf(this), progress }
    const sending = async () => {
      const report = await putTree(tools, source, parseServerPath(target))
      if (durability !== 'mirrored') return { report, hasMirror: true }
      return { report, hasMirror: await isMirrored({ ...tools, clock: this.clock }, report.cp, wait) }
    }
    const { report, hasMirror } = await sending().finally(() => progress.end())
    reportTree(this, report, flags.json)
    if (!hasMirror)
      throw new UserError(
        `all of it is in consistency point ${report.cp} of the primary, and no mirror has that after ${wait} s: ` +
          'look at the mirrors (mirrors list), or wait longer (--wait SECONDS)',
      )
    return
  }
  const isInput = source === '-'
  if (isInput && target.endsWith('/'))
    throw new UsageError('standard input has no name: end the target with one')
  const path = parseServerPath(target.endsWith('/') ? `${target}${basename(source)}` : target)
  const writing = { durability: flags.durability, wait: flags.wait }
  const written = isInput ? await putPiped(this) : await putFile()
  if (flags.json) printJson(this, written)
  else
    printLine(
      this,
      `${showName(showPath(path))}: ${formatBytes(written.size)}, cp ${written.cp}, ${written.durability}`,
    )
  const asked = durabilities.indexOf(flags.durability ?? 'buffered')
  if (durabilities.indexOf(written.durability) < asked)
    throw new UserError(`stored, but only ${written.durability} in time, and not ${flags.durability}`)

  async function putPiped(context: CliContext) {
    const aborting = new AbortController()
    let exitCode: number | null = null
    // An upload that is given up removes what it has sent.
    atSignal(context, (code) => {
      exitCode = code
      aborting.abort(new UserError('interrupted'))
    })
    const tools = { client, patient: await clientFor(context, flags, retriesMax) }
    const { signal } = aborting
    try {
      return await putInput(tools, showPath(path), context.stdin(), { ...writing, signal })
    } catch (error) {
      if (exitCode !== null) context.exit(exitCode)
      throw error
    }
  }

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
      wait: {
        kind: 'parsed',
        parse: parseCount,
        placeholder: 'SECONDS',
        brief: `Wait so long for the durability (a tree: default ${mirroredSecondsDefault})`,
        optional: true,
      },
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
