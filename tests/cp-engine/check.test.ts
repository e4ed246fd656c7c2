/** The check names what is damaged by kind, says what an open would do with the log, and never writes. */
import { VirtualClock, stillClock } from '../simulated/clock.ts'
import { describe, expect, test } from 'bun:test'
import { type Applied, fences } from '../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { checkVolume } from '../../src/cp-engine/check.ts'
import { type FindingKind, findingKinds } from '../../src/cp-engine/check-findings.ts'
import { createMirror } from '../../src/cp-engine/create-volume.ts'
import { blockBytes, superblockAddress } from '../../src/format/geometry.ts'
import { type BlockPointer, valueHead, valuePointers } from '../../src/format/pointer.ts'
import { seededRandom } from '../../src/lib/random.ts'
import type { FaultPlan } from '../simulated/faults.ts'
import { type Image, everythingSurvives, nothingSurvives } from '../simulated/crash-image.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { paddedValue } from './padded-value.ts'
import { keyOf, newPrimary, open, smallGeometry } from './workload.ts'

/** Longer than a write with its bytes in the log, and it does not fill its last block. */
const largeBytes = 70_000

class Volume {
  readonly clock = new VirtualClock()
  readonly device = new SimulatedDevice()
  engine!: CpEngine

  static async make(): Promise<Volume> {
    const volume = new Volume()
    await newPrimary(volume.device, 1)
    volume.engine = await open(volume.device, 1, { cpIntervalMs: 1e9, clock: volume.clock })
    return volume
  }

  async small(key: number, fill = key): Promise<number> {
    return this.logged(await this.engine.run((tx) => tx.put(keyOf(key), paddedValue(10, fill))))
  }

  async large(key: number): Promise<{ sequence: number; pointer: BlockPointer }> {
    const { engine } = this
    const [record] = await engine.prepare(new Uint8Array(largeBytes).fill(key))
    const value = (use: BlockPointer) => valueHead([use], 'xxh3')
    const applied = await engine.run((tx) => tx.put(keyOf(key), value(tx.use(record!))), {
      records: [record!],
    })
    const view = engine.openView()
    const [pointer] = valuePointers((await view.read((items) => items.get(keyOf(key))))!, 'xxh3')!
    view.release()
    return { sequence: await this.logged(applied), pointer: pointer! }
  }

  /** The idle log has sealed its last group. */
  seal(): Promise<void> {
    return this.clock.advance(20)
  }

  image(): Image {
    return this.device.image(everythingSurvives)
  }

  /** As the next process finds it. */
  lies(...flips: readonly [address: number, bit: number][]): SimulatedDevice {
    const device = new SimulatedDevice({ image: this.image() })
    for (const [address, bit] of flips) device.flipBit(address, bit)
    return device
  }

  private async logged(applied: Applied<unknown>): Promise<number> {
    await this.engine.reach(applied, 'logged')
    return applied.sequence
  }
}

async function check(device: SimulatedDevice) {
  const report = await checkVolume(device)
  expect(device.mutations).toBe(0)
  const kinds = report.findings.map(({ severity, kind }) => `${severity} ${kind}`)
  return { ...report, kinds }
}

const keysOf = async (engine: CpEngine): Promise<boolean[]> => {
  const view = engine.openView()
  const there = await view.read((items) => [1, 2, 3, 4, 5].map((key) => items.get(keyOf(key)) !== null))
  view.release()
  return there
}

