/**
 * Questions in SQL about the metadata of a volume. A read like others: of the primary or of a mirror, and of no older state
 * than the client has seen.
 *
 * An answer is believed when it is declared in the format that was asked for, and names a consistency point that is no older
 * than wished; in JSON, when each row has a value for each column.
 */
import type { Answer } from './answer.ts'
import { concat, decodeUtf8 } from './bytes.ts'
import type { SqlAnswer, SqlSchema } from './contract.ts'
import { cpOf, type Servers } from './servers.ts'
import { sqlAnswer, sqlSchema } from './shapes.ts'
import { jsonBody, type RequestQuery, type Transport } from './transport.ts'
import type { Abortable, Reading } from './wishes.ts'

/** Largest answer that is read, in bytes; no server gives larger rows (`--sql-answer-bytes-max`). */
const answerBytesMax = 80 * 2 ** 20

const mediaTypes = { csv: 'text/csv', ndjson: 'application/x-ndjson' } as const
export type SqlTextFormat = keyof typeof mediaTypes
export type SqlParameter = string | number | boolean | null

export interface SqlOptions extends Pick<Reading, 'minCp' | 'wait' | 'signal'> {
  /** Values of the parameters `?`, in their order. */
  readonly params?: readonly SqlParameter[] | undefined
  /** Rows of the answer at most; `truncated` says whether there were more. */
  readonly maxRows?: number | undefined
}

export interface SqlText {
  readonly cp: number
  readonly text: string
  readonly truncated: boolean
}

export class Sql {
  constructor(private readonly servers: Servers) {}

  /** One SELECT over the views that `schema` names. Throws `bad-sql`, `sql-limit` and `catalog-unready`, among others. */
  ask(query: string, options: SqlOptions = {}): Promise<SqlAnswer> {
    return this.read(options, async (transport, wished) => {
      const asked = this.asked(query, options, wished, 'application/json')
      const found = await transport.json(sqlAnswer, { ...asked, bytesMax: answerBytesMax })
      transport.expect(isOfCp(found.cp, wished))
      transport.expect(found.rows.every(({ length }) => length === found.columns.length))
      return this.servers.saw(found)
    })
  }

  /** The rows as text: CSV with a line of names, or one JSON object a line. */
  askText(format: SqlTextFormat, query: string, options: SqlOptions = {}): Promise<SqlText> {
    return this.read(options, async (transport, wished) => {
      const type = mediaTypes[format]
      const answer = await transport.request(this.asked(query, options, wished, type))
      const truncated = answer.headers.get('Stillpoint-Truncated') ?? ''
      const cp = cpOf(answer)
      try {
        transport.expect(isOfType(answer, type) && /^(?:true|false)$/.test(truncated) && isOfCp(cp, wished))
        const text = await wholeText(answer, transport)
        return this.servers.saw({ cp, text, truncated: truncated === 'true' })
      } catch (error) {
        answer.cancel()
        throw error
      }
    })
  }

  /** The views that this client may ask, and their columns. */
  async schema({ signal }: Abortable = {}): Promise<SqlSchema['views']> {
    const { views } = await this.read({ signal }, (transport) =>
      transport.json(sqlSchema, { method: 'GET', address: '/v1/sql/schema', signal }),
    )
    return views
  }

  private read<T>(
    { minCp, wait, signal }: SqlOptions,
    use: (transport: Transport, wished: RequestQuery) => Promise<T>,
  ): Promise<T> {
    return this.servers.read({ minCp, wait, signal }, ({ transport }, wished) => use(transport, wished))
  }

  private asked(
    query: string,
    { params, maxRows, signal }: SqlOptions,
    wished: RequestQuery,
    accept: string,
  ) {
    const { body, headers } = jsonBody({ query, params, maxRows })
    const address = '/v1/sql'
    return { method: 'POST', address, query: wished, body, headers: { ...headers, Accept: accept }, signal }
  }
}

const isOfCp = (cp: number, wished: RequestQuery): boolean => cp >= Number(wished['minCp'] ?? 0)

const isOfType = ({ headers }: Answer, type: string): boolean =>
  (headers.get('Content-Type') ?? '').toLowerCase().split(';')[0]!.trim() === type

/** An answer that is cut is no answer. */
async function wholeText(answer: Answer, transport: Transport): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of answer.content()) {
    bytes += piece.length
    transport.expect(bytes <= answerBytesMax)
    pieces.push(piece)
  }
  return decodeUtf8(concat(pieces))
}
