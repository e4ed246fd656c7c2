/** The explorer itself: it tries each order once, falls between two awaits, and finds the orders that break a claim. */
import { expect, test } from 'bun:test'
import { explore, type Schedule } from './schedules.ts'

const orderOf = async (schedule: Schedule, names: readonly string[]): Promise<string> => {
  const order: string[] = []
  await Promise.all(names.map((name) => schedule.at(name).then(() => order.push(name))))
  return order.join('')
}

test('every order of what waits is tried, each once', async () => {
  const orders: string[] = []
  const scenario = async (schedule: Schedule) =>
    void orders.push(await orderOf(schedule, ['a', 'b', 'c', 'd']))
  expect(await explore(scenario)).toEqual({ runs: 24, isWhole: true })
  expect(new Set(orders).size).toBe(24)
})

test('what is too much for that is drawn, from everywhere', async () => {
  const last = new Set<string>()
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const scenario = async (schedule: Schedule) => void last.add((await orderOf(schedule, names)).at(-1)!)
  expect(await explore(scenario, { runsMax: 200 })).toEqual({ runs: 200, isWhole: false })
  expect([...last].toSorted()).toEqual(names)
})

/** Looks, waits, and writes what it had seen: two of them lose an update under some orders. */
const lossy = async (schedule: Schedule, awaits: number): Promise<void> => {
  let value = 0
  const add = async (name: string) => {
    await schedule.at(name)
    const seen = value
    for (let i = 0; i < awaits; i++) await Promise.resolve()
    value = seen + 1
  }
  await Promise.all([add('a'), add('b')])
  expect(value).toBe(2)
}

test('an event falls between two awaits that wait for nothing', async () => {
  expect((await explore((schedule) => lossy(schedule, 3))).isWhole).toBe(true)
  await expect(explore((schedule) => lossy(schedule, 3), { ticksMax: 2 })).rejects.toThrow(/choices/)
})

test('an error names its choices, and they bring it about again', async () => {
  const scenario = async (schedule: Schedule) => {
    const order = await orderOf(schedule, ['a', 'b', 'c'])
    if (order === 'cab' && schedule.pick(3) === 2) throw new Error('found')
  }
  const error = (await explore(scenario).catch((reason: unknown) => reason)) as Error
  const only = /\[(.*)\]/.exec(error.message)![1]!.split(', ').map(Number)
  expect((error.cause as Error).message).toBe('found')
  await expect(explore(scenario, { only })).rejects.toThrow(/choices/)
})

test('who waits for ever is noticed', async () => {
  const scenario = async (schedule: Schedule) => {
    await schedule.at('a')
    await new Promise(() => {})
  }
  await expect(explore(scenario)).rejects.toMatchObject({
    cause: { message: 'everybody waits for what never comes' },
  })
})
