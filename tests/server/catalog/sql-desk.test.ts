/** Turns at the desk for questions in SQL: who holds a place for how long, and what is left when nobody asks. */
import { afterEach, expect, test } from 'bun:test'
import { join } from 'node:path'
import { Refusals } from '../../../src/routes/limits/refusals.ts'
import { SqlDesk } from '../../../src/server/catalog/sql-desk.ts'
import { sqlBoundsOffline } from '../../../src/server/configuration/server-options.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { allViews } from '../../catalog/ask-catalog.ts'
import { open } from '../../catalog/rows.ts'
import { temporaryFolders } from '../../cli/temporary-folder.ts'

const folder = temporaryFolders()
const desks: SqlDesk[] = []
afterEach(async () => {
  for (const desk of desks.splice(0)) await desk.close()
})

const cp = 4

function deskOf(queriesMax: number) {
  const path = join(folder(), 'catalog.db')
  const opened = open(path)
  opened.catalog.close()
  const clock = new VirtualClock()
  const desk = new SqlDesk({
    path,
    bounds: sqlBoundsOffline,
    queriesMax,
    waitingMax: 8,
    clock,
    files: {
      status: () => ({ cp, behindCps: 0, behindMs: 0, isFilling: false, fills: 1 }),
      reached: () => Promise.resolve(),
    },
    refusals: new Refusals(),
  })
  desks.push(desk)
  return { desk, clock, path }
}

const question = {
  query: 'SELECT 1',
  params: [],
  rowsMax: null,
  format: 'json',
  views: allViews,
  minCp: 0,
  waitMs: 0,
} as const
const never = new AbortController().signal

async function withState(path: string): Promise<void> {
  const { Database } = await import('bun:sqlite')
  const database = new Database(path)
  database.run('INSERT OR REPLACE INTO catalog_state (id, cp) VALUES (1, ?)', [cp])
  database.close()
}

test('an answer keeps its place until it is delivered', async () => {
  const { desk, path } = deskOf(1)
  await withState(path)
  const delivery = Promise.withResolvers<string>()
  const begun = Promise.withResolvers<void>()
  const order: string[] = []
  const first = desk.ask(question, 'a', never, () => {
    begun.resolve()
    return delivery.promise
  })
  await begun.promise
  const second = desk.ask(question, 'b', never, () => {
    order.push('second')
    return Promise.resolve('second')
  })
  // The second question has no place: nothing of it runs, however long the first delivery takes.
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  expect(order).toEqual([])
  expect(desk.processes()).toHaveLength(1)
  order.push('first')
  delivery.resolve('first')
  expect(await Promise.all([first, second])).toEqual(['first', 'second'])
  expect(order).toEqual(['first', 'second'])
})

test('processes that nobody has asked for a while end, and the next question has a new one, again and again', async () => {
  const { desk, clock, path } = deskOf(2)
  await withState(path)
  for (let time = 0; time < 3; time++) {
    expect(await desk.ask(question, 'a', never, () => Promise.resolve(time))).toBe(time)
    expect(desk.processes()).toHaveLength(1)
    await clock.advance(299_999)
    expect(desk.processes()).toHaveLength(1)
    await clock.advance(2)
    expect(desk.processes()).toEqual([])
  }
})

test('a delivery that fails gives its place back', async () => {
  const { desk, path } = deskOf(1)
  await withState(path)
  const failed = desk.ask(question, 'a', never, () => Promise.reject(new Error('gone')))
  expect(await failed.catch((error: unknown) => String(error))).toContain('gone')
  expect(await desk.ask(question, 'a', never, ({ cp: of }) => Promise.resolve(of))).toBe(cp)
})
