import { expect, test } from 'bun:test'
import { Bell } from '../../../src/lib/gates/bell.ts'
import { settled } from '../../simulated/clock.ts'

test('everybody who waits hears one ring, and who asks while it rings hears the next', async () => {
  const bell = new Bell()
  const heard: string[] = []
  const listen = async (name: string): Promise<void> => {
    for (let i = 0; i < 2; i++) {
      await bell.next()
      heard.push(name)
    }
  }
  const listening = [listen('a'), listen('b')]
  bell.ring()
  await settled()
  expect(heard).toEqual(['a', 'b'])
  bell.ring()
  await Promise.all(listening)
  expect(heard).toEqual(['a', 'b', 'a', 'b'])
  bell.ring()
})
