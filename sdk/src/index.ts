/** Exports of the package `@stillpoint/client`. */
export { Administration } from './administration.ts'
export type { BatchStep } from './batch-step.ts'
export { Client, type GetOptions, type PutOptions } from './client.ts'
export { ClientError, type ClientErrorCode, isClientError, type ServerCode } from './client-error.ts'
export type { Content } from './content.ts'
export type * from './contract.ts'
export type { ClientOptions } from './options.ts'
export type { Source } from './parts.ts'
export { type CreateHash, RemoteFile } from './remote-file.ts'
export type { Sql, SqlOptions, SqlParameter, SqlText, SqlTextFormat } from './sql.ts'
export type { Timers } from './timers.ts'
export { Unsettled } from './unsettled.ts'
export type { Fetch } from './transport.ts'
export type { UploadOptions } from './upload.ts'
export type {
  Abortable,
  Conditions,
  PageOptions,
  Progress,
  Range,
  Reading,
  SentAttributes,
  Watched,
  Writing,
} from './wishes.ts'
