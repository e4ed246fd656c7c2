/** The whole contract, in the order of the documents. */
import { batchOperations } from './batch.ts'
import { cpOperations } from './cps.ts'
import { directoryOperations } from './dirs.ts'
import { documentOperations } from './documents.ts'
import { fileOperations } from './files.ts'
import { healthOperations } from './health.ts'
import { mirrorOperations } from './mirror.ts'
import { mirrorsOperations } from './mirrors.ts'
import { moveOperations } from './move.ts'
import type { Operation } from './operation.ts'
import { statOperations } from './stat.ts'

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
