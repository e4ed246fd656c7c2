/**
 * A mirror looks at all of a target before it publishes it: every block of every record, and every node, whichever one of
 * them is wrong. The target is the root of a real primary, edited in one place.
 */
import { describe, expect, test } from 'bun:test'
import { sha256 } from '../../../src/lib/checksum.ts'
import { createMirror } from '../../../src/cp-engine/create-volume.ts'
import { Volume } from '../../../src/cp-engine/volume/volume.ts'
import { readCopy } from '../../../src/cp-engine/volume/superblock-store.ts'
import { blockBytes, isDataRun } from '../../../src/format/geometry.ts'
import { decodeRoot } from '../../../src/format/disk/root.ts'
import { mapPageHeadBytes } from '../../../src/format/disk/map-page.ts'
import { seededRandom } from '../../../src/lib/random.ts'
import { BlockSet } from '../../../src/replica/link/block-set.ts'
import { WritePipeline } from '../../../src/replica/link/write-pipeline.ts'
import { MirrorApplier } from '../../../src/replica/mirror/mirror-applier.ts'
import { Presence } from '../../../src/replica/mirror/presence.ts'
import { verifyTarget } from '../../../src/replica/mirror/verification.ts'
import { ManyRoots } from '../../cp-engine/check/many-roots.ts'
import { putPointer } from '../../cp-engine/check/root-plants.ts'
import { smallGeometry } from '../../cp-engine/workload.ts'
import { cacheLimit } from '../../engine-limits.ts'
import { stillClock } from '../../simulated/clock.ts'
import { everythingSurvives } from '../../simulated/crash-image.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'

const many = await ManyRoots.make()
const kind = 'the newest slot'
const { records } = many.of(kind)
const { paths } = ManyRoots
const usedBit = (block: number) => (page: Uint8Array) =>
  void (page[mapPageHeadBytes + (block >>> 3)]! ^= 1 << (block & 7))

/** A mirror that has all blocks of the primary and no root yet verifies the primary's newest one. */
async function sceneOf(primary: SimulatedDevice) {
  const device = new SimulatedDevice()
  const geometry = smallGeometry()
  await createMirror(device, { clock: stillClock, random: seededRandom(5), geometry })
  const { blocks, blockCount } = primary.image(everythingSurvives)
  await device.extend(blockCount)
  for (const address of blocks.addresses())
    if (isDataRun({ ...geometry, blocksMax: blockCount }, address, 1))
      await device.write([{ address, bytes: blocks.get(address).slice() }])
  await device.sync()
  const { root } = (await readCopy(primary, many.newestSlot, 0))!
  const volume = await Volume.open(device, { clock: stillClock, ...cacheLimit })
  const events = { provide: () => Promise.resolve(0), onNoSpace: () => {}, onFailed: () => {} }
  const { address, bytes } = root!
  const target = { root: decodeRoot(bytes), address, bytes, hash: sha256(bytes) }
  const pipeline = new WritePipeline(device, 2 ** 20, events)
  return { target, device, parts: { volume, pipeline, presence: new Presence(), clock: stillClock } }
}

/** `retained`: a block that a root uses which the mirror must keep. */
async function verdictOf(primary: SimulatedDevice, wantsMax = 1000, retained: number | null = null) {
  const { target, parts } = await sceneOf(primary)
  if (retained !== null)
    parts.volume.retention.uses = (address, blocks) => retained >= address && retained < address + blocks
  const claimed = new BlockSet()
  return verifyTarget(target, null, { ...parts, claimed, wantsMax, isCancelled: () => false })
}
const damaged = (block: number, byte: number): SimulatedDevice => {
  const device = many.device()
  device.flipBit(block, 8 * byte)
  return device
}
const nodes = ['leaf', 'liveIndex', 'livePage', 'usedIndex', 'usedPage'] as const

test('a sound target is complete', async () => {
  expect(await verdictOf(many.device())).toMatchObject({ kind: 'complete' })
})

describe('a block that is reached and not in the used map refuses the root', () => {
  for (const [i, { address, blocks }] of records.entries())
    for (let block = address; block < address + blocks; block++)
      test(`block ${block - address} of record ${i}`, async () => {
        expect(await verdictOf(await many.edited(kind, paths.usedPage, usedBit(block)))).toEqual({
          kind: 'broken',
          code: 'bad-root',
          detail: `block ${block} is reached and not in the used map`,
        })
      })
  for (const node of nodes)
    test(node, async () => {
      const block = await many.addressOf(kind, paths[node])
      expect(await verdictOf(await many.edited(kind, paths.usedPage, usedBit(block)))).toMatchObject({
        kind: 'broken',
        code: 'bad-root',
      })
    })
})

