/**
 * One suite in every runtime that the client is for, against a pair of servers of its own.
 *
 * `npm test` streams and lists a small share; `npm run sdk-live` the whole (SDK=full), with figures.
 */
import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pair } from '../../tools/live/pair.ts'
import { Control } from './control.ts'
import { Door, nobody } from './door.ts'
import { bundled, type Ran, type Runtime, runtimes } from './runtimes.ts'
import { cases } from './suite/cases.ts'

const isFull = process.env['SDK'] === 'full'
const sizes = isFull
  ? { streamBytes: 2 ** 30, entries: 100_000 }
  : { streamBytes: 192 * 2 ** 20 + 12_345, entries: 3_000 }
const suiteMsMax = isFull ? 600_000 : 240_000

async function runIn(runtime: Runtime): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), 'stillpoint-sdk-'))
  const control = new Control(await bundled('run.ts', 'browser'))
  const flags = ['--cors-origin', control.url]
  const pair = await Pair.start({ flags, primary: { flags: [...flags, '--cp-interval-ms', '200'] } })
  const door = await Door.to(pair.primary.url)
  control.commands(door)
  try {
    const [primary, mirror] = [pair.primary.url, pair.mirror.url]
    const config = { primary, mirror, door: door.url, control: control.url, nobody: await nobody(), ...sizes }
    return await runtime.run(config, folder)
  } finally {
    await door.close()
    await pair.remove()
    await control.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

for (const runtime of runtimes) {
  const { name, problem } = runtime
  test.skipIf(problem !== null)(
    problem === null ? `the suite on ${name}` : `the suite on ${name} (${problem})`,
    async () => {
      const ran = await runIn(runtime)
      if (isFull) report(name, ran)
      expect(ran.outcomes.filter(({ failure }) => failure !== null)).toEqual([])
      expect(ran.outcomes.map((outcome) => outcome.name)).toEqual(Object.keys(cases))
      expect(ran.rssBytesMax).toBeLessThan(runtime.rssBytesMax)
    },
    suiteMsMax,
  )
}

function report(name: string, { outcomes, rssBytesMax: rss }: Ran): void {
  const memory = `at most ${Math.round(rss / 2 ** 20)} MiB resident`
  console.log(`${name}: ${sizes.streamBytes} bytes up and down, ${sizes.entries} entries, ${memory}`)
  for (const outcome of outcomes) console.log(`  ${String(outcome.ms).padStart(7)} ms  ${outcome.name}`)
}
