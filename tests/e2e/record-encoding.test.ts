/** A volume that stores its records in zstd: less room and less on the wire, and whoever reads it sees no difference. */
import { expect, test } from 'bun:test'
import { checkVolume } from '../../tools/live/command.ts'
import { bytesOf } from '../fs/volume.ts'
import { gauge, live, mebibytes, put, settle, testMsMax } from './live.ts'

const { pair: startPair } = live()

/** A third, about, in zstd. */
const compact = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(bytesOf(length, 2))
const files = {
  small: compact(3000),
  middling: compact(60_000),
  records: compact(1_000_001),
  large: compact(20 * 2 ** 20),
  text: new TextEncoder().encode('a line of text\n'.repeat(100_000)),
  random: crypto.getRandomValues(new Uint8Array(60_000)),
}

async function expectAll(url: string): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    const whole = await (await fetch(`${url}/v1/files/d/${name}`)).bytes()
    expect(Buffer.compare(whole, bytes)).toBe(0)
    const from = Math.floor(bytes.length / 3)
    const headers = { Range: `bytes=${from}-${from + 999}` }
    const part = await (await fetch(`${url}/v1/files/d/${name}`, { headers })).bytes()
    expect(Buffer.compare(part, bytes.subarray(from, from + 1000))).toBe(0)
  }
}

test(
  'records in zstd: read whole and in parts, on both sides, changed in place, and replayed from the log',
  async () => {
    const pair = await startPair({ primary: { flags: ['--record-encoding', 'zstd'] } })
    const { primary, mirror } = pair
    const before = await gauge(primary.url, 'used_bytes')
    // What is in the log only, when the process dies.
    for (const [name, bytes] of Object.entries(files)) await put(primary.url, `d/${name}`, bytes)
    await primary.kill()
    await primary.start()
    expect(primary.log).toContain('recovered')
    await expectAll(primary.url)
    await settle(pair)
    await expectAll(mirror.url)
    const used = (await gauge(primary.url, 'used_bytes')) - before
    const raw = Object.values(files).reduce((sum, { length }) => sum + length, 0)
    expect(mebibytes(used)).toBeLessThan(mebibytes(raw) / 2)

    const patch = compact(70_000).fill(7, 100, 200)
    for (const [name, offset] of [
      ['middling', 1000],
      ['large', 300_000],
    ] as const) {
      const answer = await fetch(`${primary.url}/v1/files/d/${name}?offset=${offset}`, {
        method: 'PATCH',
        body: patch,
      })
      expect(answer.status).toBe(200)
      const changed = new Uint8Array(Math.max(files[name].length, offset + patch.length))
      changed.set(files[name])
      changed.set(patch, offset)
      files[name] = changed
    }
    await settle(pair)
    await expectAll(mirror.url)

    // The wish is of the process; what is there stays as it is.
    await primary.stop()
    await mirror.stop()
    for (const { data } of [primary, mirror]) await checkVolume(data)
    await mirror.start()
    await primary.start()
    await expectAll(primary.url)
    await expectAll(mirror.url)
  },
  testMsMax,
)
