import { expect, test } from 'bun:test'
import { guardMemory } from '../src/memory-guard.ts'
import { VirtualClock } from './replica/virtual-clock.ts'

const mib = 2 ** 20

/** What was asked for while the process had these sizes, one after the other. */
async function asked(sizes: readonly number[]): Promise<string[]> {
  const clock = new VirtualClock()
  const found: string[] = []
  let at = 0
  const stop = guardMemory(clock, {
    residentBytes: () => sizes[Math.min(at++, sizes.length - 1)]! * mib,
    collect: (waits) => found.push(`${sizes[at - 1]}${waits ? ' now' : ''}`),
  })
  await clock.until(() => at >= sizes.length, 50 * sizes.length + 50)
  stop()
  return found
}

test('growth is collected beside, then at once, and a process that is small or stays as it is is left alone', async () => {
  expect(await asked([80, 120, 150, 190, 150, 200, 220, 100])).toEqual([])
  expect(await asked([80, 150, 230, 240, 260])).toEqual(['230', '260'])
  expect(await asked([80, 230, 300, 360, 370, 390, 100, 140, 200])).toEqual([
    '230',
    '300',
    '360 now',
    '390 now',
  ])
  expect(await asked([400, 400, 410, 420, 400, 430, 440])).toEqual([])
  expect(await asked([400, 449, 449, 460, 474])).toEqual(['449 now', '474 now'])
})
