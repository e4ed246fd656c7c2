/** Asks a catalog file as a sandbox does, without its process. */
import { describedViews } from '../../src/catalog/descriptions.ts'
import { askFile } from '../../src/catalog/sql/ask-file.ts'
import type { Question, SqlBounds } from '../../src/catalog/sql/question.ts'
import { sqlBoundsOffline } from '../../src/server/configuration/server-options.ts'

export const allViews: readonly string[] = describedViews.map(({ name }) => name)

export type Cell = string | number | null

/** The head of the answer, with the rows of an answer in JSON. */
export function ask(
  path: string,
  query: string,
  more: Partial<Question> & { readonly bounds?: Partial<SqlBounds> } = {},
) {
  const { bounds, ...question } = more
  const { head, rows } = askFile(
    { path, bounds: { ...sqlBoundsOffline, ...bounds } },
    { query, params: [], rowsMax: 1000, format: 'json', views: allViews, ...question },
  )
  return { head, text: Buffer.from(rows).toString() }
}

/** The rows of a query that is taken. */
export function rowsOf(path: string, query: string): Cell[][] {
  const { head, text } = ask(path, query)
  if (head.kind !== 'answer') throw new Error(JSON.stringify(head))
  return JSON.parse(text) as Cell[][]
}
