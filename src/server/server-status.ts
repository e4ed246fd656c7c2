/** The status of a server, as `GET /v1/status` shows it, from its volume. */
import type { Volume } from '../cp-engine/volume/volume.ts'
import { formatNumber } from '../format/features.ts'
import type { ServerStatus } from '../routes/http/dependencies.ts'

export const statusOfServer = (
  { superblock }: Volume,
  given: Pick<ServerStatus, 'startedMs' | 'space' | 'catalog'>,
): ServerStatus => ({
  epoch: superblock.epoch.number,
  opening: superblock.opening,
  format: formatNumber,
  ...given,
})
