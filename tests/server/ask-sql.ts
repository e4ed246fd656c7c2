/** Questions in SQL to a server over HTTP. */
import type { Cell } from '../catalog/ask-catalog.ts'

export interface AskedSql {
  readonly params?: readonly (string | number | boolean | null)[]
  readonly maxRows?: number
  readonly minCp?: number
  readonly accept?: string
  readonly token?: string
  readonly signal?: AbortSignal
}

export function postSql(url: string, query: string, asked: AskedSql = {}): Promise<Response> {
  const { params, maxRows, minCp, accept, token, signal } = asked
  return fetch(`${url}/v1/sql${minCp === undefined ? '' : `?minCp=${minCp}&wait=30`}`, {
    method: 'POST',
    body: JSON.stringify({ query, params, maxRows }),
    headers: {
      'Content-Type': 'application/json',
      ...(accept === undefined ? {} : { Accept: accept }),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    ...(signal ? { signal } : {}),
  })
}

export interface SqlTable {
  readonly cp: number
  readonly columns: readonly { readonly name: string; readonly type: string | null }[]
  readonly rows: readonly (readonly Cell[])[]
  readonly truncated: boolean
}

/** Throws when the question is refused. */
export async function askSql(url: string, query: string, asked: AskedSql = {}): Promise<SqlTable> {
  const answer = await postSql(url, query, asked)
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as SqlTable
}

export interface SqlRefusal {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly limit?: string
  readonly most?: number
}

/** Throws when the question is answered. */
export async function refusedSql(url: string, query: string, asked: AskedSql = {}): Promise<SqlRefusal> {
  const answer = await postSql(url, query, asked)
  if (answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as SqlRefusal
}
