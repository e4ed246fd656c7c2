/** Space of a volume, as `/v1/status` and the metrics say it. */
import type { CpEngine } from '../../cp-engine/cp-engine.ts'
import type { Volume } from '../../cp-engine/volume/volume.ts'
import { blockBytes } from '../../format/geometry.ts'
import type { VolumeFiles } from '../../fs/file-system.ts'
import { gauge, type Metric } from '../../lib/metric.ts'
import type { SpaceStatus } from '../../routes/http/dependencies.ts'

export function spaceOfPrimary(engine: CpEngine): SpaceStatus {
  const { writable, pending, used, max } = engine.space()
  return {
    usedBytes: used * blockBytes,
    freeBytes: Math.max(0, max - used) * blockBytes,
    writableBytes: writable * blockBytes,
    pendingBytes: pending * blockBytes,
    maxBytes: max * blockBytes,
    fileBytes: engine.volume.device.blockCount * blockBytes,
  }
}

/** A volume that takes no writes of clients. */
export function spaceOfImage(volume: Volume): SpaceStatus {
  const published = volume.currentOrNull()
  const used = published ? volume.retention.usedMap(published).count() * blockBytes : 0
  const max = published ? published.root.blocksMax * blockBytes : 0
  return {
    usedBytes: used,
    freeBytes: max - used,
    writableBytes: 0,
    pendingBytes: 0,
    maxBytes: max,
    fileBytes: volume.device.blockCount * blockBytes,
  }
}

export const spaceMetrics = (space: SpaceStatus): Metric[] => [
  gauge('stillpoint_used_bytes', 'Space in use', space.usedBytes),
  gauge('stillpoint_free_bytes', 'Space up to the limit of the volume', space.freeBytes),
  gauge(
    'stillpoint_writable_bytes',
    'Space that clients can write before the block file grows; 0 on a mirror',
    space.writableBytes,
  ),
  gauge(
    'stillpoint_pending_bytes',
    'Space that waits for a consistency point or a reader',
    space.pendingBytes,
  ),
  gauge('stillpoint_max_bytes', 'The volume never grows beyond this', space.maxBytes),
  gauge('stillpoint_file_bytes', 'Size of the block file', space.fileBytes),
]

export const fencedMetric = (isFenced: boolean): Metric =>
  gauge(
    'stillpoint_fenced',
    '1 when it takes no write: another primary has taken over, it is an older copy, or nothing can be written',
    isFenced ? 1 : 0,
  )

export function filesMetrics(files: Pick<VolumeFiles, 'pending'>): Metric[] {
  const { orphans, bytes } = files.pending()
  return [
    gauge(
      'stillpoint_deleted_pending',
      'Deleted files and directories whose space has not returned',
      orphans,
    ),
    gauge('stillpoint_deleted_pending_bytes', 'Their bytes, as far as they are known', bytes),
  ]
}
