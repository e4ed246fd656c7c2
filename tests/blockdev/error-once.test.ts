/**
 * Each call of the file device fails once, with each code, and would succeed when tried again: nobody takes the second
 * answer for a success. One table of what may fail and of what may follow.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { statSync } from 'node:fs'
import { blockBytes } from '../../src/format/geometry.ts'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { systemFileCalls, type FileCalls } from '../../src/blockdev/file-calls.ts'
import { FileDevice } from '../../src/blockdev/file-device.ts'
import { settled } from '../simulated/clock.ts'
import { patternBlock } from './contract.ts'
import { CallError, FickleKernel } from './fickle-kernel.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

const codes = ['EIO', 'ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EINTR', 'EAGAIN', 'EBADF', 'ENXIO'] as const
const fullCodes: readonly string[] = ['ENOSPC', 'EDQUOT', 'EFBIG']
/** Large enough to go past the page cache. */
const largeBlocks = 64

let folder: TempFolder
let path: string
beforeEach(() => {
  folder = tempFolder()
  path = folder.file('volume')
})
afterEach(() => folder.remove())

/** The calls of the system, of which the next call of one kind fails when the test says so. */
class OnceCalls {
  failNext: { readonly call: keyof FileCalls; readonly code: string } | null = null
  readonly calls: FileCalls = {
    ...systemFileCalls,
    writev: (...given) => this.later('writev') ?? systemFileCalls.writev(...given),
    fdatasync: (...given) => this.later('fdatasync') ?? systemFileCalls.fdatasync(...given),
    read: (...given) => this.later('read') ?? systemFileCalls.read(...given),
    readSync: (...given) => {
      this.atOnce('readSync')
      return systemFileCalls.readSync(...given)
    },
    truncate: (...given) => {
      this.atOnce('truncate')
      systemFileCalls.truncate(...given)
    },
    reserve: (...given) => this.reserve(...given),
  }
  /** What the host says to a growth. */
  reserve: FileCalls['reserve'] = (...given) => systemFileCalls.reserve(...given)

  private later(call: keyof FileCalls): Promise<never> | null {
    if (this.failNext?.call !== call) return null
    const { code } = this.failNext
    this.failNext = null
    return Promise.reject(new CallError(code))
  }

  private atOnce(call: keyof FileCalls): void {
    if (this.failNext?.call !== call) return
    const { code } = this.failNext
    this.failNext = null
    throw new CallError(code)
  }
}

type Work = (device: FileDevice, once: OnceCalls) => Promise<unknown>

/** What changes the file, and which of its calls fails. */
const changes: readonly (readonly [what: string, call: keyof FileCalls, work: Work])[] = [
  ['a write', 'writev', (device) => device.write([{ address: 3, bytes: patternBlock(3) }])],
  [
    'a write past the page cache',
    'writev',
    (device) => device.write([{ address: 3, bytes: patternBlock(3, largeBlocks) }]),
  ],
  [
    'the last of many writes',
    'writev',
    async (device, once) => {
      const failing = once.failNext
      once.failNext = null
      const runs = Array.from({ length: 9 }, (_, i) => ({ address: i * 2, bytes: patternBlock(i) }))
      const writing = device.write(runs)
      once.failNext = failing
      await writing
    },
  ],
  ['a durable write', 'writev', (device) => device.writeDurable(3, [patternBlock(3)])],
  ['a sync', 'fdatasync', (device) => device.sync()],
  [
    'the sync of a growth by zeros',
    'fdatasync',
    (device, once) => {
      once.reserve = () => 'unsupported'
      return device.grow(150)
    },
  ],
  [
    'the undoing of a growth',
    'truncate',
    (device, once) => {
      once.reserve = () => 'full'
      return device.grow(150)
    },
  ],
]

/** What must not succeed afterwards. */
const refused: readonly (readonly [what: string, work: (device: FileDevice) => unknown])[] = [
  ['a write', (device) => device.write([{ address: 1, bytes: patternBlock(1) }])],
  ['a large write', (device) => device.write([{ address: 1, bytes: patternBlock(1, largeBlocks) }])],
  ['a write of nothing', (device) => device.write([])],
  ['a durable write', (device) => device.writeDurable(1, [patternBlock(1)])],
  ['a sync', (device) => device.sync()],
  ['a growth', (device) => device.grow(200)],
  ['an extension', (device) => device.extend(200)],
  ['an allocation', (device) => device.allocate({ address: 0, blocks: 5 })],
  ['a read', (device) => device.read(1, new Uint8Array(blockBytes))],
  ['a read past the cache', (device) => device.read(1, new Uint8Array(blockBytes), { uncached: true })],
  ['a read at once', async (device) => device.readNow(1, new Uint8Array(blockBytes))],
  ['a synchronous read', async (device) => device.readSync(1, new Uint8Array(blockBytes))],
  ['a punch', async (device) => device.punch({ address: 1, blocks: 1 })],
]

async function expectRefused(device: FileDevice): Promise<void> {
  for (let round = 0; round < 2; round++)
    for (const [what, work] of refused) {
      const outcome = await Promise.try(() => work(device)).then(
        () => 'succeeded',
        (error: unknown) => error,
      )
      if (!(outcome instanceof DeviceError)) throw new Error(`${what}: ${String(outcome)}`)
    }
}

