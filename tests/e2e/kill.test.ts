/**
 * Showcase 7: either process dies under load, again and again; nothing acknowledged is lost, every volume is sound, and
 * the mirror goes on without a second full copy. The same with the power cut under the file system, where the machine
 * can. `npm run torture` does more of it.
 */
import { expect, test } from 'bun:test'
import { type Ground, PlainGround, powerProblem, PowerGround } from '../../tools/torture/ground.ts'
import { Torture } from '../../tools/torture/run.ts'
import { isFull, testMsMax } from './live.ts'

async function torture(ground: Ground, cycles: number, seed: number) {
  const torturer = new Torture(
    { seed, clients: 6, loadMsMax: 500, cyclesPerLife: cycles, checkEvery: 1 },
    ground,
  )
  try {
    for (let i = 0; i < cycles; i++) await torturer.cycle()
    await torturer.endLife()
  } finally {
    await torturer.close()
  }
  expect(torturer.totals).toMatchObject({ cycles, lives: 1, checks: cycles })
  expect(torturer.totals.requests).toBeGreaterThan(0)
}

const kills = isFull ? 20 : 5
test(`${kills} kills under load`, () => torture(new PlainGround(), kills, 7), testMsMax)

const problem = await powerProblem()
const cuts = isFull ? 20 : 3
test.skipIf(problem !== null)(
  `${cuts} power cuts under load${problem === null ? '' : ` (${problem})`}`,
  () => torture(new PowerGround(), cuts, 8),
  testMsMax,
)
