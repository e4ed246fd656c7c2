/** `get SOURCE [TARGET]`: reads a file, to a name or to standard output (`-`), or with `-r` a tree. */
import { dirname, join } from 'node:path'
import { buildCommand } from '@stricli/core'
import { UsageError, UserError } from '../../lib/user-error.ts'
import {
  type ClientFlags,
  clientFlags,
  clientFor,
  type ReadingFlags,
  readingFlags,
} from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { getTree, receive, temporaryNames } from '../trees/get-tree.ts'
import { createTemporary, isAbsent, localStat } from '../trees/local-tree.ts'
import { printJson, printLine, showName, writeOut } from '../command/output.ts'
import { formatBytes, startProgress } from '../trees/progress.ts'
import { parseServerPath, showPath } from '../command/server-path.ts'
import { reportTree } from '../trees/tree-report.ts'

interface Flags extends ClientFlags, ReadingFlags {
  readonly recursive: boolean
}

async function get(this: CliContext, flags: Flags, source: string, target?: string): Promise<void> {
  const client = await clientFor(this, flags)
  const { cp, at, minCp, wait } = flags
  const reading = { cp, at, minCp, wait }
  const path = parseServerPath(source)
  if (flags.recursive) {
    if (target === undefined || target === '-') throw new UsageError('get -r needs a directory as TARGET')
    const progress = startProgress(this, 'get', flags.json)
    const report = await getTree(client, this, path, target, reading, progress).finally(() => progress.end())
    reportTree(this, report, flags.json)
    return
  }
  const name = path.at(-1)
  if (name === undefined) throw new UsageError('the root is a directory (use -r)')
  if (target === '-') {
    if (flags.json) throw new UsageError('--json and the content do not both fit standard output')
    await receive(client, path, reading, {}, (chunk) => writeOut(this, chunk))
    return
  }
  const local = await localName(target, name)
  const file = await createTemporary(dirname(local), temporaryNames(this.random)(), local)
  try {
    const {
      bytes,
      cp: readCp,
      etag,
      headers,
    } = await receive(client, path, reading, {}, (chunk) => file.write(chunk))
    await file.finish(attributesOf(headers))
    if (flags.json)
      printJson(this, {
        path: showPath(path),
        target: local,
        size: bytes,
        cp: readCp,
        etag,
      })
    else printLine(this, `${showName(local)}: ${formatBytes(bytes)}, cp ${readCp}`)
  } finally {
    await file.discard()
  }
}

/** A target that is a folder, or that ends in `/`, gets the file under the file's own name. */
async function localName(target: string | undefined, name: string): Promise<string> {
  if (target === undefined) return name
  if (target.endsWith('/')) return join(target, name)
  try {
    const { kind } = await localStat(target, { follow: true })
    return kind === 'directory' ? join(target, name) : target
  } catch (error) {
    if (isAbsent(error)) return target
    throw error
  }
}

function attributesOf(headers: Headers): { mode?: number; modified?: string } {
  const mode = headers.get('Stillpoint-Mode')
  const modified = headers.get('Stillpoint-Modified')
  if (mode !== null && !/^[0-7]{4}$/.test(mode))
    throw new UserError(`the server gave a mode that is none: ${JSON.stringify(mode)}`)
  return {
    ...(mode === null ? {} : { mode: Number.parseInt(mode, 8) }),
    ...(modified === null ? {} : { modified }),
  }
}

export const getCommand = buildCommand<Flags, [string, string?], CliContext>({
  func: get,
  parameters: {
    flags: {
      ...clientFlags,
      ...readingFlags,
      recursive: {
        kind: 'boolean',
        brief: 'Get the content of a directory',
        default: false,
        withNegated: false,
      },
    },
    aliases: { r: 'recursive' },
    positional: {
      kind: 'tuple',
      parameters: [
        { brief: 'Path on the server', parse: String, placeholder: 'SOURCE' },
        {
          brief: 'Local file or directory, - for standard output',
          parse: String,
          placeholder: 'TARGET',
          optional: true,
        },
      ],
    },
  },
  docs: { brief: 'Read a file, or a whole tree from one consistency point' },
})
