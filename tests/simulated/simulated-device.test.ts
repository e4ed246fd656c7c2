import { describe, expect, test } from 'bun:test'
import { AssertionError } from '../../src/lib/assert.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { blockBytes, sectorBytes } from '../../src/format/geometry.ts'
import { DeviceError, type BlockDevice } from '../../src/blockdev/block-device.ts'
import { blockDeviceContract, patternBlock } from '../blockdev/contract.ts'
import {
  crashImage,
  everythingSurvives,
  nothingSurvives,
  randomChoice,
  subset,
  tornAfter,
  type CrashState,
} from './crash-image.ts'
import { anyOf, crashAt, faultAt, type Fault } from './faults.ts'
import { HeldOperations } from './scheduler.ts'
import { CrashError, SimulatedDevice } from './simulated-device.ts'
import { SimulatedSpace } from './simulated-space.ts'

for (const held of [false, true]) {
  blockDeviceContract(held ? 'SimulatedDevice, completing late,' : 'SimulatedDevice', async (blockCount) => {
    const random = seededRandom(3)
    const operations = new HeldOperations()
    const options = {
      blocksMax: 2 ** 30,
      ...(held
        ? {
            scheduler: {
              schedule: (...given: Parameters<HeldOperations['schedule']>) => {
                operations.schedule(...given)
                queueMicrotask(() => operations.release(random))
              },
            },
          }
        : {}),
    }
    const device = new SimulatedDevice({ ...options, blockCount })
    const reopen = async () => new SimulatedDevice({ ...options, image: device.image(nothingSurvives) })
    return { device, reopen, dispose: () => device.close() }
  })
}

const readBlock = (device: BlockDevice, address: number): Uint8Array => {
  const target = new Uint8Array(blockBytes)
  device.readSync(address, target)
  return target
}
const uncachedBlock = async (device: BlockDevice, address: number): Promise<Uint8Array> => {
  const target = new Uint8Array(blockBytes)
  await device.read(address, target, { uncached: true })
  return target
}
const a = patternBlock(1)
const b = patternBlock(2)
const c = patternBlock(3)
const zeros = new Uint8Array(blockBytes)

