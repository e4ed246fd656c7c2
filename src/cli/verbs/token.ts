/**
 * `token create|list|revoke`: the tokens of a server; `token new` makes an administrator's token for `--admin-token-file`.
 * A token is shown once, on standard output or in a new file, and is never taken from an argument.
 */
import { writeFileSync } from 'node:fs'
import { buildCommand } from '@stricli/core'
import { makeToken } from '../../access/token.ts'
import { reasonOf } from '../../lib/errors.ts'
import { UserError } from '../../lib/user-error.ts'
import { type ClientFlags, clientFlags, clientFor, jsonFlag } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { formatTable, printJson, printLine, showName } from '../command/output.ts'
import { parseServerPath, showPath } from '../command/server-path.ts'

const roles = ['reader', 'writer', 'monitor', 'admin'] as const

interface CreateFlags extends ClientFlags {
  readonly role: (typeof roles)[number]
  readonly prefix?: string
  readonly expires?: string
}

async function create(this: CliContext, flags: CreateFlags, name: string): Promise<void> {
  const { role, prefix, expires } = flags
  const { administration } = await clientFor(this, flags)
  const made = await administration.createToken({
    name,
    role,
    ...(prefix === undefined ? {} : { prefix: showPath(parseServerPath(prefix)) }),
    ...(expires === undefined ? {} : { expiresAt: expires }),
  })
  if (flags.json) return printJson(this, made)
  printLine(this, made.token)
  this.process.stderr.write(`token ${made.id}: keep the line above, nothing shows it again\n`)
}

async function list(this: CliContext, flags: ClientFlags): Promise<void> {
  const items = await (await clientFor(this, flags)).administration.tokens()
  if (flags.json) return printJson(this, { items })
  this.process.stdout.write(
    formatTable(
      ['id', 'role', 'prefix', 'expires', 'last used', 'name'],
      items.map(({ id, role, prefix, expiresAt, lastUsed, name }) => [
        id,
        role,
        showName(`/${prefix}`),
        expiresAt ?? 'never',
        lastUsed ?? '-',
        showName(name),
      ]),
    ),
  )
}

async function revoke(this: CliContext, flags: ClientFlags, id: string): Promise<void> {
  const revoked = await (await clientFor(this, flags)).administration.revokeToken(id)
  if (flags.json) printJson(this, revoked)
  const { unconfirmed } = revoked
  if (unconfirmed.length > 0)
    throw new UserError(
      `revoked, but these mirrors take the token until they hear of it: ${unconfirmed.map(showName).join(', ')}`,
    )
}

function makeNew(this: CliContext, flags: { readonly json: boolean }, file: string): void {
  const { id, token } = makeToken(this.random)
  try {
    // A file that exists may be readable by others, or be the key of a running server.
    writeFileSync(file, `${token}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    throw new UserError(`cannot make ${file}: ${reasonOf(error)}`, { cause: error })
  }
  if (flags.json) printJson(this, { id, file })
  else printLine(this, `${showName(file)}: token ${id}, for --admin-token-file and --token-file`)
}

export const tokenVerbs = {
  create: buildCommand<CreateFlags, [string], CliContext>({
    func: create,
    parameters: {
      flags: {
        ...clientFlags,
        role: { kind: 'enum', values: roles, brief: 'What the token may do' },
        prefix: {
          kind: 'parsed',
          parse: String,
          placeholder: 'PATH',
          brief: 'Only this path and all below it, of a reader or a writer',
          optional: true,
        },
        expires: {
          kind: 'parsed',
          parse: String,
          placeholder: 'TIME',
          brief: 'Until when the token opens anything (RFC 3339)',
          optional: true,
        },
      },
      positional: {
        kind: 'tuple',
        parameters: [{ brief: 'Words for people', parse: String, placeholder: 'NAME' }],
      },
    },
    docs: { brief: 'Make a token and show it, once' },
  }),
  list: buildCommand<ClientFlags, [], CliContext>({
    func: list,
    parameters: { flags: clientFlags },
    docs: { brief: 'List the tokens, without what is secret' },
  }),
  revoke: buildCommand<ClientFlags, [string], CliContext>({
    func: revoke,
    parameters: {
      flags: clientFlags,
      positional: {
        kind: 'tuple',
        parameters: [{ brief: 'Id of the token', parse: String, placeholder: 'ID' }],
      },
    },
    docs: { brief: 'Revoke a token, on the mirrors too' },
  }),
  new: buildCommand<{ readonly json: boolean }, [string], CliContext>({
    func: makeNew,
    parameters: {
      flags: jsonFlag,
      positional: {
        kind: 'tuple',
        parameters: [
          { brief: 'File to make, which only its owner may use', parse: String, placeholder: 'FILE' },
        ],
      },
    },
    docs: { brief: "Make an administrator's token for --admin-token-file" },
  }),
}
