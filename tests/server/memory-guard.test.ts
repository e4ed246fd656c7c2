import { expect, test } from 'bun:test'
import { guardMemory } from '../../src/server/memory-guard.ts'
import { VirtualClock } from '../simulated/clock.ts'

const mib = 2 ** 20

/** What was asked for while the process had these sizes, one after the other. */
async function asked(sizes: readonly number[]): Promise<string[]> {
  const clock = new VirtualClock()
  const found: string[] = []
  const began = clock.monotonic()
  const now = () => sizes[Math.min(sizes.length - 1, Math.floor((clock.monotonic() - began) / 50))]!
  const stop = guardMemory(clock, {
    residentBytes: () => now() * mib,
    collect: (waits) => found.push(`${now()}${waits ? ' now' : ''}`),
  })
  await clock.until(() => false, 50 * (sizes.length - 1))
  stop()
  return found
}

test('growth is collected beside, then with a pause, and a process that stays as it is is left alone', async () => {
  expect(await asked([80, 120, 150, 190, 150, 200, 220, 100])).toEqual([])
  expect(await asked([80, 150, 230, 240, 260])).toEqual(['230', '260'])
  expect(await asked([80, 230, 300, 390, 100, 140, 200])).toEqual(['230', '300', '390'])
  expect(await asked([380, 390, 380, 390, 399])).toEqual([])
})

test('a pause is rare, and only after growth', async () => {
  const large = [450, 450, 450, 450, 450, 450, 450, 450, 450, 450]
  expect(await asked([300, ...large])).toEqual(['450 now'])
  // Every 50 ms a look, every 200 ms at most a pause.
  expect(await asked([300, 430, 460, 490, 520, 550, 580, 610, 640, 670])).toEqual([
    '430 now',
    '490',
    '520',
    '550 now',
    '610',
    '640',
    '670 now',
  ])
})
