/**
 * `sql [QUERY]`: one SELECT over the views of the catalog, asked of a server; with `--data DIR`, of the file of a volume,
 * also while its server runs. `.schema [VIEW]`, or no query at all, names the views and their columns.
 */
import { buildCommand } from '@stricli/core'
import type { SqlAnswer, SqlSchema } from '../../../sdk/src/contract.ts'
import { shaped, sqlAnswer } from '../../../sdk/src/shapes.ts'
import type { SqlTextFormat } from '../../../sdk/src/sql.ts'
import { describedViews } from '../../catalog/descriptions.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { UsageError, UserError } from '../../lib/user-error.ts'
import { catalogPath } from '../../server/volume-folder.ts'
import { sqlBoundsOffline } from '../../server/configuration/server-options.ts'
import { type ClientFlags, clientFlags, clientFor, readingFlags } from '../command/common-flags.ts'
import type { CliContext } from '../command/context.ts'
import { formatTable, printJson, printLine, showName } from '../command/output.ts'

interface Flags extends ClientFlags {
  readonly csv: boolean
  readonly ndjson: boolean
  readonly param?: readonly string[]
  readonly data?: string
  readonly minCp?: number
  readonly wait?: number
}

/** `cp` is null while the files of a folder are those of no consistency point. */
type Table = Omit<SqlAnswer, 'cp'> & { readonly cp: number | null }

interface Asked {
  table(): Promise<Table>
  text(format: SqlTextFormat): Promise<{ readonly text: string; readonly truncated: boolean }>
}

async function sql(this: CliContext, flags: Flags, query = '.schema'): Promise<void> {
  const { json, csv, ndjson } = flags
  if (Number(json) + Number(csv) + Number(ndjson) > 1)
    throw new UsageError('one of --json, --csv and --ndjson, not several')
  const schemaOf = /^\s*\.schema(?:\s+(\w+))?\s*;?\s*$/.exec(query)
  if (schemaOf) return showSchema(this, flags, schemaOf[1])
  const asked =
    flags.data === undefined ? await askServer(this, flags, query) : askFile(this, flags, query, flags.data)
  let truncated: boolean
  if (csv || ndjson) {
    const answer = await asked.text(csv ? 'csv' : 'ndjson')
    // A program gets the characters that are there; text would be made harmless for a terminal.
    this.process.stdout.write(this.showsOutput ? answer.text : encodeUtf8(answer.text))
    truncated = answer.truncated
  } else {
    const table = await asked.table()
    if (json) printJson(this, table)
    else
      this.process.stdout.write(
        formatTable(
          namesOf(table),
          table.rows.map((row) => row.map(toText)),
        ),
      )
    truncated = table.truncated && !json
  }
  if (truncated) this.process.stderr.write('there are more rows than these\n')
}

const namesOf = ({ columns }: Table): string[] => columns.map(({ name }) => showName(name))
const toText = (value: string | number | null): string => (value === null ? '' : showName(String(value)))

async function askServer(context: CliContext, flags: Flags, query: string): Promise<Asked> {
  const client = await clientFor(context, flags)
  const { minCp, wait, param: params = [] } = flags
  const options = { params, minCp, wait }
  return {
    table: () => client.sql.ask(query, options),
    text: (format) => client.sql.askText(format, query, options),
  }
}

/** The same sandbox that a server has; whoever may read the file may read all of it. */
function askFile({ clock }: CliContext, { param: params = [] }: Flags, query: string, data: string): Asked {
  const ask = async (format: SqlTextFormat | 'json') => {
    const { recoverFile } = await import('../../catalog/sql/recover-file.ts')
    const { Sandbox } = await import('../../catalog/sql/sandbox.ts')
    const path = catalogPath(data)
    recoverFile(path)
    const sandbox = new Sandbox({ path, bounds: sqlBoundsOffline }, clock)
    try {
      const views = describedViews.map(({ name }) => name)
      return await sandbox.ask({ query, params, rowsMax: sqlBoundsOffline.rowsMax, format, views })
    } finally {
      await sandbox.close()
    }
  }
  return {
    async table() {
      const { cp, columns, truncated, body } = await ask('json')
      const table = shaped(sqlAnswer, {
        cp: cp ?? 0,
        columns,
        rows: JSON.parse(Buffer.from(body).toString()) as unknown,
        truncated,
      })
      if (table === null) throw new UserError('the process for queries gave no table')
      return { ...table, cp }
    },
    async text(format) {
      const { body, truncated } = await ask(format)
      return { text: Buffer.from(body).toString(), truncated }
    },
  }
}

async function showSchema(context: CliContext, flags: Flags, name: string | undefined): Promise<void> {
  const all: SqlSchema['views'] =
    flags.data === undefined ? await (await clientFor(context, flags)).sql.schema() : describedViews
  const views = all.filter((view) => name === undefined || view.name === name)
  if (views.length === 0) throw new UserError(`there is no view ${name}; .schema names all of them`)
  if (flags.json) return printJson(context, { views })
  for (const [at, { name: view, description, columns }] of views.entries()) {
    if (at > 0) printLine(context, '')
    printLine(context, `${showName(view)}: ${showName(description)}`)
    const rows = columns.map((column) => [column.name, column.type, column.description].map(showName))
    context.process.stdout.write(formatTable(['column', 'type', 'what it is'], rows))
  }
}

const format = (brief: string) => ({ kind: 'boolean', brief, default: false, withNegated: false }) as const

export const sqlCommand = buildCommand<Flags, [string?], CliContext>({
  func: sql,
  parameters: {
    flags: {
      ...clientFlags,
      csv: format('Answer with CSV'),
      ndjson: format('Answer with one JSON object a row'),
      param: {
        kind: 'parsed',
        parse: String,
        placeholder: 'TEXT',
        brief: 'Text for the next ? of the query; may be repeated',
        variadic: true,
        optional: true,
      },
      data: {
        kind: 'parsed',
        parse: String,
        placeholder: 'DIR',
        brief: 'Folder of a volume, whose catalog is asked without its server',
        optional: true,
      },
      minCp: readingFlags.minCp,
      wait: readingFlags.wait,
    },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          brief: 'One SELECT over the views (docs/sql.md), or .schema [VIEW], which names them',
          parse: String,
          placeholder: 'QUERY',
          optional: true,
        },
      ],
    },
  },
  docs: { brief: 'Ask in SQL about files, changes and consistency points' },
})
