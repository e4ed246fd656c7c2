import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { blockBytes } from '../../src/format/geometry.ts'
import { AssertionError } from '../../src/lib/assert.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { systemFileCalls, type FileCalls } from '../../src/blockdev/file-calls.ts'
import { FileDevice } from '../../src/blockdev/file-device.ts'
import { blockDeviceContract, patternBlock } from './contract.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

class CallError extends Error {
  constructor(readonly code: string) {
    super(code)
  }
}

/** Never writes or reads more than a part, and that at any byte. */
function shortCalls(): FileCalls {
  const random = seededRandom(11)
  return {
    ...systemFileCalls,
    writev(descriptor, buffers, position) {
      const some = buffers.slice(0, 1 + random.below(buffers.length))
      const last = some.pop()!
      return systemFileCalls.writev(
        descriptor,
        [...some, last.subarray(0, 1 + random.below(last.length))],
        position,
      )
    },
    read: (descriptor, target, position) =>
      systemFileCalls.read(descriptor, target.subarray(0, 1 + random.below(target.length)), position),
    readSync: (descriptor, target, position) =>
      systemFileCalls.readSync(descriptor, target.subarray(0, 1 + random.below(target.length)), position),
  }
}

const withoutFfi: FileCalls = {
  ...systemFileCalls,
  reserve: () => 'unsupported',
  forgetPages: () => undefined,
  punch: () => false,
}
function isDirect(descriptor: number): boolean {
  const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))
  return (Number.parseInt(flags?.[1] ?? '0', 8) & constants.O_DIRECT) !== 0
}
/** Some file systems have none. */
function hasDirect(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_DIRECT))
    return true
  } catch {
    return false
  }
}
/** O_DIRECT takes no buffer of ours. */
const refusedDirect = { reads: 0, writes: 0 }
const unalignedCalls: FileCalls = {
  ...systemFileCalls,
  read(descriptor, target, position) {
    if (!isDirect(descriptor)) return systemFileCalls.read(descriptor, target, position)
    refusedDirect.reads++
    return Promise.reject(new CallError('EINVAL'))
  },
  writev(descriptor, buffers, position) {
    if (!isDirect(descriptor)) return systemFileCalls.writev(descriptor, buffers, position)
    refusedDirect.writes++
    return Promise.reject(new CallError('EINVAL'))
  },
}

for (const [name, calls] of [
  ['FileDevice', systemFileCalls],
  ['FileDevice with short reads and writes', shortCalls()],
  ['FileDevice without bun:ffi', { ...withoutFfi }],
  ['FileDevice without O_DIRECT', unalignedCalls],
] as const) {
  blockDeviceContract(name, async (blockCount) => {
    const folder = tempFolder()
    // Without fallocate a disk of 2^44 blocks would be tried out by writing.
    const full = (bytes: number) => bytes > 2 ** 40
    const limited: FileCalls = {
      ...calls,
      reserve: (descriptor, from, bytes) => (full(bytes) ? 'full' : calls.reserve(descriptor, from, bytes)),
    }
    const device = await FileDevice.create(folder.file('volume'), blockCount, { calls: limited })
    const opened = [device]
    const reopen = async () => {
      await device.close()
      const again = await FileDevice.open(folder.file('volume'), { calls: limited })
      opened.push(again)
      return again
    }
    const dispose = async () => {
      for (const each of opened) await each.close()
      folder.remove()
    }
    return { device, reopen, dispose }
  })
}

test('the way without O_DIRECT was really taken', () => {
  expect(refusedDirect.reads).toBeGreaterThan(10)
  expect(refusedDirect.writes).toBeGreaterThan(10)
})

