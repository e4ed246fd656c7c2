/** The smallest program that keeps the contract of the door for SQL: a query names the code that it brings about. */
import { describedViews } from '../../src/catalog/descriptions.ts'
import { encodeUtf8 } from '../../src/lib/bytes.ts'
import { type ErrorCode, errorCodes, StillpointError } from '../../src/lib/errors.ts'
import type { SqlDoor, SqlQuestion } from '../../src/routes/http/dependencies.ts'

export class FakeSql implements SqlDoor {
  readonly views = describedViews
  readonly asked: SqlQuestion[] = []
  /** Bytes of the rows of each answer. */
  body = '[[1]]'
  truncated = false
  /** Answers that were asked for, and have not been delivered. */
  places = 0

  constructor(private readonly cp: () => number) {}

  ask: SqlDoor['ask'] = async (question, _client, _left, deliver) => {
    this.asked.push(question)
    const code = question.query as ErrorCode
    if (Object.hasOwn(errorCodes, code)) throw new StillpointError(code, 'as it was asked for')
    const columns = [{ name: '1', type: 'integer' }]
    this.places++
    try {
      return await deliver({ cp: this.cp(), columns, truncated: this.truncated, body: encodeUtf8(this.body) })
    } finally {
      this.places--
    }
  }
}
