/**
 * Bringing a second copy up to date: time and bytes on the wire, beside rsync over its own protocol and btrfs send.
 *
 * - Everybody has the same files and makes the same changes; `time` runs from the first change to the moment when the
 *   copy shows the last one and has it on disk, `after` from the last change.
 * - Copies are hashed after each row: all hold the same.
 */
import type { Absent, Bench, Contestant, Row, Sample, Scenario } from '../harness/contract.ts'
import { metrics } from '../harness/contract.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { orAbsent } from '../harness/contestants.ts'
import type { Change, Copied } from './copied.ts'
import { btrfsCopy, rsyncCopy } from './plain-copies.ts'
import { rawPost, stillpointCopy } from './stillpoint-copy.ts'

const burstFiles = 100

const list: Row['metrics'] = [metrics.time, { name: 'after', unit: 'ms', better: 'lower' }, metrics.wire]

export const mirrorSync: Scenario = {
  name: 'mirror sync',
  rows({ mirrorFiles, mirrorFileBytes, burstWrites }) {
    const files = `${mirrorFiles.toLocaleString('en-US')} files of ${mirrorFileBytes / 1024} KiB`
    return [
      {
        id: 'mirror-first-copy',
        title: `first copy of ${files}`,
        metrics: [metrics.time, metrics.wire],
        roundsMax: 3,
      },
      { id: 'mirror-1-percent', title: `1 % of ${files} changed by 4 KiB each`, metrics: list },
      { id: 'mirror-1-byte', title: `one byte changed in one of ${files}`, metrics: list },
      {
        id: 'mirror-burst',
        title: `${burstWrites.toLocaleString('en-US')} writes of 4 KiB to ${burstFiles} files`,
        metrics: list,
      },
    ]
  },
  async open(bench) {
    const own = await stillpointCopy(bench)
    await own.fill()
    const filled = async (copied: Copied | Absent): Promise<Copied | Absent> => {
      if (!('absent' in copied)) await copied.fill()
      return copied
    }
    const others = [
      await orAbsent({ name: 'rsync', role: 'rival' }, async () => filled(await rsyncCopy(bench))),
      await orAbsent({ name: 'btrfs', role: 'rival' }, async () => filled(await btrfsCopy(bench))),
    ]
    return [
      contestantOf(bench, own),
      ...others.map((one) => ('absent' in one ? one : contestantOf(bench, one))),
      await rawPost(bench),
    ]
  },
}

function contestantOf({ scale }: Bench, copied: Copied): Contestant {
  return {
    name: copied.name,
    role: copied.role,
    async measure(row, round): Promise<Sample> {
      if (row.id === 'mirror-first-copy') {
        const { wire, ms } = await copied.firstCopy()
        return { time: ms, wire }
      }
      // What came before has arrived.
      await (await copied.sync()).wire()
      const changes = changesOf(row, round, scale.mirrorFiles, scale.mirrorFileBytes)
      const began = performance.now()
      if (changes === null) await copied.burst(burstFiles, scale.burstWrites)
      else await copied.change(changes)
      const changed = performance.now()
      const { wire } = await copied.sync()
      const ended = performance.now()
      return { time: ended - began, after: ended - changed, wire: await wire() }
    },
    state: () => copied.hash(),
    close: () => copied.close(),
  }
}

/** The same for everybody; null is the burst. */
function changesOf(row: Row, round: number, files: number, bytes: number): readonly Change[] | null {
  const random = seededRandom(round + 1)
  switch (row.id) {
    case 'mirror-1-percent':
      return Array.from({ length: Math.max(1, Math.round(files / 100)) }, (_, i) => ({
        // A hundred apart, so that no file comes twice.
        key: Math.min(files - 1, i * 100 + random.below(100)),
        offset: 4096 * random.below(bytes / 4096),
        bytes: 4096,
        version: 1000 + round,
      }))
    case 'mirror-1-byte':
      return [{ key: random.below(files), offset: random.below(bytes), bytes: 1, version: 2000 + round }]
    default:
      return null
  }
}
