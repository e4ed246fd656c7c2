/**
 * A volume of a later program is refused by name, and not one byte of it changes: it is sound. Invariants checked for
 * each place where a later program can be seen: the open throws `newer-format`, offers no loss as a way out, begins no
 * operation but reads; `check` says the same and calls nothing damaged.
 */
import { cacheLimit } from '../../engine-limits.ts'
import { stillClock } from '../../simulated/clock.ts'
import { describe, expect, test } from 'bun:test'
import { readU32, writeU32 } from '../../../src/lib/bytes.ts'
import { sha256, xxh3 } from '../../../src/lib/checksum.ts'
import { formatUuid, newUuid, seededRandom } from '../../../src/lib/random.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { createMirror } from '../../../src/cp-engine/create-volume.ts'
import { EngineVolume } from '../../../src/cp-engine/primary-volume.ts'
import { Volume } from '../../../src/cp-engine/volume/volume.ts'
import { blockBytes, superblockAddress } from '../../../src/format/geometry.ts'
import { logGroupHeadBytes, logGroupLayout } from '../../../src/format/disk/log-group.ts'
import { mapPageHeadBytes } from '../../../src/format/disk/map-page.ts'
import { rootLayout } from '../../../src/format/disk/root.ts'
import { superblockLayout } from '../../../src/format/disk/superblock.ts'
import type { Image } from '../../simulated/crash-image.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { keyOf, newPrimary, open, putRecord, smallGeometry } from '../workload.ts'
import {
  allCopies,
  editBelowRoot,
  editHeldRoot,
  editRoot,
  editSuperblock,
  raiseVersion,
  setWord,
} from './later-program.ts'

type Change = (device: SimulatedDevice) => Promise<void>

/** Both slots name one root, of a tree with a record; it is held; the log has an operation behind it. */
async function soundVolume(): Promise<Image> {
  const device = new SimulatedDevice()
  await newPrimary(device, 1)
  const engine = await open(device, 2)
  const before = engine.current()
  const volume = new EngineVolume(engine)
  const uuid = formatUuid(newUuid(seededRandom(3)))
  await volume.addMember({ uuid, url: 'http://mirror' })
  volume.holds.set(uuid, [before])
  await putRecord(engine, 1, 5)
  await engine.requestCp('requested')
  await engine.writeSuperblock()
  const applied = await putRecord(engine, 2, 6)
  await engine.reach(applied, 'logged')
  return device.crashState().durable
}
const sound = await soundVolume()

async function changed(change: Change): Promise<Image> {
  const device = new SimulatedDevice({ image: sound })
  await change(device)
  return device.crashState().durable
}

const inSuperblock =
  (copies: typeof allCopies, edit: (bytes: Uint8Array) => void): Change =>
  async (device) => {
    for (const copy of copies) await editSuperblock(device, copy, edit)
  }
const inRoot =
  (copies: typeof allCopies, edit: (bytes: Uint8Array) => void): Change =>
  (device) =>
    editRoot(device, copies, edit)
const newest = allCopies.filter(([slot]) => slot === 0)
const oldest = allCopies.filter(([slot]) => slot === 1)
const ofMap = (map: 'liveMap' | 'usedMap') => rootLayout.at[map]

function editLog(edit: (bytes: Uint8Array) => void): Change {
  return async (device) => {
    const { logAddress } = smallGeometry()
    const bytes = new Uint8Array(blockBytes * 64)
    const copy = new Uint8Array(blockBytes * 4)
    await device.read(superblockAddress(0, 0), copy)
    const position = readU32(copy, superblockLayout.at.logPosition)
    const address = logAddress + position / blockBytes
    await device.read(address, bytes)
    const at = logGroupLayout.at
    edit(bytes)
    const end = logGroupHeadBytes + readU32(bytes, at.payloadBytes)
    bytes.set(xxh3(bytes.subarray(logGroupHeadBytes, end), readU32(bytes, at.nonce)), at.payloadSum)
    bytes.set(sha256(bytes.subarray(0, at.sum)), at.sum)
    await device.write([{ address, bytes }])
    await device.sync()
  }
}