test('what an open would do with a sound volume', async () => {
  const volume = await Volume.make()
  await volume.small(1)
  await volume.engine.requestCp('requested')
  const { cp, sequence } = volume.engine.current().root
  expect(await check(volume.lies())).toMatchObject({
    kinds: [],
    log: { groups: 0, operations: 0, firstSequence: null, lastSequence: null, end: 'clean' },
    open: { outcome: 'opens', cp, sequence, replayed: 0, fenced: null },
  })
  await volume.small(2)
  await volume.small(3)
  await volume.seal()
  const { kinds, log, open: forecast } = await check(volume.lies())
  expect(kinds).toEqual([])
  expect(log).toEqual({
    groups: 3,
    operations: 2,
    firstSequence: sequence + 1,
    lastSequence: sequence + 2,
    end: 'clean',
  })
  const engine = await open(volume.lies(), 2)
  const { root } = engine.current()
  expect(forecast).toMatchObject({ cp: root.cp, sequence: sequence + 2, replayed: 2 })
})

test('the root that a replay would publish is checked like the others, and is none of the volume', async () => {
  const volume = await Volume.make()
  const { cp } = volume.engine.current().root
  const { pointer, sequence } = await volume.large(1)
  const seen: { sequence: number; items: number }[] = []
  let items = 0
  const { cps, records } = await checkVolume(volume.lies(), {
    onItem: () => void items++,
    onRoot: (root) => void seen.push({ sequence: root.sequence, items }),
  })
  expect(cps).toEqual([cp])
  expect(records).toBe(1)
  expect(seen).toEqual([
    { sequence: 0, items: 0 },
    { sequence, items: 1 },
  ])
  // Bytes that nobody has looked at before are behind the record.
  const last = pointer.address + pointer.blocks - 1
  expect((await check(volume.lies([last, 8 * (blockBytes - 1)]))).kinds).toEqual(['error padding'])
})

test('a fenced primary opens, and the check says that it takes no writes', async () => {
  const volume = await Volume.make()
  await volume.engine.fence()
  const { open: forecast } = await check(volume.lies())
  expect(forecast).toMatchObject({ outcome: 'opens', fenced: fences['another primary'] })
})

describe('superblocks', () => {
  test('one copy is a warning, both are an error, and nothing is said of a log that no open comes to', async () => {
    const volume = await Volume.make()
    await volume.small(1)
    const newest = volume.engine.volume.superblocks.newestSlot()
    for (const slot of [0, 1])
      for (const copy of [0, 1]) {
        const address = superblockAddress(slot, copy)
        const report = await check(volume.lies([address, 77]))
        expect(report.findings).toMatchObject([{ severity: 'warning', kind: 'superblock-copy', address }])
        expect(report).toMatchObject({ open: { outcome: 'opens', replayed: 1 }, log: { operations: 1 } })
      }
    const both = [0, 1].map((copy): [number, number] => [superblockAddress(newest, copy), 99])
    const report = await check(volume.lies(...both))
    expect(report.kinds).toEqual(['error superblock-slot'])
    expect(report.log).toBeNull()
    expect(report.open).toMatchObject({
      outcome: 'refused',
      code: 'corrupt',
      waysOut: ['restore from a mirror', '--accept-loss=superblock'],
    })
  })

  test('a going back that was interrupted: what an open makes of it', async () => {
    const volume = await Volume.make()
    const { cp } = volume.engine.current().root
    await volume.small(1)
    await volume.engine.requestCp('requested')
    const slot = volume.engine.volume.superblocks.newestSlot()
    const flips = [0, 1].map((copy): [number, number] => [superblockAddress(slot, copy), 99])
    // The mark is written, and nothing behind it.
    let writes = 0
    const faults: FaultPlan = ({ kind }) => (kind === 'write' && ++writes > 2 ? { kind: 'error' } : undefined)
    const device = new SimulatedDevice({ image: volume.lies(...flips).image(everythingSurvives), faults })
    await expect(open(device, 2, { acceptSuperblockLoss: true })).rejects.toThrow()
    const left = new SimulatedDevice({ image: device.image(nothingSurvives) })
    const report = await check(left)
    expect(report.kinds).toEqual(['warning going-back'])
    const { root } = (await open(left, 3)).current()
    expect(report.open).toMatchObject({ outcome: 'opens', cp: root.cp, sequence: root.sequence })
    expect(root.cp).toBeGreaterThan(cp)
  })
})

