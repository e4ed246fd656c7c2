/** The model on the real engine: consistency points as time passes, and openings after a close or a crash. */
import { test } from 'bun:test'
import fc from 'fast-check'
import { zstd } from '../../src/cp-engine/records/payloads.ts'
import { command } from './model-commands.ts'
import { runCommands } from './model.ts'
import { RealVolume } from './real-volume.ts'

const runs = Number(process.env.STILLPOINT_MODEL_RUNS ?? 25)

const volumes = {
  xxh3: { recordChecksum: 'xxh3' },
  sha256: { recordChecksum: 'sha256' },
  zstd: { packing: zstd },
} as const

for (const [name, options] of Object.entries(volumes)) {
  test(`the files are what the model says, on the engine with ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.array(command, { minLength: 1, maxLength: 120, size: 'max' }),
        async (seed, commands) => runCommands(await RealVolume.create({ seed, ...options }), commands),
      ),
      { numRuns: runs },
    )
  }, 90_000)
}
