/** The numbers to reach: every target of the design, once. A row prints what it makes of its own. */
import type { Metric, Row } from './harness/contract.ts'
import type { ContestantResult } from './harness/runner.ts'
import { advantage } from './harness/statistics.ts'

export interface Target {
  readonly row: string
  readonly metric: string
  readonly of: string
  /** Of several the one that does worst. Nobody: the value itself is bounded. */
  readonly against: readonly string[]
  /** At least this many times as good; with nobody against it, at most this value. */
  readonly bound: number
  readonly says: string
  /** The size that it speaks of, as the row's title has it: at another size nothing is said. */
  readonly at?: string
}

/** Cost within a factor is an advantage of at least one by it. */
const within = (factor: number): number => 1 / factor

const [smallVolume, largeVolume] = ['10,000 files', '1,000,000 files']

export const targets: readonly Target[] = [
  {
    row: 'put-4k-64',
    metric: 'rate',
    of: 'stillpoint logged',
    against: ['bare'],
    bound: 0.7,
    says: 'PUT 4 KiB logged: 0.7 × bare',
  },
  {
    row: 'put-4k-64',
    metric: 'rate',
    of: 'stillpoint logged',
    against: ['nginx'],
    bound: 3,
    says: 'PUT 4 KiB logged: 3 × nginx',
  },
  {
    row: 'put-1g',
    metric: 'throughput',
    of: 'stillpoint logged',
    against: ['bare', 'fio'],
    bound: 0.8,
    says: 'PUT 1 GiB durable: 0.8 × the slower of bare and fio',
  },
  {
    row: 'get-4k-64',
    metric: 'rate',
    of: 'stillpoint',
    against: ['bare'],
    bound: 0.75,
    says: 'GET 4 KiB: 0.75 × bare',
  },
  {
    row: 'get-4k-64-one-core',
    metric: 'rate',
    of: 'stillpoint',
    against: ['nginx'],
    bound: 1,
    says: 'GET 4 KiB: level with nginx on one core each',
  },
  {
    row: 'get-4k-64-token',
    metric: 'rate',
    of: 'stillpoint with a token',
    against: ['stillpoint without tokens'],
    bound: 0.95,
    says: 'GET 4 KiB with a token: 0.95 × without',
  },
  ...(['put', 'get'] as const).map((method) => ({
    row: `views-${method}-4k-64`,
    metric: 'rate',
    of: 'stillpoint',
    against: ['stillpoint without views'],
    bound: 0.95,
    says: `${method.toUpperCase()} 4 KiB with views: 0.95 × without`,
  })),
  {
    row: 'get-1g',
    metric: 'throughput',
    of: 'stillpoint',
    against: ['nginx'],
    bound: 1,
    says: 'GET 1 GiB: level with nginx',
  },
  ...(['random', 'adjacent'] as const).map((how) => ({
    row: `growth-${how}`,
    metric: 'total',
    of: largeVolume,
    against: [smallVolume],
    bound: within(how === 'random' ? 1.5 : 1.2),
    says: `1,000 PUTs and their CP, ${how}: within ${how === 'random' ? '1.5' : '1.2'} × from 10,000 to 1,000,000 files`,
  })),
  {
    row: 'growth-random',
    metric: 'cp',
    of: largeVolume,
    against: [smallVolume],
    bound: within(3),
    says: 'the CP alone, random: within 3 × from 10,000 to 1,000,000 files',
  },
  {
    row: 'mirror-1-percent',
    metric: 'wire',
    of: 'stillpoint',
    against: ['btrfs'],
    bound: 1,
    says: '1 % changed: fewer bytes than btrfs send',
  },
  {
    row: 'mirror-1-percent',
    metric: 'time',
    of: 'stillpoint',
    against: ['rsync'],
    bound: 1,
    says: '1 % changed: sooner than rsync',
  },
  {
    row: 'mirror-1-percent',
    metric: 'time',
    of: 'stillpoint',
    against: ['btrfs'],
    bound: 1,
    says: '1 % changed: sooner than btrfs',
  },
  ...(['open-log', 'open-full-log'] as const).flatMap((row) => [
    {
      row,
      metric: 'time',
      of: largeVolume,
      against: [smallVolume],
      bound: within(1.3),
      says: 'open after kill -9: within 1.3 × from 10,000 to 1,000,000 files',
    },
    {
      row,
      metric: 'time',
      of: largeVolume,
      against: [],
      bound: row === 'open-log' ? 500 : 1500,
      says: `open after kill -9: under ${row === 'open-log' ? '0.5 s with 8 MiB of log' : '1.5 s with a full log'}`,
    },
  ]),
  {
    row: 'open-sparse',
    metric: 'time',
    of: '100 GiB',
    against: ['1 GiB'],
    bound: within(1.3),
    says: 'open after kill -9: within 1.3 × from 1 to 100 GiB',
  },
  {
    row: 'memory-files',
    metric: 'rss',
    of: 'stillpoint',
    against: [],
    bound: 512 * 2 ** 20,
    says: '1,000,000 files under 512 MiB',
    at: 'with 1,000,000 files',
  },
  {
    row: 'memory-upload',
    metric: 'rss',
    of: 'stillpoint',
    against: [],
    bound: 512 * 2 ** 20,
    says: 'a 10 GiB upload under 512 MiB',
    at: ' 10.00 GiB',
  },
]

export interface Verdict {
  readonly says: string
  /** Advantage over the worst of those against it, or the value where nobody is; null when it cannot be said. */
  readonly reached: number | null
  readonly bound: number
  readonly isRatio: boolean
  readonly holds: boolean | null
}

/** What the targets of a row make of its results. A target whose contestants are missing is undecided, and shown. */
export function judge(row: Row, contestants: readonly ContestantResult[]): Verdict[] {
  return targets
    .filter((target) => target.row === row.id)
    .map((target): Verdict => {
      const { says, bound } = target
      const isRatio = target.against.length > 0
      const undecided: Verdict = { says, reached: null, bound, isRatio, holds: null }
      const metric = row.metrics.find(({ name }) => name === target.metric)
      const median = (name: string): number | undefined =>
        contestants.find((contestant) => contestant.name === name)?.values[target.metric]?.median
      const own = median(target.of)
      const isOther = target.at !== undefined && !row.title.includes(target.at)
      if (metric === undefined || own === undefined || isOther) return undecided
      if (!isRatio) return { says, reached: own, bound, isRatio, holds: own <= bound }
      const others = target.against.map(median)
      if (others.some((other) => other === undefined)) return undecided
      const reached = advantage(metric, own, worstOf(metric, others as number[]))
      return { says, reached, bound, isRatio, holds: reached >= bound }
    })
}

const worstOf = (metric: Metric, values: readonly number[]): number =>
  metric.better === 'higher' ? Math.min(...values) : Math.max(...values)
