/** `get SOURCE [TARGET]`: reads a file, to a name or to standard output (`-`), or with `-r` a tree. */
import { realpathSync } from 'node:fs'
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
import { getTree } from '../trees/get-tree.ts'
import { isAbsent, named } from '../trees/local-errors.ts'
import { localStat } from '../trees/local-stat.ts'
import { printJson, printLine, showName, writeOut } from '../command/output.ts'
import { retriesMax } from '../trees/patience.ts'
import { formatBytes, startProgress } from '../trees/progress.ts'
import { receive } from '../trees/received-content.ts'
import { parseServerPath, showPath } from '../command/server-path.ts'
import { reportTree } from '../trees/tree-report.ts'
import { patienceOf, temporariesOf } from '../trees/tree-tools.ts'
import { WrittenFile } from '../trees/written-file.ts'

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
    const patient = await clientFor(this, flags, retriesMax)
    const temporaries = temporariesOf(this)
    const patience = patienceOf(this)
    const tools = { client, patience, patient, progress, clock: this.clock, temporaries }
    const report = await getTree(tools, path, target, reading).finally(() => progress.end())
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
  const local = localName(target, name)
  const temporaries = temporariesOf(this)
  const reached = ownName(local)
  const temporary = join(dirname(reached), temporaries.newName())
  const file = WrittenFile.create({ reached, temporary, path: local }, temporaries)
  try {
    const {
      bytes,
      cp: readCp,
      etag,
      headers,
    } = await receive(client, path, reading, {}, (chunk) => file.write(chunk))
    file.finish(attributesOf(headers))
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
    file.discard()
  }
}

/** A target that is a folder, or that ends in `/`, gets the file under the file's own name. */
function localName(target: string | undefined, name: string): string {
  if (target === undefined) return name
  if (target.endsWith('/')) return join(target, name)
  try {
    const { kind } = localStat(target, { follow: true })
    return kind === 'directory' ? join(target, name) : target
  } catch (error) {
    if (isAbsent(error)) return target
    throw error
  }
}

/** A link to a file stays, and the file gets the content. */
function ownName(local: string): string {
  try {
    const { kind } = localStat(local, { follow: false })
    return kind === 'link' ? named(local, () => realpathSync(local)) : local
  } catch (error) {
    if (isAbsent(error)) return local
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
