/** When a mirror is told of. */
import { expect, test } from 'bun:test'
import {
  awayMsMin,
  lagMsMin,
  MirrorWatch,
  type WatchedMirror,
} from '../../../src/server/events/mirror-watch.ts'

const live: WatchedMirror = { id: 'm', state: 'live', cp: 7, lagCps: 0, lagMs: 0, needs: null }

/** What is said of one mirror, look by look, a second apart. */
function said(...looks: readonly Partial<WatchedMirror>[]): string[] {
  const watch = new MirrorWatch()
  return looks.map((look, second) =>
    watch
      .look([{ ...live, ...look }], second * 1000)
      .map(({ event, facts }) => `${event} ${JSON.stringify(facts)}`)
      .join(),
  )
}

test('a mirror that follows is not told of', () => {
  expect(said({}, { lagCps: 1, lagMs: lagMsMin - 1 }, { state: 'catching-up' }, {})).toEqual(['', '', '', ''])
})

test('one that falls behind is told of, and again at twice as much, until it has caught up', () => {
  const behind = (lagMs: number): Partial<WatchedMirror> => ({ state: 'catching-up', lagCps: 3, lagMs })
  expect(
    said(
      behind(lagMsMin),
      behind(2 * lagMsMin - 1),
      behind(2 * lagMsMin),
      behind(10),
      {},
      {},
      behind(lagMsMin),
    ),
  ).toEqual([
    `lag {"lagCps":3,"lagMs":${lagMsMin}}`,
    '',
    `lag {"lagCps":3,"lagMs":${2 * lagMsMin}}`,
    // It has not said that it is live.
    '',
    'caught-up {"lagCps":0,"lagMs":0}',
    '',
    `lag {"lagCps":3,"lagMs":${lagMsMin}}`,
  ])
})

test('at the edge it is told of once', () => {
  const at = (lagMs: number): Partial<WatchedMirror> => ({ lagCps: 1, lagMs })
  expect(said(at(lagMsMin), at(lagMsMin - 1), at(lagMsMin), at(lagMsMin / 2), at(lagMsMin / 2 - 1))).toEqual([
    `lag {"lagCps":1,"lagMs":${lagMsMin}}`,
    '',
    '',
    '',
    `caught-up {"lagCps":1,"lagMs":${lagMsMin / 2 - 1}}`,
  ])
})

test('one that needs something is told of at once, one that is away after a while', () => {
  const stalled = { state: 'stalled', needs: 'space: 4096 bytes' } as const
  const away = { state: 'away', needs: null } as const
  expect(said(stalled, { ...stalled, needs: 'space: 8192 bytes' }, {})).toEqual([
    'stalled {"state":"stalled","needs":"space: 4096 bytes"}',
    '',
    'caught-up {"lagCps":0,"lagMs":0}',
  ])
  const looks = awayMsMin / 1000
  expect(
    said(...Array.from({ length: looks }, () => away), {}, ...Array.from({ length: looks + 2 }, () => away)),
  ).toEqual([...Array.from({ length: 2 * looks + 1 }, () => ''), 'stalled {"state":"away","needs":null}', ''])
})

test('a consistency point of a mirror is told once, and a mirror that left is forgotten', () => {
  const watch = new MirrorWatch()
  expect(watch.has('m', 7)).toEqual([{ event: 'mirrored', cp: 7, mirror: 'm', facts: {} }])
  expect(watch.has('m', 7)).toEqual([])
  expect(watch.has('m', 6)).toEqual([])
  expect(watch.has('n', 7)).toHaveLength(1)
  watch.look([{ ...live, id: 'n' }], 0)
  expect(watch.has('n', 7)).toEqual([])
  expect(watch.has('m', 7)).toHaveLength(1)
})
