/**
 * `certificate`: makes a self-signed certificate and its key, for a first try. An operator who has a certificate of an
 * authority needs none of this. No file is ever replaced.
 */
import { buildCommand } from '@stricli/core'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf, systemCodeOf } from '../../lib/errors.ts'
import { UsageError, UserError } from '../../lib/user-error.ts'
import { makeSelfSigned } from '../../server/tls/self-signed.ts'
import { checkTlsPair } from '../../server/tls/tls-pair.ts'
import { jsonFlag } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { printJson, printLine } from '../command/output.ts'

interface Flags {
  readonly json: boolean
  readonly out: string
  readonly name?: readonly string[]
  readonly days: number
}

const loopbackNames = ['localhost', '127.0.0.1', '::1'] as const
const daysDefault = 365
const daysMax = 3650

async function certificate(this: CliContext, { json, out, name = [], days }: Flags): Promise<void> {
  const [first, ...rest] = [...new Set([...name, ...loopbackNames])]
  const { clock, random } = this
  const { cert, key } = await makeSelfSigned({ clock, random, names: [first!, ...rest], days })
  const files = { cert: join(out, 'tls-cert.pem'), key: join(out, 'tls-key.pem') }
  const { fingerprint } = checkTlsPair(cert, key, files)
  mkdirSync(out, { recursive: true })
  write(files.key, key, 0o600)
  try {
    write(files.cert, cert, 0o644)
  } catch (error) {
    rmSync(files.key)
    throw error
  }
  const names = [first!, ...rest]
  if (json) return printJson(this, { ...files, fingerprint, names, days })
  printLine(this, `certificate ${files.cert}`)
  printLine(this, `key ${files.key}`)
  printLine(this, `names ${names.join(' ')}`)
  printLine(this, `days ${days}`)
  printLine(this, `fingerprint sha256:${fingerprint}`)
}

function write(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode, flag: 'wx' })
    chmodSync(path, mode)
  } catch (error) {
    const code = systemCodeOf(error)
    const reason = code === 'EEXIST' ? 'it exists; move it away first' : reasonOf(error)
    throw new UserError(`cannot write ${path}: ${reason}`, { cause: error })
  }
}

function parseDays(text: string): number {
  const days = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (days >= 1 && days <= daysMax) return days
  throw new UsageError(`days are 1 to ${daysMax}`)
}

function parseName(text: string): string {
  const isAddress = text.includes(':') && URL.canParse(`http://[${text}]/`)
  if (isAddress || (/^[A-Za-z0-9.-]{1,253}$/.test(text) && URL.canParse(`http://${text}/`))) return text
  throw new UsageError('a name is a host name or an address, without a port')
}

export const certificateCommand = buildCommand<Flags, [], CliContext>({
  func: certificate,
  parameters: {
    flags: {
      ...jsonFlag,
      out: {
        kind: 'parsed',
        parse: String,
        placeholder: 'DIR',
        brief: 'Folder for tls-cert.pem and tls-key.pem',
        default: '.',
      },
      name: {
        kind: 'parsed',
        parse: parseName,
        placeholder: 'HOST',
        brief: 'Name or address of the server besides loopback; may be repeated',
        optional: true,
        variadic: true,
      },
      days: {
        kind: 'parsed',
        parse: parseDays,
        placeholder: 'DAYS',
        brief: `How long it is valid`,
        default: String(daysDefault),
      },
    },
  },
  docs: { brief: 'Make a self-signed certificate for a first try' },
})
