/** The stream of a short run, cut at some of its bytes; `npm run sim -- --cut` cuts it after every one. */
import { expect, test } from 'bun:test'
import { Chance } from './chance.ts'
import { type Way, cutRun } from './cut-stream.ts'
import { makeSmallVolumes } from './small-volume.ts'

const runs: Readonly<Record<Way, number>> = { frames: 90, answers: 40 }

for (const way of ['frames', 'answers'] as const)
  test(`the ${way} cut anywhere: the mirror stays on its CP and finishes`, async () => {
    const volumes = await makeSmallVolumes()
    const whole = await cutRun(volumes, way, Number.POSITIVE_INFINITY)
    expect(whole).toMatchObject({ cuts: 0, published: 3 })
    const chance = new Chance(`cut ${way}`)
    for (let run = 0; run < runs[way]; run++) {
      // The first bytes are those of the hello.
      const at = run < 5 ? run : chance.below(whole.bytes[way])
      try {
        expect((await cutRun(volumes, way, at)).cuts).toBe(1)
      } catch (error) {
        throw new Error(`cut after ${at} bytes`, { cause: error })
      }
    }
  }, 60_000)
