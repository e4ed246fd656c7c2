/**
 * A large buffer goes past the page cache, and the kernel moves a part of it only. The rest is at its place, whichever way
 * it goes: past the page cache again, or through it where the rest is unsuitable.
 */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { blockBytes } from '../../src/format/geometry.ts'
import { systemFileCalls, type FileCalls } from '../../src/blockdev/file-calls.ts'
import { FileDevice } from '../../src/blockdev/file-device.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

const recordBytes = 512 * 1024
const blocks = 4 * (recordBytes / blockBytes)

let temp: TempFolder
beforeEach(() => {
  temp = tempFolder()
})
afterEach(() => temp.remove())

/** Content that differs at each place. */
function content(seed: number): Uint8Array {
  const words = new Uint32Array(recordBytes / 4)
  for (let i = 0; i < words.length; i++) words[i] = (i + 1) * 2_654_435_761 + seed
  return new Uint8Array(words.buffer)
}

/**
 * The first call for each record moves `first` bytes, which O_DIRECT itself would refuse where they are no whole blocks. The
 * kernel then refuses an unsuitable rest past the page cache.
 */
function cutCalls(path: string, first: number): FileCalls {
  const cut = new Set<number>()
  const isFirst = (position: number): boolean => {
    if (position % recordBytes !== 0 || cut.has(position)) return false
    cut.add(position)
    return true
  }
  const throughTheCache = async <T>(move: (descriptor: number) => Promise<T>): Promise<T> => {
    const descriptor = openSync(path, 'r+')
    try {
      return await move(descriptor)
    } finally {
      closeSync(descriptor)
    }
  }
  return {
    ...systemFileCalls,
    writev: (descriptor, buffers, position) =>
      isFirst(position)
        ? throughTheCache((plain) =>
            systemFileCalls.writev(plain, [buffers[0]!.subarray(0, first)], position),
          )
        : systemFileCalls.writev(descriptor, buffers, position),
    read: (descriptor, target, position) =>
      isFirst(position)
        ? throughTheCache((plain) => systemFileCalls.read(plain, target.subarray(0, first), position))
        : systemFileCalls.read(descriptor, target, position),
  }
}

describe.each([blockBytes, 17 * blockBytes, recordBytes - blockBytes, 512, 100_000, recordBytes - 1])(
  'after %d bytes',
  (first) => {
    const written = [content(1), content(2)]
    const records = written.map((bytes, i) => ({ address: (i + 1) * (recordBytes / blockBytes), bytes }))

    test('a write', async () => {
      const path = temp.file('volume')
      const device = await FileDevice.create(path, blocks, { calls: cutCalls(path, first) })
      await device.write(records)
      await device.sync()
      await device.close()
      const file = readFileSync(path)
      for (const { address, bytes } of records) {
        const at = address * blockBytes
        expect(Buffer.compare(file.subarray(at, at + recordBytes), bytes)).toBe(0)
      }
      expect(file.subarray(0, recordBytes).every((byte) => byte === 0)).toBe(true)
      expect(file.subarray(3 * recordBytes).every((byte) => byte === 0)).toBe(true)
    })

    test('a read', async () => {
      const path = temp.file('volume')
      const made = await FileDevice.create(path, blocks)
      await made.write(records)
      await made.sync()
      await made.close()
      const device = await FileDevice.open(path, { calls: cutCalls(path, first) })
      for (const { address, bytes } of records) {
        const read = new Uint8Array(recordBytes)
        await device.read(address, read)
        expect(Buffer.compare(read, bytes)).toBe(0)
      }
      await device.close()
    })
  },
)
