/** The desk for questions in SQL, as the configuration wants it. */
import type { Clock } from '../lib/clock.ts'
import type { Refusals } from '../routes/limits/refusals.ts'
import type { KeptCatalog } from './catalog/kept-catalog.ts'
import { SqlDesk } from './catalog/sql-desk.ts'
import type { ServerConfiguration } from './configuration/configuration.ts'
import { catalogPath } from './volume-folder.ts'

export const openSqlDesk = (
  configuration: ServerConfiguration,
  { files }: KeptCatalog,
  refusals: Refusals,
  clock: Clock,
): SqlDesk =>
  new SqlDesk({
    path: catalogPath(configuration.data),
    bounds: {
      msMax: configuration.sqlMsMax,
      rowsMax: configuration.sqlRowsMax,
      answerBytesMax: configuration.sqlAnswerBytesMax,
      valueBytesMax: configuration.sqlValueBytesMax,
      memoryBytesMax: configuration.sqlMemoryBytesMax,
    },
    queriesMax: configuration.sqlQueriesMax,
    waitingMax: configuration.sqlWaitingMax,
    clock,
    files,
    refusals,
  })
