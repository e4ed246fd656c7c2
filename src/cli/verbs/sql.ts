/** `sql --data DIR QUERY`: runs one SELECT over the views of a volume's catalog, also while a server runs. */
import { buildCommand } from '@stricli/core'
import type { Value } from '../../catalog/read-only-query.ts'
import { toHex } from '../../lib/bytes.ts'
import { UserError } from '../../lib/user-error.ts'
import { jsonFlag } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { formatTable, printJson, showName } from '../command/output.ts'
import { environmentName } from '../../server/configuration/server-options.ts'
import { catalogPath } from '../../server/volume-folder.ts'

interface Flags {
  readonly json: boolean
  readonly data?: string
}

async function sql(this: CliContext, flags: Flags, query: string): Promise<void> {
  const data = flags.data ?? (this.process.env[environmentName('data')] || undefined)
  if (data === undefined) throw new UserError('--data DIR is needed')
  const { runReadOnlyQuery } = await import('../../catalog/read-only-query.ts')
  const { columns, rows, truncated } = runReadOnlyQuery(catalogPath(data), query)
  if (flags.json) printJson(this, { columns, rows: rows.map((row) => row.map(toJson)), truncated })
  else {
    this.process.stdout.write(
      formatTable(
        columns,
        rows.map((row) => row.map(toText)),
      ),
    )
    if (truncated) this.process.stderr.write(`only the first ${rows.length} rows\n`)
  }
}

/** An integer beyond 2^53 becomes a string of its digits: most readers of JSON would round a number of that size. */
const toJson = (value: Value): unknown =>
  typeof value === 'bigint' ? String(value) : value instanceof Uint8Array ? toHex(value) : value

const toText = (value: Value): string =>
  value === null ? '' : value instanceof Uint8Array ? toHex(value) : showName(String(value))

export const sqlCommand = buildCommand<Flags, [string], CliContext>({
  func: sql,
  parameters: {
    flags: {
      ...jsonFlag,
      data: {
        kind: 'parsed',
        parse: String,
        placeholder: 'DIR',
        brief: 'Folder of the volume',
        optional: true,
      },
    },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          brief: 'One SELECT over the views of the catalog (docs/sql.md)',
          parse: String,
          placeholder: 'QUERY',
        },
      ],
    },
  },
  docs: { brief: "Query a volume's catalog" },
})