describe('a block that is damaged is wanted, and nothing else', () => {
  for (const [i, { address, blocks, payloadBytes }] of records.entries())
    for (const at of [0, payloadBytes - 1])
      test(`byte ${at} of record ${i}`, async () => {
        const device = damaged(address + Math.floor(at / blockBytes), at % blockBytes)
        expect(await verdictOf(device)).toEqual({ kind: 'missing', wanted: [{ address, blocks }] })
      })
  test('all records at once', async () => {
    const device = many.device()
    for (const { address } of records) device.flipBit(address, 8)
    const verdict = await verdictOf(device)
    expect(verdict).toMatchObject({ kind: 'missing' })
    const wanted = verdict.kind === 'missing' ? verdict.wanted.map(({ address }) => address) : []
    expect(wanted.toSorted((a, b) => a - b)).toEqual(
      records.map(({ address }) => address).toSorted((a, b) => a - b),
    )
  })
  for (const node of nodes)
    test(node, async () => {
      const address = await many.addressOf(kind, paths[node])
      const verdict = await verdictOf(damaged(address, 3000))
      expect(verdict).toEqual({ kind: 'missing', wanted: [{ address, blocks: 1 }] })
    })
})

describe('a record that another item names, too, refuses the root', () => {
  for (const [i, record] of records.entries())
    for (const [n, other] of records.entries())
      if (n !== i)
        test(`record ${i} in the place of record ${n}`, async () => {
          expect(
            await verdictOf(await many.edited(kind, paths.leaf, putPointer(other, record))),
          ).toMatchObject({
            kind: 'broken',
            code: 'bad-root',
          })
        })
})

/** The target is given up when the n-th read of the pass has ended; without a number never. */
async function givenUp(primary: SimulatedDevice, n = Infinity) {
  const { target, device, parts } = await sceneOf(primary)
  const state = { reads: 0, isOver: false }
  const { read } = device
  device.read = async (...args) => {
    await read.apply(device, args)
    if (++state.reads === n) state.isOver = true
  }
  const { readNode } = parts.volume
  parts.volume.readNode = async (pointer) => {
    const node = await readNode.call(parts.volume, pointer)
    if (++state.reads === n) state.isOver = true
    return node
  }
  const written: boolean[] = []
  const { put } = parts.pipeline
  parts.pipeline.put = (runs) => {
    written.push(state.isOver)
    put.call(parts.pipeline, runs)
  }
  const fed: unknown[] = []
  const claims = new BlockSet()
  const applier = {
    ...parts,
    isClosed: false,
    verified: null as unknown,
    applier: { claimsOf: () => (state.isOver ? null : claims) },
    feed: (event: unknown) => void fed.push(event),
  }
  const { verify } = MirrorApplier.prototype as unknown as {
    verify(this: typeof applier, token: number, of: typeof target): Promise<void>
  }
  await verify.call(applier, 1, target)
  return { reads: state.reads, written, fed: fed.length, isSet: applier.verified !== null }
}

test('a target that is given up during a read: nothing is written, told or kept for another one', async () => {
  const primary = many.device()
  const padded = records.filter(({ payloadBytes }) => payloadBytes % blockBytes !== 0)
  expect(padded.length).toBeGreaterThan(1)
  for (const { address, blocks } of padded) primary.flipBit(address + blocks - 1, 8 * blockBytes - 1)
  const whole = await givenUp(primary)
  expect(whole).toMatchObject({ fed: 1, isSet: true })
  expect(whole.written.length).toBe(padded.length)
  for (let n = 1; n <= whole.reads; n++) {
    const { written, fed, isSet } = await givenUp(primary, n)
    expect([n, written.includes(true), fed, isSet]).toEqual([n, false, 0, false])
  }
})

describe('a block that differs, and that a retained root uses, refuses the target: it cannot be written', () => {
  const { cp } = many.of(kind).root
  for (const [i, { address, blocks }] of records.entries())
    for (let block = address; block < address + blocks; block++)
      test(`block ${block - address} of record ${i}`, async () => {
        const where = blocks === 1 ? `block ${address}` : `blocks ${address} to ${address + blocks - 1}`
        expect(await verdictOf(damaged(address, 0), 1000, block)).toEqual({
          kind: 'broken',
          code: 'broken-hold',
          detail: `${where} of cp ${cp} differ, and a retained root uses them`,
        })
      })
  for (const node of nodes)
    test(node, async () => {
      const address = await many.addressOf(kind, paths[node])
      expect(await verdictOf(damaged(address, 3000), 1000, address)).toMatchObject({
        kind: 'broken',
        code: 'broken-hold',
      })
    })
  test('one that a retained root uses and that is sound, or one beside it, is no reason', async () => {
    const [{ address, blocks }] = [records[0]!]
    expect(await verdictOf(many.device(), 1000, address)).toMatchObject({ kind: 'complete' })
    for (const beside of [address - 1, address + blocks])
      expect(await verdictOf(damaged(address, 0), 1000, beside)).toEqual({
        kind: 'missing',
        wanted: [{ address, blocks }],
      })
  })
})
