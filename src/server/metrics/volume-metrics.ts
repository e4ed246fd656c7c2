/** Counts what a volume publishes and logs; all of it happens at most once for each consistency point or log group. */
import type { CpPublished, RootSource } from '../../cp-engine/contract.ts'
import { Histogram } from '../../lib/histogram.ts'
import { counter, gauge, type Metric } from '../../lib/metric.ts'

const phaseNames = ['send', 'build', 'commit'] as const

export class VolumeMetrics {
  private readonly phases = phaseNames.map((phase) => ({ labels: { phase }, histogram: new Histogram() }))
  /** The causes are a closed list. */
  private readonly causes = new Map<string, number>()
  private writtenBytes = 0
  private coalesced = 0
  private readonly logSyncs = new Histogram()
  private loggedBytes = 0

  readonly logSynced = (ms: number, bytes: number): void => {
    this.logSyncs.observe(ms)
    this.loggedBytes += bytes
  }

  readonly published = ({ cause, phases, bytesWritten, coalesced }: CpPublished): void => {
    // A mirror receives while its primary sends and builds.
    for (const { labels, histogram } of this.phases)
      if (cause !== 'mirrored' || labels.phase === 'commit') histogram.observe(phases[labels.phase])
    this.causes.set(cause, (this.causes.get(cause) ?? 0) + 1)
    this.writtenBytes += bytesWritten
    this.coalesced += coalesced
  }

  /** Metrics of both roles. `keptCps` are the consistency points that readers keep. */
  metrics(source: Pick<RootSource, 'readable'>, keptCps: number): Metric[] {
    const readable = source.readable()
    return [
      gauge('stillpoint_published_cp', 'Newest published consistency point', readable.at(-1)?.root.cp ?? 0),
      gauge('stillpoint_readable_cps', 'Consistency points that can be read', readable.length),
      gauge('stillpoint_kept_cps', 'Readable consistency points that are kept for readers', keptCps),
      {
        kind: 'counter',
        name: 'stillpoint_cps_total',
        help: 'Consistency points that were published, by cause',
        samples: [...this.causes].map(([cause, value]) => ({ labels: { cause }, value })),
      },
      {
        kind: 'histogram',
        name: 'stillpoint_cp_phase_duration_seconds',
        help: 'Time of each phase of a consistency point; a mirror has `commit` alone',
        series: this.phases,
      },
      counter(
        'stillpoint_cp_written_bytes_total',
        'Bytes that consistency points have written to the block file',
        this.writtenBytes,
      ),
      counter(
        'stillpoint_cp_coalesced_writes_total',
        'Writes that were replaced by later ones before they left',
        this.coalesced,
      ),
    ]
  }

  /** Metrics of a primary alone: a mirror writes no log. */
  logMetrics(): Metric[] {
    return [
      {
        kind: 'histogram',
        name: 'stillpoint_log_sync_duration_seconds',
        help: 'Time to write and sync a group of the intent log',
        series: [{ labels: {}, histogram: this.logSyncs }],
      },
      counter(
        'stillpoint_log_written_bytes_total',
        'Bytes that were written to the intent log',
        this.loggedBytes,
      ),
    ]
  }
}
