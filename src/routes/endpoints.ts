/** All endpoints of the contract, in the order of the OpenAPI documents. */
import { batchEndpoints } from './v1/batch.ts'
import { cpEndpoints } from './v1/cps.ts'
import { directoryEndpoints } from './v1/dirs.ts'
import { documentEndpoints } from './system/documents.ts'
import { eventEndpoints } from './v1/events.ts'
import { fileEndpoints } from './v1/files.ts'
import { healthEndpoints } from './system/health.ts'
import { mirrorEndpoints } from './v1/mirror.ts'
import { mirrorsEndpoints } from './v1/mirrors.ts'
import { moveEndpoints } from './v1/move.ts'
import type { Endpoint } from './http/endpoint.ts'
import { sqlEndpoints } from './v1/sql.ts'
import { statEndpoints } from './v1/stat.ts'
import { statusEndpoints } from './v1/status.ts'
import { tokenEndpoints } from './v1/tokens.ts'
import { withAccess } from './access-contract.ts'
import { withOpening } from './opening.ts'

const listed: readonly Endpoint[] = [
  ...fileEndpoints,
  ...statEndpoints,
  ...directoryEndpoints,
  ...moveEndpoints,
  ...batchEndpoints,
  ...cpEndpoints,
  ...sqlEndpoints,
  ...mirrorsEndpoints,
  ...mirrorEndpoints,
  ...tokenEndpoints,
  ...statusEndpoints,
  ...eventEndpoints,
  ...healthEndpoints,
  ...documentEndpoints,
]

export const endpoints = listed.map(withAccess).map(withOpening)
