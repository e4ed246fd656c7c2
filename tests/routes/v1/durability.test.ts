/** The two ways of making the answer of a write say the same. */
import { expect, test } from 'bun:test'
import type { Written } from '../../../src/fs/contract.ts'
import { Query } from '../../../src/routes/http/raw-url.ts'
import { durabilityLevels, type PrimaryDependencies } from '../../../src/routes/http/dependencies.ts'
import {
  answerMutation,
  durabilityParameters,
  mirroredWaitMsDefault,
  parseWish,
  writtenAnswers,
  writtenMutation,
} from '../../../src/routes/v1/durability.ts'

const paths = ['/a', '/ü/"quoted"/\\', '/tab\tand\u2028line']
const sizes = [0, 4096, Number.MAX_SAFE_INTEGER]

test('the answer of a PUT is what any writing request says of one entry', async () => {
  const answer = writtenAnswers()
  let cp = 1
  for (const level of durabilityLevels)
    for (const path of paths)
      for (const size of sizes)
        for (const created of [true, false]) {
          // Some share the CP with the one before.
          if (size > 0) cp++
          const stat = { size, etag: `5-${cp}.${size}` } as Written['stat']
          const written = { created, stat, applied: { cp } } as Written
          const dependencies = { reach: () => Promise.resolve(level) } as unknown as PrimaryDependencies
          const wish = { level, mirrors: 1, waitMs: null }
          const expected = await answerMutation(dependencies, wish, writtenMutation(path, written))
          const made = answer(path, written, level)
          expect(made.status).toBe(expected.status)
          expect([...made.headers]).toEqual([...expected.headers])
          expect(await made.text()).toBe(await expected.text())
        }
})

test('an answer keeps its headers when the next one is made', () => {
  const answer = writtenAnswers()
  const of = (cp: number): Written =>
    ({ created: true, stat: { size: 1, etag: `e${cp}` }, applied: { cp } }) as Written
  const made = answer('/a', of(7), 'logged')
  answer('/a', of(8), 'committed')
  expect(made.headers.get('Stillpoint-CP')).toBe('7')
  expect(made.headers.get('ETag')).toBe('"e7"')
  expect(made.headers.get('Stillpoint-Durability')).toBe('logged')
})

test('a wish for mirrors always has an end, and that of the client goes first', () => {
  const wishOf = (text: string) => parseWish(Query.parse(text, durabilityParameters), 8)
  expect(wishOf('durability=mirrored').waitMs).toBe(mirroredWaitMsDefault)
  expect(wishOf('durability=mirrored&wait=0').waitMs).toBe(0)
  expect(wishOf('durability=mirrored&wait=60').waitMs).toBe(60_000)
  expect(parseWish(Query.none, 8, 'mirrored').waitMs).toBe(mirroredWaitMsDefault)
  expect(wishOf('durability=committed').waitMs).toBeNull()
})