describe('FileDevice', () => {
  let folder: TempFolder
  let path: string
  beforeEach(() => {
    folder = tempFolder()
    path = folder.file('volume')
  })
  afterEach(() => folder.remove())

  test('space is allocated, not only promised', async () => {
    for (const calls of [systemFileCalls, withoutFfi]) {
      const file = folder.file(calls === withoutFfi ? 'zeros' : 'allocated')
      const device = await FileDevice.create(file, 1000, { calls })
      expect(statSync(file).blocks * 512).toBeGreaterThanOrEqual(1000 * blockBytes)
      await device.grow(3000)
      await device.sync()
      expect(statSync(file).blocks * 512).toBeGreaterThanOrEqual(3000 * blockBytes)
      await device.close()
    }
  })

  test('a last part of a block does not count', async () => {
    writeFileSync(path, new Uint8Array(5 * blockBytes + 77))
    const device = await FileDevice.open(path)
    expect(device.blockCount).toBe(5)
    await device.grow(8)
    await device.write([{ address: 5, bytes: patternBlock(1, 3) }])
    await device.close()
    expect(statSync(path).size).toBe(8 * blockBytes)
  })

  test('reading only: writing is a bug', async () => {
    writeFileSync(path, new Uint8Array(blockBytes))
    const device = await FileDevice.open(path, { readOnly: true })
    await expect(device.write([])).rejects.toBeInstanceOf(AssertionError)
    await expect(device.sync()).rejects.toBeInstanceOf(AssertionError)
    await device.close()
  })

  test('a disk that gets full while zeros are written leaves the size as it was', async () => {
    let room = 20 * 2 ** 20
    const calls: FileCalls = {
      ...withoutFfi,
      writev(descriptor, buffers, position) {
        const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
        if (bytes > room) return Promise.reject(new CallError('ENOSPC'))
        room -= bytes
        return systemFileCalls.writev(descriptor, buffers, position)
      },
    }
    const device = await FileDevice.create(path, 256, { calls })
    await expect(device.grow(256 * 100)).rejects.toMatchObject({ code: 'disk-full' })
    expect(device.blockCount).toBe(256)
    expect(statSync(path).size).toBe(256 * blockBytes)
    room = 2 ** 20
    await device.grow(300)
    expect(device.blockCount).toBe(300)
    await device.close()
  })

  test('two growths at once end at the larger one', async () => {
    const device = await FileDevice.create(path, 10)
    await Promise.all([device.grow(50), device.grow(30), device.grow(70)])
    expect(device.blockCount).toBe(70)
    await device.close()
    expect(statSync(path).size).toBe(70 * blockBytes)
  })

  test('create refuses what exists, and leaves nothing when it fails', async () => {
    writeFileSync(path, 'mine')
    await expect(FileDevice.create(path, 10)).rejects.toMatchObject({ code: 'exists' })
    expect(readFileSync(path, 'utf8')).toBe('mine')
    const other = folder.file('other')
    await expect(FileDevice.create(other, 2 ** 44)).rejects.toMatchObject({ code: 'disk-full' })
    expect(existsSync(other)).toBe(false)
    await expect(FileDevice.open(other)).rejects.toBeInstanceOf(DeviceError)
  })

  test('after a failed write, durable write or sync everything is refused', async () => {
    const failing: ((device: FileDevice) => Promise<void>)[] = [
      (device) => device.write([{ address: 0, bytes: patternBlock(1) }]),
      (device) => device.writeDurable(0, [patternBlock(1)]),
      (device) => device.sync(),
    ]
    for (const [i, fail] of failing.entries()) {
      let broken = false
      const calls: FileCalls = {
        ...systemFileCalls,
        writev: (...given) =>
          broken ? Promise.reject(new CallError('EIO')) : systemFileCalls.writev(...given),
        fdatasync: (...given) =>
          broken ? Promise.reject(new CallError('EIO')) : systemFileCalls.fdatasync(...given),
      }
      const device = await FileDevice.create(folder.file(`volume${i}`), 10, { calls })
      await device.sync()
      broken = true
      await expect(fail(device)).rejects.toThrow(/EIO/)
      broken = false
      await expect(device.write([{ address: 1, bytes: patternBlock(1) }])).rejects.toBeInstanceOf(DeviceError)
      await expect(device.writeDurable(1, [patternBlock(1)])).rejects.toBeInstanceOf(DeviceError)
      await expect(device.sync()).rejects.toBeInstanceOf(DeviceError)
      await expect(device.read(0, new Uint8Array(blockBytes))).rejects.toBeInstanceOf(DeviceError)
      expect(() => device.readSync(0, new Uint8Array(blockBytes))).toThrow(DeviceError)
      await expect(device.grow(20)).rejects.toBeInstanceOf(DeviceError)
      await device.close()
    }
  })

  test('a failed write ends only when none of its buffers is in use', async () => {
    let inFlight = 0
    let most = 0
    const calls: FileCalls = {
      ...systemFileCalls,
      async writev(descriptor, buffers, position) {
        most = Math.max(most, ++inFlight)
        try {
          await Bun.sleep(position === 0 ? 2 : 5)
          if (position === 0) throw new CallError('EIO')
          return await systemFileCalls.writev(descriptor, buffers, position)
        } finally {
          inFlight--
        }
      },
    }
    const device = await FileDevice.create(path, 100, { calls })
    const runs = Array.from({ length: 12 }, (_, i) => ({ address: i * 2, bytes: patternBlock(i) }))
    await expect(device.write(runs)).rejects.toThrow(/EIO/)
    expect(inFlight).toBe(0)
    expect(most).toBe(4)
    await device.close()
  })

  test('a read error is an error, and the device goes on', async () => {
    let broken = true
    const calls: FileCalls = {
      ...systemFileCalls,
      read: (...given) => (broken ? Promise.reject(new CallError('EIO')) : systemFileCalls.read(...given)),
    }
    const device = await FileDevice.create(path, 40, { calls })
    await expect(device.read(0, new Uint8Array(20 * blockBytes))).rejects.toThrow(/EIO/)
    broken = false
    await device.read(0, new Uint8Array(20 * blockBytes))
    await device.close()
  })

  test('reads that wait for the disk are handed to threads, for a while', async () => {
    let nowMs = 0
    let isSlow = false
    const made: string[] = []
    const calls: FileCalls = {
      ...systemFileCalls,
      readSync(...given) {
        made.push('at once')
        if (isSlow) nowMs += 5
        return systemFileCalls.readSync(...given)
      },
      read(...given) {
        made.push('by a thread')
        return systemFileCalls.read(...given)
      },
    }
    const device = await FileDevice.create(path, 100, { calls, clock: { monotonic: () => nowMs } })
    await device.write([{ address: 3, bytes: patternBlock(3, 64) }])
    const made100 = async () => {
      made.length = 0
      for (let i = 0; i < 100; i++) {
        const target = new Uint8Array((i % 2 === 0 ? 1 : 64) * blockBytes)
        if (i % 3 > 0 || !device.readNow(3, target)) await device.read(3, target)
        expect(Buffer.compare(target, patternBlock(3, 64).subarray(0, target.length))).toBe(0)
      }
      return made.filter((what) => what === 'at once').length
    }
    const usual = await made100()
    expect(usual).toBeGreaterThan(60)
    isSlow = true
    expect(await made100()).toBeLessThan(6)
    isSlow = false
    await made100()
    expect(await made100()).toBe(usual)
    await device.close()
  })

  test('large records go past the page cache, and nothing else does', async () => {
    const largeBlocks = 64
    const direct: number[] = []
    const calls: FileCalls = {
      ...systemFileCalls,
      writev(descriptor, buffers, position) {
        if (isDirect(descriptor)) direct.push(position / blockBytes)
        return systemFileCalls.writev(descriptor, buffers, position)
      },
    }
    const device = await FileDevice.create(path, 1000, { calls })
    const arena = new Uint8Array(largeBlocks * blockBytes + 8).subarray(8)
    const small = { address: 64, bytes: patternBlock(1, largeBlocks - 1) }
    await device.write([{ address: 0, bytes: patternBlock(1, largeBlocks) }])
    await device.write([small])
    await device.write([{ address: 200, bytes: arena }])
    await device.write([{ address: 300, bytes: patternBlock(1, largeBlocks) }, small])
    await device.writeDurable(500, [patternBlock(1, largeBlocks)])
    expect(direct).toEqual(hasDirect(path) ? [0, 300] : [])
    await device.close()
  })

  test('what a write past the page cache leaves is written through it', async () => {
    const writes: [isDirect: boolean, bytes: number][] = []
    const calls: FileCalls = {
      ...systemFileCalls,
      writev(descriptor, buffers, position) {
        const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
        writes.push([isDirect(descriptor), bytes])
        const isFirst = writes.length === 1
        return systemFileCalls.writev(
          descriptor,
          isFirst ? [buffers[0]!.subarray(0, 512)] : buffers,
          position,
        )
      },
    }
    const device = await FileDevice.create(path, 1000, { calls })
    const bytes = patternBlock(3, 200)
    await device.write([{ address: 7, bytes }])
    const target = new Uint8Array(bytes.length)
    await device.read(7, target)
    expect(Buffer.compare(target, bytes)).toBe(0)
    expect(writes.map(([, size]) => size)).toContain(bytes.length - 512)
    await device.close()
  })

  test('what was read past the page cache is forgotten there first, in whole folios', async () => {
    const seen: string[] = []
    const calls: FileCalls = {
      ...systemFileCalls,
      forgetPages(descriptor, from, bytes) {
        seen.push(`forgets ${from} to ${from + bytes}`)
        systemFileCalls.forgetPages(descriptor, from, bytes)
      },
      read(descriptor, target, position) {
        seen.push('reads')
        return systemFileCalls.read(descriptor, target, position)
      },
    }
    const device = await FileDevice.create(path, 2000, { calls })
    await device.read(511, new Uint8Array(2 * blockBytes), { uncached: true })
    expect(seen.slice(0, 2)).toEqual([`forgets 0 to ${4 * 2 ** 20}`, 'reads'])
    await device.close()
  })

  test('every way leads to the file that was opened, also when another has its name by then', async () => {
    const moved = folder.file('moved')
    const device = await FileDevice.create(path, 100)
    renameSync(path, moved)
    const other = patternBlock(9, 100)
    writeFileSync(path, other)
    const bytes = patternBlock(3, 64)
    await device.write([{ address: 7, bytes }])
    const target = new Uint8Array(bytes.length)
    await device.read(7, target, { uncached: true })
    expect(Buffer.compare(target, bytes)).toBe(0)
    await device.close()
    expect(Buffer.compare(readFileSync(path), other)).toBe(0)
    expect(Buffer.compare(readFileSync(moved).subarray(7 * blockBytes, 71 * blockBytes), bytes)).toBe(0)
  })

  test('a file that somebody has cut off is an error', async () => {
    const device = await FileDevice.create(path, 10)
    truncateSync(path, 2 * blockBytes)
    await expect(device.read(1, new Uint8Array(2 * blockBytes))).rejects.toBeInstanceOf(DeviceError)
    expect(() => device.readSync(5, new Uint8Array(blockBytes))).toThrow(DeviceError)
    await expect(device.read(5, new Uint8Array(blockBytes), { uncached: true })).rejects.toBeInstanceOf(
      DeviceError,
    )
    await device.close()
  })

  test('close waits for what is in flight', async () => {
    const device = await FileDevice.create(path, 4000)
    const write = device.write([{ address: 0, bytes: patternBlock(3, 4000) }])
    await device.close()
    await write
    expect(Buffer.compare(readFileSync(path), patternBlock(3, 4000))).toBe(0)
  })
})
