/** The model on the real engine: consistency points as time passes, and openings after a close or a crash. */
import { test } from 'bun:test'
import fc from 'fast-check'
import { command } from './model-commands.ts'
import { runCommands } from './model.ts'
import { RealVolume } from './real-volume.ts'

const runs = Number(process.env.STILLPOINT_MODEL_RUNS ?? 25)

for (const recordChecksum of ['xxh3', 'sha256'] as const) {
  test(`the files are what the model says, on the engine with ${recordChecksum}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.array(command, { minLength: 1, maxLength: 120, size: 'max' }),
        async (seed, commands) => runCommands(await RealVolume.create({ seed, recordChecksum }), commands),
      ),
      { numRuns: runs },
    )
  }, 90_000)
}