const size = (field: 'blockBytes' | 'sectorBytes', value: number) => (bytes: Uint8Array) =>
  writeU32(bytes, superblockLayout.at[field], value)

/** True: seen by `check`, too, which does not look at the log. */
const places: readonly [name: string, change: Change, isChecked: boolean][] = [
  ['an incompat bit in all superblocks', inSuperblock(allCopies, setWord('superblock', 'incompat', 1)), true],
  ['the last incompat bit', inSuperblock(allCopies, setWord('superblock', 'incompat', 2 ** 31)), true],
  ['one copy of the newer slot', inSuperblock([newest[0]!], setWord('superblock', 'incompat', 4)), true],
  ['one copy of the older slot', inSuperblock([oldest[1]!], setWord('superblock', 'incompat', 4)), true],
  ['the newer slot', inSuperblock(newest, setWord('superblock', 'incompat', 4)), true],
  ['the older slot', inSuperblock(oldest, setWord('superblock', 'incompat', 4)), true],
  ['a higher format number', inSuperblock(newest, setWord('superblock', 'format', 2)), true],
  ['a far higher format number', inSuperblock(oldest, setWord('superblock', 'format', 2 ** 32 - 1)), true],
  ['another version of the superblock', inSuperblock(newest, raiseVersion), true],
  ['blocks of another size', inSuperblock(allCopies, size('blockBytes', 8192)), true],
  ['sectors of another size', inSuperblock(allCopies, size('sectorBytes', 4096)), true],
  ['an incompat bit in all roots', inRoot(allCopies, setWord('root', 'incompat', 1)), true],
  ['an incompat bit in the root of a slot', inRoot(newest, setWord('root', 'incompat', 1)), true],
  ['a higher format number in a root', inRoot(oldest, setWord('root', 'format', 7)), true],
  ['another version of the root', inRoot(allCopies, raiseVersion), true],
  ['a held root', (device) => editHeldRoot(device, setWord('root', 'incompat', 1)), true],
  ['the top of the used map', (device) => editBelowRoot(device, [ofMap('usedMap')], raiseVersion), true],
  [
    'a page of the used map',
    (device) => editBelowRoot(device, [ofMap('usedMap'), mapPageHeadBytes], raiseVersion),
    true,
  ],
  ['the top of the live map', (device) => editBelowRoot(device, [ofMap('liveMap')], raiseVersion), true],
  [
    'a page of the live map',
    (device) => editBelowRoot(device, [ofMap('liveMap'), mapPageHeadBytes], raiseVersion),
    true,
  ],
  ['a group of the log', editLog(raiseVersion), false],
  ['a record of the log', editLog((bytes) => raiseVersion(bytes.subarray(logGroupHeadBytes))), false],
]

async function expectRefused(image: Image, openIt: (device: SimulatedDevice) => Promise<unknown>) {
  const device = new SimulatedDevice({ image })
  const error: unknown = await openIt(device).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({ code: 'newer-format' })
  expect(JSON.stringify(error)).not.toContain('accept-loss')
  expect(String(error)).not.toContain('accept-loss')
  expect(device.mutations).toBe(0)
}

const losses = { acceptSuperblockLoss: true, acceptLogLoss: true, acceptHistoryLoss: true }

describe('as a primary it is refused', () => {
  for (const [name, change] of places)
    test(name, async () => {
      const image = await changed(change)
      await expectRefused(image, (device) => open(device, 9))
      await expectRefused(image, (device) => open(device, 9, losses))
    })

  test('and opened as before without the change', async () => {
    const engine = await open(new SimulatedDevice({ image: await changed(() => Promise.resolve()) }), 9)
    expect(engine.recovery.replayed).toBe(1)
  })

  test('a node of its tree when it is read, by name', async () => {
    const image = await changed((device) => editBelowRoot(device, [rootLayout.at.fileTree], raiseVersion))
    const engine = open(new SimulatedDevice({ image }), 9).then((opened) =>
      opened.openView().read((items) => items.get(keyOf(1))),
    )
    await expect(engine).rejects.toMatchObject({ code: 'newer-format' })
    const { findings } = await checkVolume(new SimulatedDevice({ image }))
    expect(findings.map(({ kind }) => kind)).toEqual(['newer-format'])
  })
})

