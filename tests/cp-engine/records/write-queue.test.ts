/** Commands between their address and the device: found by readers at every moment, counted, bounded, never changed. */
import { describe, expect, test } from 'bun:test'
import type { BlockPointer } from '../../../src/format/pointer.ts'
import { Readers } from '../../../src/cp-engine/space/readers.ts'
import { WriteQueue } from '../../../src/cp-engine/records/write-queue.ts'
import { settled } from '../../simulated/clock.ts'

const block = 4096
const command = (address: number, blocks = 1) => ({
  address,
  bytes: new Uint8Array(blocks * block).fill(address),
  sum: new Uint8Array(8),
  payloadBytes: blocks * block,
})
const pointer = (address: number): BlockPointer => ({
  address,
  blocks: 1,
  payloadBytes: block,
  encoding: 'raw',
  sum: new Uint8Array(8),
})

function harness(blocksMax = 10) {
  const readers = new Readers()
  const queue = new WriteQueue(blocksMax * block, readers)
  const enqueue = (address: number, blocks = 1) => {
    queue.prepare(command(address, blocks))
    return queue.enqueue(address)
  }
  return { readers, queue, enqueue }
}

describe('write queue', () => {
  test('what leaves early takes its room until the device has it', () => {
    const { queue } = harness(20_000)
    queue.prepare(command(1, 6144))
    queue.leaveEarly(1)
    expect(queue.leavingRoom.hasRoom(block)).toBe(false)
    queue.hasLeft([1])
    expect(queue.leavingRoom.hasRoom(block)).toBe(true)
  })

  test('a seal takes what is queued, in address order, and leaves what is only prepared', () => {
    const { queue, enqueue } = harness()
    for (const address of [30, 10, 20]) enqueue(address)
    queue.prepare(command(15))
    const { commands, coalesced } = queue.seal()
    expect(commands.map(({ address }) => address)).toEqual([10, 20, 30])
    expect(coalesced).toBe(0)
    expect(queue.bytes).toBe(block)
    expect(queue.isEmpty).toBe(true)
    queue.enqueue(15)
    expect(queue.isEmpty).toBe(false)
  })

  test('queued bytes are found until the device has them', () => {
    const { queue, enqueue } = harness()
    enqueue(10)
    expect(queue.find(pointer(10))?.[0]).toBe(10)
    queue.seal()
    expect(queue.find(pointer(10))?.[0]).toBe(10)
    queue.written()
    expect(queue.find(pointer(10))).toBeNull()
  })

  test('a record that leaves early is found until its own write has ended, across CPs', () => {
    const { queue } = harness()
    queue.prepare(command(40, 4))
    queue.leaveEarly(40)
    expect(queue.bytes).toBe(4 * block)
    queue.seal()
    queue.written()
    expect(queue.find(pointer(40))?.[0]).toBe(40)
    queue.hasLeft([40])
    expect(queue.find(pointer(40))).toBeNull()
    expect(queue.bytes).toBe(0)
  })

  test('coalescing: what is replaced before it left never leaves, and is counted once', () => {
    const { queue, enqueue } = harness()
    const released: number[] = []
    for (const address of [10, 20, 30]) enqueue(address)
    expect(queue.drop(20, () => released.push(20))).toBe(true)
    expect(queue.drop(20, () => released.push(-1))).toBe(false)
    expect(released).toEqual([20])
    expect(queue.bytes).toBe(2 * block)
    const sealed = queue.seal()
    expect([sealed.commands.map(({ address }) => address), sealed.coalesced]).toEqual([[10, 30], 1])
    // A sealed command is never replaced.
    expect(queue.drop(10, () => released.push(-1))).toBe(false)
    queue.written()
    expect(queue.seal().coalesced).toBe(0)
    expect(released).toEqual([20])
  })

  test('a dropped buffer stays findable, and its address taken, while a reader of then runs', () => {
    const { queue, readers, enqueue } = harness()
    enqueue(10)
    const end = readers.begin()
    const released: number[] = []
    queue.drop(10, () => released.push(10))
    expect(queue.find(pointer(10))?.[0]).toBe(10)
    expect(released).toEqual([])
    readers.begin()
    end()
    expect(released).toEqual([10])
    expect(queue.find(pointer(10))).toBeNull()
  })

  test('what readers keep of dropped commands is bounded: beyond it they leave with their CP', () => {
    const { readers, queue, enqueue } = harness(16)
    const end = readers.begin()
    const released: number[] = []
    const drop = (address: number) => queue.drop(address, () => released.push(address))
    for (let address = 10; address < 20; address++) enqueue(address)
    expect([10, 11, 12, 13, 14].map(drop)).toEqual([true, true, true, true, true])
    expect([15, 16].map(drop)).toEqual([false, false])
    expect(queue.find(pointer(15))?.[0]).toBe(15)
    expect(queue.seal().commands.map(({ address }) => address)).toEqual([15, 16, 17, 18, 19])
    queue.written()
    expect(queue.bytes).toBe(5 * block)
    end()
    expect(released).toEqual([10, 11, 12, 13, 14])
    expect(queue.bytes).toBe(0)
    enqueue(30)
    expect(drop(30)).toBe(true)
  })

  test('bounded: room is what the limit leaves, and one command always fits an empty queue', () => {
    const { queue, enqueue } = harness(10)
    expect(queue.hasRoom(50 * block)).toBe(true)
    enqueue(1, 6)
    expect(queue.hasRoom(4 * block)).toBe(true)
    expect(queue.hasRoom(4 * block + 1)).toBe(false)
    queue.prepare(command(9, 3))
    expect(queue.hasRoom(2 * block)).toBe(false)
    queue.discard(9)
    queue.seal()
    // The CP being written may have as much again.
    expect(queue.hasRoom(10 * block)).toBe(true)
    expect(queue.bytes).toBe(0)
  })

  test.each<[string, (h: ReturnType<typeof harness>) => void]>([
    ['a seal', ({ queue }) => void queue.seal()],
    ['a discard', ({ queue }) => queue.discard(2)],
    ['a drop', ({ queue }) => void queue.drop(1, () => {})],
    [
      'an early write that has ended',
      ({ queue }) => {
        queue.leaveEarly(2)
        queue.hasLeft([2])
      },
    ],
    ['a wake', ({ queue }) => queue.wake()],
  ])('%s lets those look again who wait for room', async (_what, make) => {
    const h = harness(2)
    h.enqueue(1)
    h.queue.prepare(command(2))
    let woken = 0
    const waiting = [1, 2, 3].map(() => h.queue.change().then(() => woken++))
    await settled()
    expect(woken).toBe(0)
    make(h)
    await settled()
    expect(woken).toBe(3)
    await Promise.all(waiting)
  })

  test('bugs of the caller are noticed', () => {
    const { queue, enqueue } = harness()
    queue.prepare(command(1))
    expect(() => queue.prepare(command(1))).toThrow('handed out once')
    expect(() => queue.enqueue(2)).toThrow('is prepared')
    expect(() => queue.discard(2)).toThrow('is prepared')
    enqueue(5)
    queue.seal()
    expect(() => queue.seal()).toThrow('one CP')
  })

  test('says when no CP would make room', () => {
    const { queue } = harness(2)
    for (const address of [1, 2, 3]) queue.prepare(command(address))
    expect(queue.isOnlyPrepared).toBe(true)
    queue.enqueue(1)
    expect(queue.isOnlyPrepared).toBe(false)
    queue.seal()
    expect(queue.isOnlyPrepared).toBe(true)
    queue.leaveEarly(2)
    expect(queue.isOnlyPrepared).toBe(false)
    queue.hasLeft([2])
    queue.discard(3)
    expect([queue.isOnlyPrepared, queue.bytes]).toEqual([true, 0])
  })
})