describe('crashes', () => {
  test('what was synced survives; of the rest any subset', async () => {
    const device = new SimulatedDevice({ blockCount: 10 })
    await device.write([{ address: 0, bytes: a }])
    await device.sync()
    await device.write([
      { address: 1, bytes: b },
      { address: 2, bytes: c },
    ])
    expect(device.pendingCount).toBe(2)
    const state = device.crashState()
    for (let mask = 0; mask < 4; mask++) {
      const opened = new SimulatedDevice({ image: crashImage(state, subset(mask)) })
      expect(readBlock(opened, 0)).toEqual(a)
      expect(readBlock(opened, 1)).toEqual(mask & 1 ? b : zeros)
      expect(readBlock(opened, 2)).toEqual(mask & 2 ? c : zeros)
    }
  })

  test('a write is torn at a sector', async () => {
    const device = new SimulatedDevice({ blockCount: 10 })
    await device.write([{ address: 4, bytes: patternBlock(5, 2) }])
    const opened = new SimulatedDevice({ image: device.image(tornAfter(0, 11)) })
    const whole = patternBlock(5, 2)
    expect(readBlock(opened, 4)).toEqual(whole.slice(0, blockBytes))
    const second = readBlock(opened, 5)
    expect(second.slice(0, 3 * sectorBytes)).toEqual(whole.slice(blockBytes, blockBytes + 3 * sectorBytes))
    expect(second.slice(3 * sectorBytes).every((byte) => byte === 0)).toBe(true)
  })

  test('a durable write survives alone, also over an older pending one', async () => {
    const device = new SimulatedDevice({ blockCount: 10 })
    await device.write([{ address: 1, bytes: a }])
    await device.write([{ address: 2, bytes: a }])
    await device.writeDurable(1, [b])
    for (const choice of [nothingSurvives, everythingSurvives]) {
      const opened = new SimulatedDevice({ image: device.image(choice) })
      expect(readBlock(opened, 1)).toEqual(b)
      expect(readBlock(opened, 2)).toEqual(choice === nothingSurvives ? zeros : a)
    }
  })

  test('a sync does not cover what had not resolved when it was called', async () => {
    const operations = new HeldOperations()
    const device = new SimulatedDevice({ blockCount: 10, scheduler: operations })
    const random = { below: () => 0 }
    const first = device.write([{ address: 0, bytes: a }])
    operations.release(random)
    await first
    const second = device.write([{ address: 1, bytes: b }])
    const sync = device.sync()
    operations.release(random)
    await second
    operations.release(random)
    await sync
    const opened = new SimulatedDevice({ image: device.image(nothingSurvives) })
    expect(readBlock(opened, 0)).toEqual(a)
    expect(readBlock(opened, 1)).toEqual(zeros)
    expect(readBlock(device, 1)).toEqual(b)
  })

  test('growth may be lost, but not below a block that survived', async () => {
    const device = new SimulatedDevice({ blockCount: 4 })
    await device.grow(20)
    expect(device.image(nothingSurvives).blockCount).toBe(4)
    await device.write([{ address: 9, bytes: a }])
    expect(device.image((write) => write.kind === 'write').blockCount).toBe(10)
    expect(device.image(everythingSurvives).blockCount).toBe(20)
    await device.sync()
    expect(device.image(nothingSurvives).blockCount).toBe(20)
  })

  test('a crash at every mutation: its own bytes are pending, and all later calls fail', async () => {
    const workload = async (device: SimulatedDevice) => {
      await device.write([{ address: 0, bytes: a }])
      await device.sync()
      await device.writeDurable(1, [b])
      await device.grow(30)
      await device.write([{ address: 2, bytes: c }])
    }
    const whole = new SimulatedDevice({ blockCount: 10 })
    await workload(whole)
    expect(whole.mutations).toBe(5)
    for (let at = 0; at < whole.mutations; at++) {
      const device = new SimulatedDevice({ blockCount: 10, faults: crashAt(at) })
      await expect(workload(device)).rejects.toBeInstanceOf(CrashError)
      await workload(device).catch(() => undefined)
      expect(device.crashed).toBe(true)
      expect(() => readBlock(device, 0)).toThrow(CrashError)
      const opened = new SimulatedDevice({ image: device.image(nothingSurvives) })
      expect(readBlock(opened, 0)).toEqual(at > 1 ? a : zeros)
      expect(readBlock(opened, 1)).toEqual(at > 2 ? b : zeros)
      const best = new SimulatedDevice({ image: device.image(everythingSurvives) })
      expect(readBlock(best, 0)).toEqual(a)
      expect(readBlock(best, 1)).toEqual(at >= 2 ? b : zeros)
    }
  })

  test('operations in flight are cut off', async () => {
    const device = new SimulatedDevice({ blockCount: 10, scheduler: new HeldOperations() })
    const write = device.write([{ address: 0, bytes: a }])
    device.crash()
    await expect(write).rejects.toBeInstanceOf(CrashError)
    await write.catch(() => undefined)
  })

  test('states taken on the way stay what they were', async () => {
    const states: CrashState[] = []
    const device: SimulatedDevice = new SimulatedDevice({
      blockCount: 10,
      onMutation: () => void states.push(device.crashState()),
    })
    for (let round = 0; round < 40; round++) {
      await device.write([{ address: round % 10, bytes: patternBlock(round) }])
      await device.sync()
    }
    expect(states.length).toBe(80)
    states.forEach((state, i) => {
      const round = i >> 1
      const opened = new SimulatedDevice({ image: crashImage(state, nothingSurvives) })
      for (let back = 1; back <= Math.min(round, 10); back++) {
        expect(readBlock(opened, (round - back) % 10)).toEqual(patternBlock(round - back))
      }
    })
  })

  test('images are cheap', async () => {
    const device = new SimulatedDevice({ blockCount: 4000 })
    await device.write(Array.from({ length: 2000 }, (_, i) => ({ address: i, bytes: a })))
    await device.sync()
    await device.write(Array.from({ length: 50 }, (_, i) => ({ address: i, bytes: b })))
    const random = seededRandom(1)
    let seen = 0
    for (let i = 0; i < 2000; i++) {
      const opened = new SimulatedDevice({ image: device.image(randomChoice(random)) })
      if (readBlock(opened, 49)[0] === b[0]) seen++
    }
    expect(seen).toBeGreaterThan(400)
    expect(seen).toBeLessThan(1600)
  })
})