describe('`check` calls it newer, and only reads', () => {
  for (const [name, change] of places.filter(([, , isChecked]) => isChecked))
    test(name, async () => {
      const device = new SimulatedDevice({ image: await changed(change) })
      const { findings } = await checkVolume(device)
      expect(findings.length).toBeGreaterThan(0)
      // Nothing is said about what cannot be seen.
      expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['newer-format']))
      expect(device.mutations).toBe(0)
    })
})

describe('as a mirror it is refused', () => {
  async function mirror(): Promise<Image> {
    const device = new SimulatedDevice()
    const random = seededRandom(4)
    await createMirror(device, { clock: stillClock, random, geometry: smallGeometry() })
    return device.crashState().durable
  }
  const asMirror = (device: SimulatedDevice) => Volume.open(device, { clock: stillClock, ...cacheLimit })
  for (const [name, edit] of [
    ['an incompat bit', setWord('superblock', 'incompat', 1)],
    ['a readOnlyCompat bit', setWord('superblock', 'readOnlyCompat', 1)],
    ['a higher format number', setWord('superblock', 'format', 3)],
  ] as const)
    for (const copies of [newest, oldest, [newest[1]!], allCopies])
      test(`${name}, in ${copies.length} copies of slot ${copies[0]![0]}`, async () => {
        const device = new SimulatedDevice({ image: await mirror() })
        for (const copy of copies) await editSuperblock(device, copy, edit)
        await expectRefused(device.crashState().durable, asMirror)
      })
})

describe('bits that only keep an old program from writing', () => {
  const bits = [
    ['in a superblock', inSuperblock(allCopies, setWord('superblock', 'readOnlyCompat', 2 ** 31))],
    ['in the older slot', inSuperblock(oldest, setWord('superblock', 'readOnlyCompat', 1))],
    ['in a root', inRoot(allCopies, setWord('root', 'readOnlyCompat', 8))],
  ] as const
  for (const [name, change] of bits)
    test(`${name}: refused to who writes, and checked`, async () => {
      const image = await changed(change)
      await expectRefused(image, (device) => open(device, 9, losses))
      const device = new SimulatedDevice({ image })
      expect((await checkVolume(device)).findings).toMatchObject([
        { severity: 'warning', kind: 'newer-format' },
      ])
      expect(device.mutations).toBe(0)
    })
})

test('bits that are compatible are kept by every later write', async () => {
  const device = new SimulatedDevice({
    image: await changed(async (edited) => {
      await inSuperblock(allCopies, setWord('superblock', 'compat', 0x80000005))(edited)
      await inRoot(allCopies, setWord('root', 'compat', 0xffffffff))(edited)
    }),
  })
  const engine = await open(device, 9)
  await putRecord(engine, 3, 7)
  await engine.requestCp('requested')
  await engine.close()
  const again = await open(device, 10)
  expect(again.current().root.features).toEqual({ incompat: 0, readOnlyCompat: 0, compat: 0xffffffff })
  for (const slot of [0, 1]) expect(again.volume.superblocks.slot(slot).features.compat).toBe(0x80000005)
  expect((await checkVolume(device)).findings).toEqual([])
})

test('a copy that is damaged is not taken for one of a later program', async () => {
  const device = new SimulatedDevice({ image: sound })
  device.flipBit(superblockAddress(0, 0), 8 * superblockLayout.at.incompat)
  const engine = await open(device, 9)
  expect(engine.recovery.replayed).toBe(1)
})

test('a volume of before there was a format number is refused by its own name', async () => {
  const image = await changed(inSuperblock(allCopies, setWord('superblock', 'format', 0)))
  const device = new SimulatedDevice({ image })
  await expect(open(device, 9, losses)).rejects.toMatchObject({ code: 'older-format' })
  await expect(open(device, 9)).rejects.toThrow('before version 1 of the format')
  expect((await checkVolume(device)).findings.map(({ kind }) => kind)).toEqual(['older-format'])
  expect(device.mutations).toBe(0)
})
