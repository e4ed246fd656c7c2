import { describe, expect, test } from 'bun:test'
import { hasCode } from '../../../src/lib/errors.ts'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { sha256 } from '../../../src/lib/checksum.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { NodeCache, NotLoaded, frameState } from '../../../src/cp-engine/tree/node-cache.ts'
import { NodeLoader } from '../../../src/cp-engine/tree/node-loader.ts'
import { treeReader } from '../../../src/cp-engine/tree/tree.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { noNode, nodePointerBytes, writeNodePointer } from '../../../src/format/pointer.ts'
import { type NodeItem, encodeNode } from '../../../src/format/disk/tree-node.ts'
import { TreeHarness, tinyCache } from './tree-harness.ts'

const corrupt = (look: Promise<unknown>) =>
  look.then(
    () => expect.unreachable('corrupt bytes were accepted'),
    (error: unknown) => {
      if (!hasCode(error, 'corrupt')) throw error
      return error.help
    },
  )

describe('node cache', () => {
  test('finds what is in it, and nothing else, under any mix of allocate, release and forget', () => {
    const random = seededRandom(5)
    const cache = new NodeCache({ bytesMax: 2 ** 22, slackBytes: 2 ** 24 })
    const model = new Map<number, number>()
    for (let i = 0; i < 60_000; i++) {
      const address = random.below(2) === 0 ? 1 + random.below(3000) : 2 ** 32 - 1 - random.below(3000)
      const frame = model.get(address)
      expect(cache.find(address)).toBe(frame ?? 0)
      if (frame === undefined) model.set(address, cache.allocate(address, frameState.clean, 0))
      else {
        if (random.below(2) === 0) cache.release(frame)
        else cache.forget(address)
        model.delete(address)
      }
      expect(cache.framesUsed).toBe(model.size)
      expect(cache.framesClean).toBe(model.size)
    }
    for (const [address, frame] of model) expect(cache.addressOf(frame)).toBe(address)
  })

  test('evicts clean frames only, and what was not touched first', () => {
    const cache = new NodeCache({ bytesMax: 64 * blockBytes, slackBytes: 2 ** 24, cleanFramesMin: 4 })
    for (let i = 1; i <= 40; i++) cache.allocate(i, frameState.dirty, 1)
    for (let i = 41; i <= 100; i++) cache.allocate(i, frameState.clean, 0)
    cache.trim()
    expect(cache.framesUsed).toBeLessThanOrEqual(64)
    for (let i = 1; i <= 40; i++) expect(cache.find(i)).not.toBe(0)
    const left = Array.from({ length: 60 }, (_, i) => 41 + i).filter((address) => cache.find(address) !== 0)
    for (const address of left.slice(0, 5)) cache.touch(cache.find(address))
    for (let i = 201; i <= 205; i++) cache.allocate(i, frameState.clean, 0)
    cache.trim()
    for (const address of left.slice(0, 5)) expect(cache.find(address)).not.toBe(0)
    // When everything else is dirty, a few clean frames stay.
    for (let i = 301; i <= 400; i++) cache.allocate(i, frameState.dirty, 1)
    cache.trim()
    expect(cache.framesClean).toBe(4)
  })

  test('a dirty address cannot be given to something else', () => {
    const cache = new NodeCache({ bytesMax: 2 ** 20, slackBytes: 2 ** 27 })
    cache.allocate(9, frameState.dirty, 1)
    expect(() => cache.forget(9)).toThrow('not given to something else')
  })
})

/** A device with one inner node over one leaf, and what reads it. */
async function twoNodes(leaf: readonly NodeItem[], separator: string, level = 1) {
  const device = new MemoryDevice(100)
  const write = async (address: number, bytes: Uint8Array) => {
    await device.write([{ address, bytes }])
    return { address, sum: sha256(bytes) }
  }
  const low = encodeNode(0, [{ key: encodeUtf8('a'), value: encodeUtf8('1') }])
  const pointer = (p: { address: number; sum: Uint8Array }) => {
    const bytes = new Uint8Array(nodePointerBytes)
    writeNodePointer(bytes, 0, p)
    return bytes
  }
  const root = await write(
    10,
    encodeNode(level, [
      { key: new Uint8Array(0), value: pointer(await write(11, low)) },
      { key: encodeUtf8(separator), value: pointer(await write(12, encodeNode(0, leaf))) },
    ]),
  )
  const cache = new NodeCache(tinyCache)
  const loader = new NodeLoader(device, cache)
  const reader = treeReader(cache, { pointer: root, level })
  const get = async (key: string) => {
    for (;;) {
      try {
        return reader.get(encodeUtf8(key))
      } catch (error) {
        if (!(error instanceof NotLoaded)) throw error
        loader.load(error)
      }
    }
  }
  return { device, cache, loader, get, write }
}
const item = (key: string): NodeItem => ({ key: encodeUtf8(key), value: encodeUtf8(`value of ${key}`) })

describe('loading', () => {
  test('a sound tree is read, the empty one too', async () => {
    const { get, cache } = await twoNodes([item('m'), item('z')], 'f')
    expect(await get('m')).toEqual(encodeUtf8('value of m'))
    expect(await get('a')).toEqual(encodeUtf8('1'))
    expect(await get('b')).toBeNull()
    expect(treeReader(cache, () => ({ pointer: noNode, level: 0 })).get(encodeUtf8('a'))).toBeNull()
  })

  test('keys outside of the bounds that the parent gives are refused', async () => {
    expect(await corrupt((await twoNodes([item('c'), item('z')], 'f')).get('z'))).toMatchObject({
      address: 12,
    })
  })

  test('a level that is not the parent’s less one is refused', async () => {
    await corrupt((await twoNodes([item('m')], 'f', 2)).get('m'))
  })

  test('any changed bit is refused, and nothing of it stays', async () => {
    const { device, get, write } = await twoNodes([item('m')], 'f')
    const bytes = new Uint8Array(blockBytes)
    device.readSync(12, bytes)
    for (const at of [0, 2, 16, 100, blockBytes - 1]) {
      await write(12, bytes.with(at, bytes[at]! ^ 4))
      expect(await corrupt(get('m'))).toEqual({ address: 12 })
    }
    await write(12, bytes)
    expect(await get('m')).toEqual(encodeUtf8('value of m'))
  })

  test('an address beyond the device is corrupt, not a bug', async () => {
    const { loader } = await twoNodes([item('m')], 'f')
    const missing = new NotLoaded({ address: 4000, sum: sha256(new Uint8Array(1)) }, 0, null, null)
    expect(await corrupt(Promise.try(() => loader.load(missing)))).toEqual({ address: 4000 })
  })

  test('a frame answers only for the checksum that the parent says', async () => {
    const { cache, get, write } = await twoNodes([item('m')], 'f')
    expect(await get('m')).not.toBeNull()
    const other = encodeNode(0, [item('n')])
    const pointer = await write(12, other)
    const reader = treeReader(cache, { pointer, level: 0 })
    expect(() => reader.get(encodeUtf8('n'))).toThrow(NotLoaded)
    const h = new TreeHarness(tinyCache)
    await h.put(encodeUtf8('k'), encodeUtf8('v'))
    const dirty = h.tree.root().pointer.address
    const foreign = new NotLoaded({ address: dirty, sum: sha256(other) }, 0, null, null)
    expect(await corrupt(Promise.try(() => h.loader.load(foreign)))).toEqual({ address: dirty })
  })
})