describe('faults', () => {
  test('an error once, or sticky; the device refuses afterwards, a kernel would not', async () => {
    const refusing = new SimulatedDevice({ blockCount: 10, faults: faultAt(1, { kind: 'error' }, 'write') })
    await refusing.write([{ address: 0, bytes: a }])
    await expect(refusing.write([{ address: 1, bytes: a }])).rejects.toBeInstanceOf(DeviceError)
    await expect(refusing.sync()).rejects.toBeInstanceOf(DeviceError)

    const kernel = new SimulatedDevice({
      blockCount: 10,
      refusesAfterFailure: false,
      faults: anyOf(faultAt(0, { kind: 'error' }, 'sync'), faultAt(1, { kind: 'error' }, 'write', true)),
    })
    await kernel.write([{ address: 0, bytes: a }])
    await expect(kernel.sync()).rejects.toBeInstanceOf(DeviceError)
    await kernel.sync()
    for (let i = 0; i < 3; i++) {
      await expect(kernel.write([{ address: 1, bytes: a }])).rejects.toBeInstanceOf(DeviceError)
    }
  })

  test('a read error leaves the device usable', async () => {
    const device = new SimulatedDevice({ blockCount: 10, faults: faultAt(0, { kind: 'error' }, 'read') })
    expect(() => readBlock(device, 0)).toThrow(DeviceError)
    expect(readBlock(device, 0)).toEqual(zeros)
  })

  test('a sync that fails once and then succeeds, with the data gone', async () => {
    const device = new SimulatedDevice({
      blockCount: 10,
      refusesAfterFailure: false,
      faults: faultAt(0, { kind: 'sync-drops' }, 'sync'),
    })
    await device.write([{ address: 0, bytes: a }])
    await expect(device.sync()).rejects.toBeInstanceOf(DeviceError)
    await device.sync()
    expect(readBlock(device, 0)).toEqual(a)
    expect(await uncachedBlock(device, 0)).toEqual(zeros)
    expect(readBlock(device, 0)).toEqual(zeros)
    expect(readBlock(new SimulatedDevice({ image: device.image(everythingSurvives) }), 0)).toEqual(zeros)
    device.dropCache()
    expect(readBlock(device, 0)).toEqual(zeros)
  })

  const once = async (fault: Fault) => {
    const device = new SimulatedDevice({ blockCount: 10, faults: faultAt(2, fault, 'write') })
    await device.write([{ address: 0, bytes: a }])
    await device.write([{ address: 1, bytes: b }])
    await device.write([{ address: 0, bytes: c }])
    await device.sync()
    return device
  }

  test('a lost write, seen at once or behind the cache', async () => {
    expect(readBlock(await once({ kind: 'lost' }), 0)).toEqual(a)
    const device = await once({ kind: 'lost', cached: true })
    expect(readBlock(device, 0)).toEqual(c)
    expect(await uncachedBlock(device, 0)).toEqual(a)
    device.dropCache()
    expect(readBlock(device, 0)).toEqual(a)
  })

  test('a misdirected write, seen at once or behind the cache', async () => {
    const seen = await once({ kind: 'misdirected', address: 1 })
    expect(readBlock(seen, 0)).toEqual(a)
    expect(readBlock(seen, 1)).toEqual(c)
    const device = await once({ kind: 'misdirected', address: 1, cached: true })
    expect(readBlock(device, 0)).toEqual(c)
    expect(readBlock(device, 1)).toEqual(b)
    device.dropCache()
    expect(readBlock(device, 0)).toEqual(a)
    expect(readBlock(device, 1)).toEqual(c)
  })

  test('a misdirected durable write may hit one that is in flight', async () => {
    const held = new HeldOperations()
    const fault = { kind: 'misdirected', address: 1 } as const
    const device = new SimulatedDevice({
      blockCount: 10,
      scheduler: held,
      faults: faultAt(0, fault, 'write-durable'),
    })
    const below = (index: number) => ({ below: () => index })
    const writing = device.write([{ address: 1, bytes: a }])
    const durable = device.writeDurable(5, [b])
    held.release(below(1))
    await durable
    held.release(below(0))
    await writing
    expect(readBlock(new SimulatedDevice({ image: device.image(everythingSurvives) }), 1)).toEqual(b)
  })

  test('a flipped bit: stored, read, or rotten at rest', async () => {
    const stored = await once({ kind: 'flipped', bit: 13 })
    expect(readBlock(stored, 0)[1]! ^ c[1]!).toBe(1 << 5)
    const device = new SimulatedDevice({
      blockCount: 10,
      faults: faultAt(0, { kind: 'flipped', bit: 3 }, 'read'),
    })
    await device.write([{ address: 0, bytes: a }])
    expect(readBlock(device, 0)[0]! ^ a[0]!).toBe(8)
    expect(readBlock(device, 0)).toEqual(a)
    device.flipBit(0, 7)
    expect(readBlock(device, 0)[0]! ^ a[0]!).toBe(128)
    await device.sync()
    expect(readBlock(new SimulatedDevice({ image: device.image(nothingSurvives) }), 0)[0]! ^ a[0]!).toBe(128)
  })

  test('a stale read', async () => {
    const device = new SimulatedDevice({ blockCount: 10, faults: faultAt(0, { kind: 'stale' }, 'read') })
    await device.write([{ address: 0, bytes: a }])
    await device.write([{ address: 0, bytes: b }])
    expect(readBlock(device, 0)).toEqual(a)
    expect(readBlock(device, 0)).toEqual(b)
  })

  test('a full disk', async () => {
    const device = new SimulatedDevice({ blockCount: 10, faults: faultAt(0, { kind: 'disk-full' }, 'grow') })
    await expect(device.grow(11)).rejects.toMatchObject({ code: 'disk-full' })
    await device.grow(11)
    expect(device.blockCount).toBe(11)
  })

  test('a sparse disk with little room: what is punched comes back, and after a crash maybe its bytes', async () => {
    const space = new SimulatedSpace(5)
    const device = new SimulatedDevice({ blockCount: 0, space })
    await device.extend(100)
    await device.allocate({ address: 10, blocks: 3 })
    await device.write([
      { address: 10, bytes: a },
      { address: 50, bytes: b },
    ])
    await device.sync()
    expect(device.freeBlocks()).toBe(1)
    await expect(device.allocate({ address: 20, blocks: 2 })).rejects.toMatchObject({ code: 'disk-full' })
    expect(device.freeBlocks()).toBe(0)
    await expect(device.write([{ address: 30, bytes: c }])).rejects.toMatchObject({ code: 'disk-full' })
    await device.write([{ address: 20, bytes: c }])
    expect(device.punch({ address: 10, blocks: 20 })).toBeTrue()
    expect([device.freeBlocks(), readBlock(device, 10)]).toEqual([4, zeros])
    const [old, fresh] = [nothingSurvives, everythingSurvives].map(
      (choice) => new SimulatedDevice({ image: device.image(choice) }),
    )
    expect([readBlock(old!, 10), readBlock(fresh!, 10)]).toEqual([a, zeros])
    await device.sync()
    expect(readBlock(new SimulatedDevice({ image: device.image(nothingSurvives) }), 10)).toEqual(zeros)
    expect(readBlock(device, 50)).toEqual(b)
    const plain = new SimulatedDevice({ blockCount: 9, space: new SimulatedSpace(1, { isPlain: true }) })
    await plain.allocate({ address: 0, blocks: 9 })
    await plain.write([{ address: 0, bytes: a }])
    expect(plain.punch({ address: 0, blocks: 1 })).toBeFalse()
    await expect(plain.write([{ address: 1, bytes: a }])).rejects.toMatchObject({ code: 'disk-full' })
    await plain.sync()
  })

  test('bugs of the caller are found', async () => {
    const operations = new HeldOperations()
    const device = new SimulatedDevice({ blockCount: 10, scheduler: operations })
    const bytes = patternBlock(1)
    const first = device.write([{ address: 3, bytes }])
    await expect(device.write([{ address: 3, bytes: b }])).rejects.toBeInstanceOf(AssertionError)
    bytes[5]! ^= 1
    operations.release({ below: () => 0 })
    await expect(first).rejects.toBeInstanceOf(AssertionError)
    await first.catch(() => undefined)
  })
})

test('the same seed gives the same trace', async () => {
  const run = async (seed: number) => {
    const random = seededRandom(seed)
    const device = new SimulatedDevice({ blockCount: 50, traced: true })
    for (let i = 0; i < 30; i++)
      await device.write([{ address: random.below(50), bytes: patternBlock(random.below(9)) }])
    return device.traceHash
  }
  expect(await run(5)).toBe(await run(5))
  expect(await run(5)).not.toBe(await run(6))
})
