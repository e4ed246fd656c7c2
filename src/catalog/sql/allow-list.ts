/**
 * The allow-list of a statement, by name: the views that its sender may read, and functions that neither reach outside nor
 * know anything of the machine. All else is denied.
 *
 * A statement is read twice, and each time an authorizer is asked:
 *
 * - first in a **shadow**, an empty database that has the public views as tables, and nothing besides. What the shadow
 *   does not have the statement cannot name, whatever it calls its own common table expressions;
 * - then in the catalog, where the tables behind those views are read, too.
 *
 * A column without a name means that SQLite only counts rows. SQLite gives no database then where the statement may mean
 * a common table expression of its own, and this is allowed unless the name is one of SQLite's.
 */
import { constants, DatabaseSync } from 'node:sqlite'
import { viewDescriptions } from '../descriptions.ts'
import { viewTables } from '../schema.ts'

type Authorizer = NonNullable<Parameters<DatabaseSync['setAuthorizer']>[0]>

const { SQLITE_OK, SQLITE_DENY } = constants

const functions: ReadonlySet<string> = new Set(
  `abs avg ceil ceiling char coalesce concat concat_ws count cume_dist date datetime dense_rank first_value floor
  format glob group_concat hex ifnull iif instr json json_array json_array_length json_extract json_group_array
  json_group_object json_object json_type json_valid lag last_value lead length like ln log lower ltrim max min mod
  nth_value ntile nullif octet_length percent_rank pow power printf quote rank replace round row_number rtrim sign sqrt
  strftime string_agg substr substring sum time timediff total trim trunc typeof unicode unixepoch upper -> ->>`.split(
    /\s+/,
  ),
)

/** An empty database with every public view as a table; `limits` are those of the statements that it reads. */
export function makeShadow(limits: NonNullable<ConstructorParameters<typeof DatabaseSync>[1]>['limits']) {
  const shadow = new DatabaseSync(':memory:', {
    allowExtension: false,
    defensive: true,
    enableDoubleQuotedStringLiterals: false,
    limits,
  })
  for (const [view, { columns }] of Object.entries(viewDescriptions))
    shadow.exec(
      `CREATE TABLE "${view}" (${Object.keys(columns)
        .map((name) => `"${name}"`)
        .join(', ')})`,
    )
  const modules = shadow.prepare('SELECT name FROM pragma_module_list').all()
  return { shadow, modules: new Set(modules.map(({ name }) => String(name).toLowerCase())) }
}

/** Tables that are made of an argument alone. */
const ofJson = ['json_each', 'json_tree'] as const

const isOfSqlite = (name: string): boolean => /^(?:sqlite|pragma)_/.test(name)

/** `names` are views, and in the catalog also the tables behind them, which a shadow does not have. */
function authorizer(names: readonly string[], modules: ReadonlySet<string>): Authorizer {
  const readable: ReadonlySet<string> = new Set([...names, ...ofJson])
  return (action, subject, detail, database) => {
    switch (action) {
      case constants.SQLITE_SELECT:
      case constants.SQLITE_RECURSIVE:
        return SQLITE_OK
      case constants.SQLITE_READ: {
        if (subject === null) return SQLITE_DENY
        if (readable.has(subject)) return SQLITE_OK
        const name = subject.toLowerCase()
        const isOwn = detail === '' && database === null && !modules.has(name) && !isOfSqlite(name)
        return isOwn && !Object.hasOwn(viewDescriptions, name) ? SQLITE_OK : SQLITE_DENY
      }
      case constants.SQLITE_FUNCTION:
        return detail !== null && functions.has(detail.toLowerCase()) ? SQLITE_OK : SQLITE_DENY
      default:
        return SQLITE_DENY
    }
  }
}

export const shadowAuthorizer = (views: readonly string[], modules: ReadonlySet<string>): Authorizer =>
  authorizer(views, modules)

export const catalogAuthorizer = (views: readonly string[], modules: ReadonlySet<string>): Authorizer =>
  authorizer([...views, ...views.flatMap((view) => viewTables[view] ?? [])], modules)
