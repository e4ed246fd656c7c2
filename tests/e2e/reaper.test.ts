/** Showcase 8: a large directory goes at once, its space returns in steps, and nobody else waits for it. */
import { expect, test } from 'bun:test'
import { checkVolume } from '../../tools/live/command.ts'
import {
  becomes,
  gauge,
  isFull,
  live,
  mebibytes,
  put,
  putTogether,
  rssBytesMax,
  settle,
  testMsMax,
} from './live.ts'

const { pair: startPair } = live()
const files = isFull ? 300_000 : 20_000
const filesOfBatch = 1000

test(
  `a directory of ${files} files is deleted while other requests go on`,
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    await put(primary.url, 'kept', 'kept')
    await settle(pair)
    const before = await gauge(primary.url, 'used_bytes')
    const text = 'x'.repeat(1500)
    const batch = (from: number): Promise<void> =>
      putTogether(
        primary.url,
        Array.from({ length: filesOfBatch }, (_, i) => ({
          path: `large/${(from + i) % 7}/f${from + i}`,
          text: `${from + i} ${text}`,
        })),
      )
    for (let from = 0; from < files; from += 4 * filesOfBatch)
      await Promise.all(
        [0, 1, 2, 3]
          .filter((i) => from + i * filesOfBatch < files)
          .map((i) => batch(from + i * filesOfBatch)),
      )
    await settle(pair)
    expect((await gauge(primary.url, 'used_bytes')) - before).toBeGreaterThan(files * 1500)

    const began = performance.now()
    const deleted = await fetch(`${primary.url}/v1/dirs/large?recursive=true`, { method: 'DELETE' })
    expect(deleted.status).toBe(204)
    const deleteMs = performance.now() - began
    expect((await fetch(`${primary.url}/v1/dirs/large`)).status).toBe(404)

    const latencies: number[] = []
    const probe = async (): Promise<boolean> => {
      const at = performance.now()
      await put(primary.url, `probe/${latencies.length % 50}`, 'probe')
      expect(await (await fetch(`${primary.url}/v1/files/kept`)).text()).toBe('kept')
      latencies.push(performance.now() - at)
      return (await gauge(primary.url, 'deleted_pending')) === 0
    }
    expect(await becomes(probe, testMsMax - 20_000, 5)).toBeTrue()
    latencies.sort((a, b) => a - b)
    // Bounded, on a machine that runs other tests as well.
    expect(deleteMs).toBeLessThan(2000)
    expect(latencies[Math.floor(latencies.length * 0.5)]).toBeLessThan(500)
    expect(latencies.at(-1)).toBeLessThan(5000)

    const returns = async (): Promise<boolean> => {
      await settle(pair)
      await put(primary.url, 'kept', 'kept')
      return (await gauge(primary.url, 'used_bytes')) - before < 2 ** 20
    }
    expect(await becomes(returns, 30_000)).toBeTrue()
    await settle(pair)
    expect((await fetch(`${mirror.url}/v1/dirs/large`)).status).toBe(404)
    for (const server of [primary, mirror])
      expect(mebibytes(server.peakBytes())).toBeLessThan(mebibytes(rssBytesMax))
    expect(await primary.stop()).toBe(0)
    expect(await mirror.stop()).toBe(0)
    await checkVolume(primary.data)
    await checkVolume(mirror.data)
  },
  testMsMax,
)