describe('the log', () => {
  test('a record that it names is read past the page cache, named when damaged, and given up with what follows', async () => {
    const volume = await Volume.make()
    const first = await volume.small(1)
    const { pointer, sequence } = await volume.large(2)
    const third = await volume.small(3)
    await volume.seal()
    const flip: [number, number] = [pointer.address + 3, 4711]
    const report = await check(volume.lies(flip))
    expect(report.findings).toMatchObject([
      { severity: 'error', kind: 'log-record', cp: null, address: pointer.address },
    ])
    expect(report.log).toMatchObject({
      operations: 1,
      firstSequence: first,
      lastSequence: first,
      end: 'damaged',
    })
    const refused = volume.lies(flip)
    const what = `operation ${sequence}: the record that it names is damaged`
    await expect(open(refused, 2)).rejects.toThrow(what)
    await expect(open(refused, 2)).rejects.toMatchObject({
      code: 'corrupt',
      help: { behindSequence: first, waysOut: ['restore from a mirror', '--accept-loss=log'] },
    })
    expect(report.open).toMatchObject({
      outcome: 'refused',
      waysOut: ['restore from a mirror', '--accept-loss=log'],
    })
    expect(refused.image(everythingSurvives).blocks.get(pointer.address)).toEqual(
      volume.image().blocks.get(pointer.address),
    )

    const accepted = volume.lies(flip)
    const engine = await open(accepted, 3, { acceptLogLoss: true })
    expect(engine.recovery).toMatchObject({
      replayed: 1,
      log: 'damaged',
      lost: [
        { firstSequence: sequence, operations: 1 },
        { firstSequence: third, operations: 1 },
      ],
    })
    expect(await keysOf(engine)).toEqual([true, false, false, false, false])
    await engine.close()
    // Nothing of it comes back, and the volume is sound.
    expect((await checkVolume(accepted)).findings).toEqual([])
    const next = await open(accepted.reopened({}), 4)
    expect(next.recovery).toMatchObject({ replayed: 0, log: 'clean', lost: [] })
    expect(await keysOf(next)).toEqual([true, false, false, false, false])
  })

  test('a write that the disk has dropped is damage, whatever the page cache shows', async () => {
    const volume = await Volume.make()
    const { pointer } = await volume.large(1)
    const device = volume.lies()
    // The kernel still remembers the right bytes.
    const right = volume.image().blocks.get(pointer.address)
    device.flipBit(pointer.address, 5)
    device['visible'].set(pointer.address, right)
    await expect(open(device, 2)).rejects.toMatchObject({ code: 'corrupt' })
  })

  test('a damaged record that a later operation has replaced is not missed', async () => {
    const volume = await Volume.make()
    const { pointer } = await volume.large(1)
    await volume.small(1, 9)
    await volume.seal()
    const flip: [number, number] = [pointer.address, 1]
    expect((await check(volume.lies(flip))).kinds).toEqual([])
    expect((await open(volume.lies(flip), 2)).recovery).toMatchObject({ replayed: 2, lost: [] })
  })

  test('the first of several damaged records ends the log, and one that only then counts is looked at', async () => {
    const volume = await Volume.make()
    const first = await volume.large(1)
    await volume.small(2)
    const second = await volume.large(3)
    // Replaces the first: its record counts only when this one is cut off.
    await volume.small(1, 7)
    await volume.seal()
    const flips = [first, second].map(({ pointer }): [number, number] => [pointer.address, 8])
    const report = await check(volume.lies(...flips))
    expect(report.findings.map(({ kind, address }) => [kind, address])).toEqual([
      ['log-record', first.pointer.address],
      ['log-record', second.pointer.address],
    ])
    const engine = await open(volume.lies(...flips), 2, { acceptLogLoss: true })
    expect(engine.recovery).toMatchObject({ replayed: 0, log: 'damaged' })
    expect(engine.recovery.lost).toHaveLength(4)
    expect(await keysOf(engine)).toEqual([false, false, false, false, false])
  })

  test('groups: in the middle, the last one sealed or not, an empty one, and padding', async () => {
    const volume = await Volume.make()
    const { logAddress } = volume.engine.volume.geometry
    await volume.small(1)
    await volume.seal()
    await volume.small(2)
    const unsealed = volume.lies([logAddress + 2, 8 * 200])
    expect((await check(unsealed)).kinds).toEqual(['warning log-torn'])
    await volume.seal()
    // Groups of one block: operation, empty, operation, empty.
    const found = async (block: number, byte: number) => {
      const report = await check(volume.lies([logAddress + block, 8 * byte]))
      return { kinds: report.kinds, end: report.log?.end, operations: report.log?.operations }
    }
    const damaged = { kinds: ['error log-group'], end: 'damaged' as const }
    for (const byte of [0, 20, 40, 130, 150]) {
      expect(await found(0, byte)).toEqual({ ...damaged, operations: 0 })
      expect(await found(2, byte)).toEqual({ ...damaged, operations: 1 })
    }
    for (const byte of [0, 20, 40, 130])
      expect(await found(1, byte)).toEqual({ kinds: ['warning log-seal'], end: 'clean', operations: 2 })
    for (const block of [0, 1, 2])
      expect(await found(block, 4000)).toEqual({ kinds: ['error padding'], end: 'clean', operations: 2 })
    expect(await found(3, 4000)).toEqual({ kinds: ['warning padding'], end: 'clean', operations: 2 })
  })

  test('what the device cannot read is an error of the device, and lost only when that is accepted', async () => {
    const volume = await Volume.make()
    const { logAddress } = volume.engine.volume.geometry
    await volume.small(1)
    const { pointer } = await volume.large(2)
    await volume.seal()
    for (const [address, kind, replayed] of [
      [logAddress + 1, 'log-group', 1],
      [pointer.address, 'log-record', 1],
    ] as const) {
      const faults: FaultPlan = (operation) =>
        operation.kind === 'read' &&
        operation.address <= address &&
        address < operation.address + operation.blocks
          ? { kind: 'error' }
          : undefined
      const device = () => new SimulatedDevice({ image: volume.image(), faults })
      const report = await check(device())
      expect(report.kinds).toEqual([`error ${kind}`])
      expect(report.open).toMatchObject({ outcome: 'refused', code: 'device' })
      await expect(open(device(), 2)).rejects.toMatchObject({ name: 'DeviceError' })
      const engine = await open(device(), 3, { acceptLogLoss: true })
      expect(engine.recovery).toMatchObject({ replayed, log: 'damaged' })
      expect(engine.recovery.lost.length).toBeGreaterThan(0)
    }
  })
})

test('a mirror has no log', async () => {
  const device = new SimulatedDevice()
  await createMirror(device, { clock: stillClock, random: seededRandom(3), geometry: smallGeometry() })
  const report = await check(new SimulatedDevice({ image: device.image(everythingSurvives) }))
  expect(report).toMatchObject({
    kinds: [],
    log: { groups: 0, operations: 0, end: 'clean' },
    open: { outcome: 'opens', cp: null, sequence: null, replayed: 0 },
  })
})

test('docs/cli.md has every kind', async () => {
  const text = await Bun.file(`${import.meta.dir}/../../docs/cli.md`).text()
  const described = [...text.matchAll(/^\| `([a-z-]+)` +\| (?:error|warning|both) +\|/gm)].map(
    ([, kind]) => kind ?? '',
  )
  const kinds = Object.keys(findingKinds) as FindingKind[]
  expect(new Set(described)).toEqual(new Set<string>(kinds))
  expect(described).toHaveLength(kinds.length)
})