describe.each(changes)('%s that fails once', (_what, call, work) => {
  test.each(codes)('with %s: no call that follows is taken for a success', async (code) => {
    const once = new OnceCalls()
    const device = await FileDevice.create(path, 100, { calls: once.calls })
    once.failNext = { call, code }
    await expect(work(device, once)).rejects.toBeInstanceOf(DeviceError)
    expect(once.failNext).toBeNull()
    await expectRefused(device)
    await device.close()
  })
})

describe.each(codes)('%s once', (code) => {
  test.each(['read', 'readSync'] as const)(
    'while reading (%s): an error, and the next read is right',
    async (call) => {
      const once = new OnceCalls()
      const device = await FileDevice.create(path, 100, { calls: once.calls })
      const bytes = patternBlock(5, 20)
      await device.write([{ address: 5, bytes }])
      const target = new Uint8Array(bytes.length)
      const read = async () =>
        call === 'read' ? device.read(5, target, { uncached: true }) : device.readSync(5, target)
      once.failNext = { call, code }
      await expect(read()).rejects.toBeInstanceOf(DeviceError)
      await read()
      expect(Buffer.compare(target, bytes)).toBe(0)
      await device.sync()
      await device.close()
    },
  )

  test('of an extension: a full disk changes nothing, anything else ends the device', async () => {
    const once = new OnceCalls()
    const device = await FileDevice.create(path, 10, { calls: once.calls })
    once.failNext = { call: 'truncate', code }
    const extending = device.extend(20)
    if (fullCodes.includes(code)) {
      await expect(extending).rejects.toMatchObject({ code: 'disk-full' })
      expect([device.blockCount, statSync(path).size]).toEqual([10, 10 * blockBytes])
      await device.extend(20)
      expect(device.blockCount).toBe(20)
    } else {
      await expect(extending).rejects.toBeInstanceOf(DeviceError)
      expect(device.blockCount).toBe(10)
      await expectRefused(device)
    }
    await device.close()
  })

  test('of zeros that fill a growth: a full disk changes nothing, anything else ends the device', async () => {
    const once = new OnceCalls()
    const device = await FileDevice.create(path, 10, { calls: once.calls })
    once.reserve = () => 'unsupported'
    once.failNext = { call: 'writev', code }
    const growing = device.grow(20)
    if (fullCodes.includes(code)) {
      await expect(growing).rejects.toMatchObject({ code: 'disk-full' })
      expect([device.blockCount, statSync(path).size]).toEqual([10, 10 * blockBytes])
      await device.grow(20)
      await device.sync()
    } else {
      await expect(growing).rejects.toBeInstanceOf(DeviceError)
      await expectRefused(device)
    }
    expect(device.blockCount).toBe(fullCodes.includes(code) ? 20 : 10)
    await device.close()
  })
})

describe('a call that does less than it was asked for', () => {
  test.each(['write', 'writeDurable', 'grow'] as const)(
    '%s: no progress is an error, never an end',
    async (what) => {
      let isStuck = false
      const calls: FileCalls = {
        ...systemFileCalls,
        reserve: (...given) => (isStuck ? 'unsupported' : systemFileCalls.reserve(...given)),
        writev: (...given) => (isStuck ? Promise.resolve(0) : systemFileCalls.writev(...given)),
      }
      const device = await FileDevice.create(path, 10, { calls })
      isStuck = true
      const work = {
        write: () => device.write([{ address: 1, bytes: patternBlock(1) }]),
        writeDurable: () => device.writeDurable(1, [patternBlock(1)]),
        grow: () => device.grow(20),
      }[what]
      await expect(work()).rejects.toBeInstanceOf(DeviceError)
      isStuck = false
      await expectRefused(device)
      await device.close()
    },
  )

  test('a short write whose rest fails is a failed write', async () => {
    let calls = 0
    const device = await FileDevice.create(path, 10, {
      calls: {
        ...systemFileCalls,
        writev: (descriptor, buffers, position) =>
          calls++ === 0
            ? systemFileCalls.writev(descriptor, [buffers[0]!.subarray(0, 512)], position)
            : Promise.reject(new CallError('EIO')),
      },
    })
    await expect(device.write([{ address: 1, bytes: patternBlock(1) }])).rejects.toBeInstanceOf(DeviceError)
    expect(calls).toBe(2)
    await expectRefused(device)
    await device.close()
  })
})

describe('calls that run at the same time', () => {
  test('of two syncs none is believed when the kernel has told only one of them that pages are lost', async () => {
    const kernel = new FickleKernel(path, (call, nth) => (call === 'fdatasync' && nth === 1 ? 'EIO' : null))
    const device = await FileDevice.create(path, 10, { calls: kernel.calls })
    await device.write([{ address: 1, bytes: patternBlock(1) }])
    const outcomes = await Promise.allSettled([device.sync(), device.sync(), device.sync()])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(kernel.untold).toBe(0)
    await device.close()
  })

  test('a sync that ends after a write has failed is no success, and one that waits is never made', async () => {
    const ends: (() => void)[] = []
    let isBroken = false
    const device = await FileDevice.create(path, 10, {
      calls: {
        ...systemFileCalls,
        writev: (...given) =>
          isBroken ? Promise.reject(new CallError('EIO')) : systemFileCalls.writev(...given),
        fdatasync: () => new Promise<void>((resolve) => ends.push(resolve)),
      },
    })
    const syncs = Promise.allSettled([device.sync(), device.sync()])
    await settled()
    isBroken = true
    await expect(device.write([{ address: 1, bytes: patternBlock(1) }])).rejects.toBeInstanceOf(DeviceError)
    for (const end of ends) end()
    expect((await syncs).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(ends).toHaveLength(1)
    await device.close()
  })
})
