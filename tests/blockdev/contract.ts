/** One contract, one suite: what block-device.ts promises, run against every implementation. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { StillpointError } from '../../src/lib/errors.ts'
import { AssertionError } from '../../src/lib/assert.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { DeviceError, type BlockDevice } from '../../src/blockdev/block-device.ts'
import { seededRandom } from '../../src/lib/random.ts'

export interface DeviceUnderTest {
  readonly device: BlockDevice
  /** Closes the device and opens what it left; null when nothing outlives the device. */
  readonly reopen: (() => Promise<BlockDevice>) | null
  readonly dispose: () => Promise<void>
}

/** A block that says which it is. */
export function patternBlock(tag: number, blocks = 1): Uint8Array {
  const bytes = new Uint8Array(blocks * blockBytes)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (tag * 31 + i * 7 + (i >> 12)) & 0xff
  return bytes
}

/** `make` gives a device with `blockCount` blocks that can be grown to at least twice as many. */
export function blockDeviceContract(
  name: string,
  make: (blockCount: number) => Promise<DeviceUnderTest>,
): void {
  const blockCount = 600
  describe(`${name} keeps the contract of a block device`, () => {
    let subject: DeviceUnderTest
    let device: BlockDevice
    beforeEach(async () => {
      subject = await make(blockCount)
      device = subject.device
    })
    afterEach(() => subject.dispose())

    const readBoth = async (address: number, blocks = 1): Promise<Uint8Array> => {
      const sync = new Uint8Array(blocks * blockBytes).fill(0xee)
      device.readSync(address, sync)
      const now = new Uint8Array(blocks * blockBytes).fill(0xcc)
      if (device.readNow(address, now)) expect(Buffer.compare(now, sync)).toBe(0)
      for (const uncached of [false, true]) {
        const target = new Uint8Array(blocks * blockBytes).fill(0xdd)
        await device.read(address, target, { uncached })
        expect(Buffer.compare(target, sync)).toBe(0)
      }
      return sync
    }
    const expectBlocks = async (address: number, bytes: Uint8Array): Promise<void> =>
      expect(Buffer.compare(await readBoth(address, bytes.length / blockBytes), bytes)).toBe(0)

    test('a new device reads as zeros to its last block', async () => {
      expect(device.blockCount).toBe(blockCount)
      await expectBlocks(0, new Uint8Array(blockBytes))
      await expectBlocks(blockCount - 3, new Uint8Array(3 * blockBytes))
    })

    test('a write is seen by every reader when it has resolved', async () => {
      await device.write([{ address: 7, bytes: patternBlock(7) }])
      await expectBlocks(7, patternBlock(7))
      await expectBlocks(6, new Uint8Array(blockBytes))
      await expectBlocks(8, new Uint8Array(blockBytes))
    })

    test('no run at all is a write too', async () => {
      await device.write([])
      await device.sync()
    })

    test('runs come in any order, of any length, next to each other and apart', async () => {
      const runs = [
        { address: 40, bytes: patternBlock(40, 3) },
        { address: 599, bytes: patternBlock(99) },
        { address: 43, bytes: patternBlock(43) },
        { address: 0, bytes: patternBlock(1, 2) },
        { address: 39, bytes: patternBlock(39) },
      ]
      await device.write(runs)
      for (const run of runs) await expectBlocks(run.address, run.bytes)
      await expectBlocks(2, new Uint8Array(37 * blockBytes))
    })

    test('hundreds of neighbours in one write, each from its own buffer', async () => {
      const runs = Array.from({ length: 590 }, (_, i) => ({ address: 5 + i, bytes: patternBlock(i) }))
      await device.write(runs)
      for (const run of [runs[0]!, runs[255]!, runs[256]!, runs[511]!, runs[512]!, runs[589]!]) {
        await expectBlocks(run.address, run.bytes)
      }
      await device.sync()
    })

    test('buffers may be views into a larger arena', async () => {
      const arena = new Uint8Array(10 * blockBytes + 100)
      const view = arena.subarray(100, 100 + 2 * blockBytes)
      view.set(patternBlock(5, 2))
      await device.write([{ address: 20, bytes: view }])
      const target = new Uint8Array(3 * blockBytes + 13)
      await device.read(20, target.subarray(13, 13 + 2 * blockBytes), { uncached: true })
      expect(Buffer.compare(target.subarray(13, 13 + 2 * blockBytes), patternBlock(5, 2))).toBe(0)
      expect(target.subarray(13 + 2 * blockBytes).every((byte) => byte === 0)).toBe(true)
    })

    test('neighbours that lie together in memory, and such that only seem to', async () => {
      const arenas = [patternBlock(70, 4), patternBlock(80, 4)]
      const part = (arena: number, at: number): Uint8Array =>
        arenas[arena]!.subarray(at * blockBytes, (at + 1) * blockBytes)
      const parts = [part(0, 0), part(0, 1), part(1, 2), part(1, 3), part(0, 2), part(0, 2), part(0, 1)]
      await device.write(parts.map((bytes, i) => ({ address: 30 + i, bytes })))
      for (const [i, bytes] of parts.entries()) await expectBlocks(30 + i, bytes)
    })

    test('large writes, views into an arena or not, and small ones beside them, over them and under them', async () => {
      const blocks = 64
      const arena = new Uint8Array((2 * blocks + 1) * blockBytes)
      const views = [0, blocks * blockBytes, (2 * blocks + 1) * blockBytes - blocks * blockBytes - 8]
      for (const at of views) {
        const bytes = arena.subarray(at, at + blocks * blockBytes)
        for (let round = 0; round < 3; round++) {
          const small = { address: 100 + blocks, bytes: patternBlock(round + 50) }
          await device.write([{ address: 99, bytes: patternBlock(round, blocks + 2) }])
          await readBoth(90, 100)
          bytes.set(patternBlock(round + 10, blocks))
          await Promise.all([device.write([{ address: 100, bytes }]), device.write([small])])
          await expectBlocks(100, patternBlock(round + 10, blocks))
          await expectBlocks(99, patternBlock(round, 1))
          await expectBlocks(small.address, small.bytes)
          await device.write([{ address: 110, bytes: patternBlock(round + 20) }])
          await expectBlocks(110, patternBlock(round + 20))
          await expectBlocks(109, patternBlock(round + 10, blocks).subarray(9 * blockBytes, 10 * blockBytes))
        }
      }
      const runs = Array.from({ length: 4 }, (_, i) => ({
        address: 20 + i * blocks,
        bytes: patternBlock(i, blocks),
      }))
      await device.write([...runs, { address: 20 + 4 * blocks, bytes: patternBlock(9) }])
      for (const run of runs) await expectBlocks(run.address, run.bytes)
      await device.write(runs.toReversed())
      await device.sync()
      for (const run of runs) await expectBlocks(run.address, run.bytes)
    })

    test('writes of disjoint blocks may be in flight together, with reads and a sync', async () => {
      await Promise.all([
        ...Array.from({ length: 20 }, (_, i) => device.write([{ address: i * 9, bytes: patternBlock(i) }])),
        device.sync(),
        device.read(300, new Uint8Array(blockBytes)),
        device.writeDurable(500, [patternBlock(77), patternBlock(78)]),
      ])
      for (let i = 0; i < 20; i++) await expectBlocks(i * 9, patternBlock(i))
      await expectBlocks(500, patternBlock(77))
      await expectBlocks(501, patternBlock(78))
    })

    test('a buffer may be reused when its write has resolved', async () => {
      const bytes = patternBlock(1)
      await device.write([{ address: 1, bytes }])
      bytes.fill(9)
      await expectBlocks(1, patternBlock(1))
    })

    test('durable writes take several buffers and rewrite', async () => {
      await device.writeDurable(100, [patternBlock(1), patternBlock(2, 3), patternBlock(3)])
      await device.writeDurable(101, [patternBlock(9)])
      await expectBlocks(100, patternBlock(1))
      await expectBlocks(101, patternBlock(9))
      await expectBlocks(104, patternBlock(3))
    })

    test('one durable write at a time', async () => {
      const first = device.writeDurable(0, [patternBlock(1)])
      await expect(device.writeDurable(1, [patternBlock(2)])).rejects.toBeInstanceOf(AssertionError)
      await first
      await device.writeDurable(1, [patternBlock(2)])
    })

    test('growth adds zeros, keeps what is there, and never shrinks', async () => {
      await device.write([{ address: blockCount - 1, bytes: patternBlock(4) }])
      await device.grow(blockCount + 300)
      expect(device.blockCount).toBe(blockCount + 300)
      await expectBlocks(blockCount - 1, patternBlock(4))
      await expectBlocks(blockCount, new Uint8Array(300 * blockBytes))
      await device.write([{ address: blockCount + 299, bytes: patternBlock(6) }])
      await expectBlocks(blockCount + 299, patternBlock(6))
      await device.grow(10)
      expect(device.blockCount).toBe(blockCount + 300)
    })

    test('a growth that the disk has no room for changes nothing', async () => {
      const grown = device.grow(2 ** 44)
      await expect(grown).rejects.toMatchObject({ code: 'disk-full' })
      await grown.catch((error: unknown) => expect(error).toBeInstanceOf(StillpointError))
      expect(device.blockCount).toBe(blockCount)
      await device.write([{ address: 3, bytes: patternBlock(3) }])
      await device.sync()
      await device.grow(blockCount + 1)
      expect(device.blockCount).toBe(blockCount + 1)
    })

    test('an extension adds zeros, keeps what is there, and is written like the rest once it is allocated', async () => {
      await device.write([{ address: blockCount - 1, bytes: patternBlock(4) }])
      await device.extend(blockCount + 300)
      expect(device.blockCount).toBe(blockCount + 300)
      await expectBlocks(blockCount - 1, patternBlock(4))
      await expectBlocks(blockCount, new Uint8Array(300 * blockBytes))
      await device.extend(10)
      expect(device.blockCount).toBe(blockCount + 300)
      await device.allocate({ address: blockCount + 50, blocks: 20 })
      await expectBlocks(blockCount + 40, new Uint8Array(40 * blockBytes))
      const bytes = patternBlock(6, 20)
      await device.write([{ address: blockCount + 50, bytes }])
      await device.writeDurable(blockCount + 200, [patternBlock(7)])
      await device.allocate({ address: blockCount + 45, blocks: 30 })
      await expectBlocks(blockCount + 50, bytes)
      await device.allocate({ address: 0, blocks: device.blockCount })
      await expectBlocks(blockCount + 200, patternBlock(7))
      await device.grow(blockCount + 310)
      await device.write([{ address: blockCount + 309, bytes: patternBlock(8) }])
      await expectBlocks(blockCount + 309, patternBlock(8))
      expect(device.freeBlocks()).toBeGreaterThan(0)
    })

    test('punched blocks read as zeros, their neighbours as before, and they can be written again', async () => {
      const bytes = patternBlock(3, 40)
      await device.write([{ address: 100, bytes }])
      await device.sync()
      if (!device.punch({ address: 110, blocks: 7 })) return
      const holed = bytes.slice()
      holed.fill(0, 10 * blockBytes, 17 * blockBytes)
      await expectBlocks(100, holed)
      expect(device.blockCount).toBe(blockCount)
      expect(device.punch({ address: 110, blocks: 7 })).toBeTrue()
      expect(device.punch({ address: 400, blocks: 150 })).toBeTrue()
      await expectBlocks(400, new Uint8Array(150 * blockBytes))
      await device.allocate({ address: 112, blocks: 3 })
      await device.write([{ address: 112, bytes: patternBlock(9, 3) }])
      // Without being allocated first: there may be room.
      await device.write([{ address: 116, bytes: patternBlock(8) }])
      holed.set(patternBlock(9, 3), 12 * blockBytes)
      holed.set(patternBlock(8), 16 * blockBytes)
      await expectBlocks(100, holed)
      await device.sync()
      await device.read(100, new Uint8Array(40 * blockBytes), { uncached: true })
      await expectBlocks(100, holed)
      if (!subject.reopen) return
      device.punch({ address: 100, blocks: 2 })
      await device.sync()
      device = await subject.reopen()
      holed.fill(0, 0, 2 * blockBytes)
      await expectBlocks(100, holed)
    })

    test('what lies outside, is no whole block or overlaps is a bug of the caller', async () => {
      const block = patternBlock(1)
      const bugs: (() => Promise<void>)[] = [
        () => device.write([{ address: blockCount, bytes: block }]),
        () => device.write([{ address: -1, bytes: block }]),
        () => device.write([{ address: 0.5, bytes: block }]),
        () => device.write([{ address: 0, bytes: block.subarray(1) }]),
        () => device.write([{ address: 0, bytes: new Uint8Array(0) }]),
        () =>
          device.write([
            { address: 4, bytes: block },
            { address: 3, bytes: patternBlock(1, 2) },
          ]),
        () => device.writeDurable(blockCount - 1, [block, block]),
        () => device.read(blockCount, new Uint8Array(blockBytes)),
        () => device.read(0, new Uint8Array(100)),
        async () => device.readSync(blockCount - 1, new Uint8Array(2 * blockBytes)),
        () => device.allocate({ address: blockCount - 1, blocks: 2 }),
        async () => void device.punch({ address: blockCount, blocks: 1 }),
      ]
      for (const bug of bugs) await expect(bug()).rejects.toBeInstanceOf(AssertionError)
      await expectBlocks(blockCount - 1, new Uint8Array(blockBytes))
    })

    test('a closed device answers nothing', async () => {
      await device.close()
      const closed = [
        () => device.read(0, new Uint8Array(blockBytes)),
        async () => device.readSync(0, new Uint8Array(blockBytes)),
        () => device.write([{ address: 0, bytes: patternBlock(0) }]),
        () => device.writeDurable(0, [patternBlock(0)]),
        () => device.sync(),
        () => device.grow(blockCount * 2),
        () => device.extend(blockCount * 2),
        () => device.allocate({ address: 0, blocks: 1 }),
        async () => void device.punch({ address: 0, blocks: 1 }),
      ]
      for (const call of closed) await expect(call()).rejects.toBeInstanceOf(DeviceError)
      await device.close()
    })

    test('what was synced or written durably is there after a new open', async () => {
      if (!subject.reopen) return
      await device.grow(blockCount + 8)
      await device.write([{ address: blockCount + 7, bytes: patternBlock(1) }])
      await device.sync()
      await device.writeDurable(2, [patternBlock(2)])
      device = await subject.reopen()
      expect(device.blockCount).toBe(blockCount + 8)
      await expectBlocks(blockCount + 7, patternBlock(1))
      await expectBlocks(2, patternBlock(2))
    })

    test('any mix of operations agrees with a plain array', async () => {
      const random = seededRandom(7)
      const model = new Uint8Array(blockCount * blockBytes)
      for (let round = 0; round < 60; round++) {
        const address = random.below(blockCount - 8)
        const blocks = 1 + random.below(8)
        const bytes = patternBlock(round, blocks)
        if (random.below(8) === 0 && device.punch({ address, blocks })) {
          model.fill(0, address * blockBytes, (address + blocks) * blockBytes)
          continue
        }
        model.set(bytes, address * blockBytes)
        if (random.below(4) === 0) await device.writeDurable(address, [bytes])
        else {
          const runs = []
          for (let i = 0; i < blocks; i++) {
            runs.push({ address: address + i, bytes: bytes.subarray(i * blockBytes, (i + 1) * blockBytes) })
          }
          await device.write(random.below(2) === 0 ? runs : runs.toReversed())
        }
        if (random.below(6) === 0) await device.sync()
      }
      await expectBlocks(0, model)
    })
  })
}
