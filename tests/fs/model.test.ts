/** Random operations against the model, on the fake engine: fragmented, missing nodes, crashing. */
import { test } from 'bun:test'
import fc from 'fast-check'
import { command } from './model-commands.ts'
import { runCommands } from './model.ts'
import { FakeVolume } from './volume.ts'

const runs = Number(process.env.STILLPOINT_MODEL_RUNS ?? 60)

for (const [title, options] of Object.entries({
  'as it mostly is': {},
  'on a fragmented volume with SHA-256': { cutPercent: 70, kind: 'sha256' as const },
  'without anything in memory': { missPercent: 25 },
})) {
  test(`the files are what the model says, ${title}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.array(command, { minLength: 1, maxLength: 120, size: 'max' }),
        (seed, commands) => runCommands(new FakeVolume({ ...options, seed }), commands),
      ),
      { numRuns: runs },
    )
  }, 90_000)
}
