/** How far mirrors are: as a primary knows of each of them, and as a mirror measures by itself. */
import type { PrimaryVolume, RootSource } from '../../cp-engine/contract.ts'
import { blockBytes } from '../../format/geometry.ts'
import { counter, gauge, type Labels, type Metric } from '../../lib/metric.ts'
import type { MirrorApplier } from '../../replica/mirror/mirror-applier.ts'
import type { MirrorStanding } from '../../replica/primary/mirrors.ts'
import { mirrorStates, type OwnStatus } from '../../routes/http/dependencies.ts'

interface MembersParts {
  readonly source: Pick<RootSource, 'current'>
  readonly primary: Pick<PrimaryVolume, 'held' | 'differenceBlocks'>
  /** The last operation that was applied. */
  sequence(): number
}

/** One sample for each mirror. */
export function membersMetrics(standings: readonly MirrorStanding[], parts: MembersParts): Metric[] {
  const { source, primary } = parts
  const current = source.current()
  const sequence = parts.sequence()
  const lagBytes = ({ base }: MirrorStanding): number => {
    if (base === current) return 0
    const known = base !== null && primary.held(base) !== null ? base : null
    return primary.differenceBlocks(current, known) * blockBytes
  }
  const each = (
    kind: 'gauge' | 'counter',
    name: string,
    help: string,
    valueOf: (standing: MirrorStanding) => number,
  ): Metric => ({
    kind,
    name,
    help,
    samples: standings.map((standing) => ({ labels: labelsOf(standing), value: valueOf(standing) })),
  })
  return [
    {
      kind: 'gauge',
      name: 'stillpoint_mirror_state',
      help: 'For each mirror of this primary 1 at the state that it is in, and 0 at the others',
      samples: standings.flatMap((standing) => stateSamples(standing.state, labelsOf(standing))),
    },
    each('gauge', 'stillpoint_mirror_cp', 'Newest consistency point that the mirror has', (m) => m.cp ?? 0),
    each('gauge', 'stillpoint_mirror_lag_cps', 'Consistency points that the mirror lacks', (m) => m.lagCps),
    each(
      'gauge',
      'stillpoint_mirror_lag_seconds',
      'Time since the publication of the first consistency point that the mirror lacks',
      (m) => m.lagMs / 1000,
    ),
    each(
      'gauge',
      'stillpoint_mirror_lag_bytes',
      'Bytes of the blocks of the newest consistency point that the mirror lacks',
      lagBytes,
    ),
    each(
      'gauge',
      'stillpoint_mirror_lag_writes',
      'Operations that were acknowledged here and that the mirror lacks, those of the open consistency point included',
      ({ base }) => sequence - (base?.root.sequence ?? 0),
    ),
    each(
      'counter',
      'stillpoint_mirror_sent_bytes_total',
      'Bytes of blocks and patches that were sent to the mirror',
      (m) => m.sentBytes,
    ),
  ]
}

/** The mirror's own numbers. */
export function ownMetrics(
  applier: MirrorApplier,
  { state, lastSeenMs }: OwnStatus,
  nowMs: number,
): Metric[] {
  const { lagCps, lagMs, bytes, operations } = applier.ownLag()
  const { receivedBytes } = applier.status()
  const silent = lastSeenMs === null ? [] : [{ labels: {}, value: Math.max(0, nowMs - lastSeenMs) / 1000 }]
  return [
    {
      kind: 'gauge',
      name: 'stillpoint_own_state',
      help: 'On a mirror: 1 at the state that it is in, and 0 at the others',
      samples: stateSamples(state, {}),
    },
    gauge('stillpoint_own_lag_cps', 'On a mirror: consistency points of its primary that it lacks', lagCps),
    gauge(
      'stillpoint_own_lag_seconds',
      'On a mirror: time since it has first heard of a consistency point that it lacks',
      lagMs / 1000,
    ),
    gauge('stillpoint_own_lag_bytes', 'On a mirror: bytes of the offered root that are still to come', bytes),
    gauge(
      'stillpoint_own_lag_writes',
      'On a mirror: operations of the offered root that it lacks',
      operations,
    ),
    {
      kind: 'gauge',
      name: 'stillpoint_primary_silent_seconds',
      help: 'On a mirror: time since its primary was heard; absent before that',
      samples: silent,
    },
    counter(
      'stillpoint_mirror_received_bytes_total',
      'On a mirror: bytes of blocks and patches that came from its primary',
      [...receivedBytes.values()].reduce((sum, received) => sum + received, 0),
    ),
  ]
}

const labelsOf = ({ id, url }: MirrorStanding): Labels => ({ mirror: id, url })

const stateSamples = (now: string, labels: Labels) =>
  mirrorStates.map((state) => ({ labels: { ...labels, state }, value: state === now ? 1 : 0 }))
