/** The whole contract, in the order of the documents. */
import { batchOperations } from './v1/batch.ts'
import { cpOperations } from './v1/cps.ts'
import { directoryOperations } from './v1/dirs.ts'
import { documentOperations } from './system/documents.ts'
import { fileOperations } from './v1/files.ts'
import { healthOperations } from './system/health.ts'
import { mirrorOperations } from './v1/mirror.ts'
import { mirrorsOperations } from './v1/mirrors.ts'
import { moveOperations } from './v1/move.ts'
import type { Operation } from './http/endpoint.ts'
import { statOperations } from './v1/stat.ts'

export const operations: readonly Operation[] = [
  ...fileOperations,
  ...statOperations,
  ...directoryOperations,
  ...moveOperations,
  ...batchOperations,
  ...cpOperations,
  ...mirrorsOperations,
  ...mirrorOperations,
  ...healthOperations,
  ...documentOperations,
]
