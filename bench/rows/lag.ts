/** From the acknowledgement of a write to the moment when the mirror shows it. */
import { type Bench, type Contestant, metrics, type Scenario } from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { Histogram } from '../load/histogram.ts'
import { ask, type Pair, startPair, waitVisible } from '../servers/stillpoint.ts'
import { Background } from './background.ts'

const everyMs = 10
const bytes = 4096

export const lag: Scenario = {
  name: 'lag',
  rows: ({ lagWrites }) => [
    {
      id: 'mirror-lag',
      title: `from acknowledged (logged) to visible on the mirror, ${lagWrites} writes`,
      metrics: [metrics.p50, metrics.p99],
      subject: 'little load',
    },
  ],
  async open(bench) {
    const writer = await Generator.start(bench.workspace.processes)
    const pair = await startPair(bench, 1)
    const background = new Background(bench, writer, pair.primary)
    const quiet = measuring(bench, 'little load', pair, (work) => work())
    return [quiet, measuring(bench, 'full rate', pair, (work) => background.during(work))]
  },
}

function measuring(
  bench: Bench,
  name: string,
  { primary, mirrors }: Pair,
  run: (work: () => Promise<void>) => Promise<void>,
): Contestant {
  const mirror = mirrors[0]!
  return {
    name,
    role: 'stillpoint',
    async measure() {
      const histogram = new Histogram()
      await run(async () => {
        const visible = new Map<number, Promise<void>>()
        const waiting: Promise<void>[] = []
        for (let i = 0; i < bench.scale.lagWrites; i++) {
          const answer = await ask(`${primary.url}/v1/files/lag/f${i}`, {
            method: 'PUT',
            body: new Uint8Array(bytes).fill(7),
          })
          const acknowledged = performance.now()
          const cp = Number(answer.headers.get('Stillpoint-CP'))
          await answer.arrayBuffer()
          // One look for all writes of a CP.
          const seen = visible.get(cp) ?? waitVisible(mirror, cp)
          visible.set(cp, seen)
          waiting.push(seen.then(() => histogram.add(performance.now() - acknowledged)))
          await Bun.sleep(everyMs)
        }
        await Promise.all(waiting)
      })
      return { p50: histogram.percentile(0.5), p99: histogram.percentile(0.99) }
    },
    async close() {
      await primary.stop()
      await mirror.stop()
    },
  }
}
