/** `mirrors list | add URL | rm ID`: the mirrors of a primary. */
import { buildCommand, buildRouteMap } from '@stricli/core'
import type { Mirror } from '../../../sdk/src/contract.ts'
import { type ClientFlags, clientFlags, clientFor } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { printJson, printLine, showName } from '../command/output.ts'
import { UsageError } from '../../lib/user-error.ts'
import { readPrivateFile } from '../../server/configuration/secret-file.ts'
import { mirrorTable } from './mirror-table.ts'

async function list(this: CliContext, flags: ClientFlags): Promise<void> {
  const items = await (await clientFor(this, flags)).administration.mirrors()
  if (flags.json) printJson(this, { items })
  else this.process.stdout.write(mirrorTable(items, true))
}

/** A pairing code with white space around it. */
const codeFileLimits = { what: 'code file', bytesMax: 4096 }

interface AddFlags extends ClientFlags {
  readonly codeFile?: string
}

async function add(this: CliContext, flags: AddFlags, url: string): Promise<void> {
  const { codeFile, tokenFile } = flags
  if (codeFile === '-' && tokenFile === '-')
    throw new UsageError('standard input has the code or the token: give a file for the other one')
  const code = codeFile === undefined ? undefined : await readCode(this, codeFile)
  const added = await (await clientFor(this, flags)).administration.addMirror(url, code)
  if (flags.json) printJson(this, added)
  else printLine(this, describe(added))
}

/** A code is no argument: every user of a machine sees the arguments of all processes. */
async function readCode(context: CliContext, file: string): Promise<string> {
  const content =
    file === '-' ? await new Response(context.stdin()).text() : readPrivateFile(file, codeFileLimits)
  return content.trim()
}

function describe({ id, url, state, needs }: Mirror): string {
  const who = `${showName(id)}  ${showName(url)}`
  if (state !== 'away') return `${who}  ${showName(state)}`
  return `${who}  not reached yet, and tried again${needs === null ? '' : ` (${showName(needs)})`}`
}

async function rm(this: CliContext, flags: ClientFlags, id: string): Promise<void> {
  await (await clientFor(this, flags)).administration.removeMirror(id)
  if (flags.json) printJson(this, { removed: id })
}

const one = <const P extends string>(placeholder: P, brief: string) =>
  ({ kind: 'tuple', parameters: [{ brief, parse: String, placeholder }] }) as const

const listCommand = buildCommand<ClientFlags, [], CliContext>({
  func: list,
  parameters: { flags: clientFlags },
  docs: { brief: 'List the mirrors of a primary' },
})

const addCommand = buildCommand<AddFlags, [string], CliContext>({
  func: add,
  parameters: {
    flags: {
      ...clientFlags,
      codeFile: {
        kind: 'parsed',
        parse: String,
        placeholder: 'FILE',
        brief: 'File with the pairing code that the mirror shows when it starts, - for standard input',
        optional: true,
      },
    },
    positional: one('URL', 'Address of the mirror'),
  },
  docs: { brief: 'Keep a mirror up to date from now on' },
})

const rmCommand = buildCommand<ClientFlags, [string], CliContext>({
  func: rm,
  parameters: { flags: clientFlags, positional: one('ID', 'Id of the mirror, from the list') },
  docs: { brief: 'Forget a mirror, and release what is held for it' },
})

export const mirrorsCommand = buildRouteMap({
  routes: { list: listCommand, add: addCommand, rm: rmCommand },
  docs: { brief: 'List, add and remove the mirrors of a primary' },
})
