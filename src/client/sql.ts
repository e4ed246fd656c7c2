/**
 * Questions in SQL. An answer is believed when it is declared in the format that was asked for, and names a consistency
 * point that is no older than wished; in JSON, when each row has a value for each column.
 */
import { UserError } from '../lib/user-error.ts'
import type { Answer } from './answer.ts'
import type { Client } from './client.ts'
import { shaped, type Shape, type SqlSchema, type SqlTable, sqlAnswer, sqlSchema } from './shapes.ts'
import type { Reading, SqlWish } from './wishes.ts'

/** Largest answer that is read, in bytes; a server gives no larger rows (`--sql-answer-bytes-max`). */
const answerBytesMax = 80 * 2 ** 20

const types = { json: 'application/json', csv: 'text/csv', ndjson: 'application/x-ndjson' } as const
export type SqlText = Exclude<keyof typeof types, 'json'>

const senseless = (client: Client): UserError =>
  new UserError(`${client.url} gave an answer to something else: is it a Stillpoint server?`)

async function readText(client: Client, answer: Answer, format: keyof typeof types): Promise<string> {
  const [type] = (answer.headers.get('Content-Type') ?? '').toLowerCase().split(';')
  if (type?.trim() !== types[format]) {
    answer.cancel()
    throw senseless(client)
  }
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of answer.content()) {
    bytes += piece.length
    if (bytes > answerBytesMax) throw senseless(client)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

async function readJson<T>(client: Client, answer: Answer, shape: Shape<T>): Promise<T> {
  const text = await readText(client, answer, 'json')
  try {
    const found = shaped(shape, JSON.parse(text))
    if (found !== null) return found
  } catch {
    // The answer is no JSON.
  }
  throw senseless(client)
}

const question = (wish: SqlWish, format: keyof typeof types) => ({
  method: 'POST',
  path: '/v1/sql',
  body: JSON.stringify(wish),
  headers: { 'Content-Type': 'application/json', Accept: types[format] },
})

export async function askTable(client: Client, wish: SqlWish, reading: Reading): Promise<SqlTable> {
  const answer = await client.sql(question(wish, 'json'), reading)
  const table = await readJson(client, answer, sqlAnswer)
  if (table.cp === null || table.cp < (reading.minCp ?? 0)) throw senseless(client)
  return table
}

export async function askText(
  client: Client,
  wish: SqlWish,
  format: SqlText,
  reading: Reading,
): Promise<{ readonly text: string; readonly truncated: boolean }> {
  const answer = await client.sql(question(wish, format), reading)
  const text = await readText(client, answer, format)
  const cp = answer.headers.get('Stillpoint-CP') ?? ''
  const truncated = answer.headers.get('Stillpoint-Truncated') ?? ''
  if (!/^\d{1,16}$/.test(cp) || Number(cp) < (reading.minCp ?? 0) || !/^(?:true|false)$/.test(truncated))
    throw senseless(client)
  return { text, truncated: truncated === 'true' }
}

export async function askSchema(client: Client): Promise<SqlSchema['views']> {
  const answer = await client.sql({ method: 'GET', path: '/v1/sql/schema' }, {})
  return (await readJson(client, answer, sqlSchema)).views
}
