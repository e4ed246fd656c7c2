/** Damage to the log, and what a replay of it would publish. */
import { concatBytes } from '../../../src/lib/bytes.ts'
import { StillpointError } from '../../../src/lib/errors.ts'
import { blockBytes, countersMax } from '../../../src/format/geometry.ts'
import { type BlockPointer, recordSum, valueHead } from '../../../src/format/pointer.ts'
import { type LogRecord, logRecordBytes } from '../../../src/format/disk/log-record.ts'
import { readCopy } from '../../../src/cp-engine/volume/superblock-store.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { everythingSurvives } from '../../simulated/crash-image.ts'
import type { FaultPlan } from '../../simulated/faults.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { newLog } from '../log/written-log.ts'
import { keyOf, smallGeometry } from '../workload.ts'
import { ManyRoots, unreadable } from './many-roots.ts'
import type { Plant } from './plant.ts'
import { atPointer } from './root-plants.ts'

const { logAddress } = smallGeometry()
const value = (...pointers: BlockPointer[]) => concatBytes(valueHead(pointers, 'xxh3'), new Uint8Array(4))

/** Of the operations that the log has behind the newest root; the number is that of the operation. */
type Operation = Partial<Omit<LogRecord, 'sequence'>> & { readonly skips?: number }

class LoggedVolume {
  readonly newest
  constructor(readonly many: ManyRoots) {
    this.newest = many.of('the newest slot')
  }

  /** Each operation is a group of its own; an empty group behind one proves that it has been synced. */
  async device(
    operations: readonly Operation[],
    seals: 'each' | 'last' | 'none' = 'last',
  ): Promise<SimulatedDevice> {
    const { many, newest } = this
    const clock = new VirtualClock()
    const device = many.device()
    const superblock = (await readCopy(device, many.newestSlot, 0))!
    const context = { device, geometry: smallGeometry(), volumeUuid: newest.root.volumeUuid, clock }
    const log = newLog(superblock.log, context)
    let { sequence } = newest.root
    for (const operation of operations) {
      const { sequenceCount = 1, skips = 0, ...given } = operation
      sequence += sequenceCount + skips
      const counters = Array<number>(countersMax).fill(0)
      const nothing = { changes: [], inlineWrites: [], namedWrites: [] }
      const record = { sequence, sequenceCount, countedOnCp: 0, atMs: 1, counters, ...nothing, ...given }
      log.append(record, logRecordBytes(record, 'xxh3'))
      await log.reach(sequence)
      if (seals === 'each') await clock.advance(20)
    }
    if (seals === 'last') await clock.advance(20)
    return new SimulatedDevice({ image: device.image(everythingSurvives) })
  }

  /** A record that nothing uses yet, at the n-th free place. */
  free(n: number, payloadBytes = 3000): { pointer: BlockPointer; payload: Uint8Array } {
    const payload = new Uint8Array(payloadBytes).fill(n + 1)
    const blocks = Math.ceil(payloadBytes / blockBytes)
    const address = this.newest.root.blockCount - 600 + 20 * n
    const sum = recordSum(payload, this.newest.root.sums)
    return { pointer: { address, blocks, payloadBytes, encoding: 'raw', sum }, payload }
  }
}

export async function logPlants(): Promise<Plant[]> {
  const many = await ManyRoots.make()
  const volume = new LoggedVolume(many)
  const { newest } = volume
  const { sequence, cp, blockCount } = newest.root
  const put = (key: number, ...pointers: BlockPointer[]) => ({ key: keyOf(key), value: value(...pointers) })
  const empty: Operation = {}
  const plants: Plant[] = []
  const add = (
    title: string,
    plant: Plant['plant'],
    expected: readonly string[],
    more: Partial<Plant> = {},
  ) => plants.push({ title: `the log: ${title}`, plant, expected, ...more })
  const flipped = async (device: SimulatedDevice, block: number, byte: number) => {
    device.flipBit(block, 8 * byte)
    return device
  }
  const failing = async (device: SimulatedDevice, faults: FaultPlan) =>
    new SimulatedDevice({ image: device.image(everythingSurvives), faults })
  const three = [empty, empty, empty]

  add('sound', () => volume.device(three), [])
  // Groups of one block each: three operations, and an empty one.
  for (const n of [0, 1, 2]) {
    const before = sequence + n
    add(`group ${n} is damaged`, async () => flipped(await volume.device(three), logAddress + n, 40), [
      `error log-group -: the group behind operation ${before} was synced and is damaged (log position *)`,
    ])
    add(
      `group ${n} cannot be read`,
      async () => failing(await volume.device(three), unreadable(logAddress + n)),
      [`error log-group -: the group behind operation ${before} cannot be read (log position *)`],
    )
    add(
      `other bytes behind the records of group ${n}`,
      async () => flipped(await volume.device(three), logAddress + n, 4000),
      ['error padding -: a group has other bytes behind its records (log position *)'],
    )
  }
  add(
    'other bytes behind the last group',
    async () => flipped(await volume.device(three), logAddress + 3, 4000),
    ['warning padding -: the last group has other bytes behind its records'],
  )
  add('the last group is torn', async () => flipped(await volume.device(three, 'none'), logAddress + 2, 40), [
    'warning log-torn -: the last group is not whole: torn by a crash, or damaged before it was sealed',
  ])
  add(
    'the device cannot read a block that the log does not use yet',
    async () => failing(await volume.device(three), unreadable(logAddress + 100)),
    ['error open -: *'],
  )
  const replaced = newest.records[0]!
  add(
    'an operation replaces an item that is malformed',
    async () => {
      const spoil = atPointer(replaced, (leaf, at) => (leaf[at + 13] = 1))
      const spoilt = await many.edited('the newest slot', ManyRoots.paths.leaf, spoil)
      return new LoggedVolume(many.with(spoilt.image(everythingSurvives))).device([{ changes: [put(0)] }])
    },
    [
      `error item ${cp}: item * has malformed pointers`,
      ...['live', 'used'].map(
        (map) => `error map ${cp}: 2 blocks are in the ${map} map and nothing reaches them`,
      ),
    ],
  )
  // An operation, an empty group, and so on.
  for (const n of [0, 1])
    add(
      `empty group ${n} is damaged`,
      async () => flipped(await volume.device(three, 'each'), logAddress + 2 * n + 1, 130),
      ['warning log-seal -: an empty group is damaged (log position *)'],
    )
  const long = volume.free(2, 3 * blockBytes)
  const inLong = volume.free(4)
  const pointer = { ...inLong.pointer, address: long.pointer.address + 2 }
  add(
    'an operation writes the last block of what another writes',
    () =>
      volume.device([
        { changes: [put(8, long.pointer)], inlineWrites: [long] },
        empty,
        { changes: [put(9, pointer)], inlineWrites: [{ ...inLong, pointer }] },
      ]),
    [
      `error log-operation -: operation ${sequence + 3}: begins 1 blocks of the log that are in use (log position *)`,
    ],
  )

  for (const n of [0, 1, 2]) {
    const at = sequence + n + 1
    const withOne = (operation: Operation) => () =>
      volume.device(three.map((each, i) => (i === n ? operation : each)))
    const of = (what: string) => `error log-operation -: ${what} (log position *)`
    const [one, two] = [volume.free(0), volume.free(1)]
    add(
      `operation ${n} counts on a CP that is not there`,
      withOne({ countedOnCp: cp + 1, namedWrites: [one.pointer] }),
      [of(`operation ${at} counts on cp ${cp + 1}, which is not there`)],
    )
    add(`operation ${n} leaves a gap`, withOne({ skips: 1 }), [
      of(`operation ${at + 1} does not follow operation ${at - 1}`),
    ])
    add(`operation ${n} names what it does not write`, withOne({ changes: [put(9, one.pointer)] }), [
      of(`operation ${at}: is named by the log, which does not write it`),
    ])
    add(
      `the second pointer of operation ${n} names what it does not write`,
      withOne({ changes: [put(9, one.pointer, two.pointer)], inlineWrites: [one] }),
      [of(`operation ${at}: is named by the log, which does not write it`)],
    )
    for (const [where, address] of [
      ['in the log', logAddress + 1],
      ['in a superblock', 1],
    ] as const) {
      const there = { ...one, pointer: { ...one.pointer, address } }
      add(
        `operation ${n} writes ${where}`,
        withOne({ changes: [put(9, there.pointer)], inlineWrites: [there] }),
        [of(`operation ${at}: begins 1 blocks that no tree may use`)],
      )
    }
    const used = { ...one, pointer: { ...one.pointer, address: newest.records[2]!.address } }
    add(
      `operation ${n} writes blocks of the root`,
      withOne({ changes: [put(9, used.pointer)], inlineWrites: [used] }),
      [of(`operation ${at}: begins 1 blocks of the log that are in use`)],
    )
    const named = volume.free(3, 70_000)
    const onCp = { countedOnCp: cp, namedWrites: [named.pointer], changes: [put(9, named.pointer)] }
    const written = async () => {
      const device = await withOne(onCp)()
      const bytes = new Uint8Array(named.pointer.blocks * blockBytes)
      bytes.set(named.payload)
      await device.write([{ address: named.pointer.address, bytes }])
      await device.sync()
      return new SimulatedDevice({ image: device.image(everythingSurvives) })
    }
    const last = named.pointer.address + named.pointer.blocks - 1
    add(`operation ${n} names a sound record`, written, [])
    for (const block of [named.pointer.address, named.pointer.address + 8, last])
      add(
        `block ${block} of the record of operation ${n} is damaged`,
        async () => flipped(await written(), block, 1),
        [`error log-record -: operation ${at}: the record that it names is damaged (log position *)`],
      )
    add(
      `the record of operation ${n} cannot be read`,
      async () => failing(await written(), unreadable(last)),
      [`error log-record -: operation ${at}: the record that it names cannot be read (log position *)`],
    )

    const published = '*'
    add(
      `the replay: bytes behind the record that operation ${n} names`,
      async () => flipped(await written(), last, blockBytes - 1),
      [`error padding ${published}: there are other bytes behind the record`],
    )
    const [first, , , lastRecord] = newest.records
    add(
      `the replay: operation ${n} names one record twice`,
      withOne({ changes: [put(0, first!), put(7, first!)] }),
      Array<string>(2).fill(`error pointer ${published}: is reached twice`),
    )
    add(
      `the replay: an item of operation ${n} names one record twice`,
      withOne({ changes: [put(2, lastRecord!, lastRecord!)] }),
      Array<string>(2).fill(`error pointer ${published}: is reached twice`),
    )
    add(
      `the replay: an item of operation ${n} is wrong`,
      withOne({ changes: [put(9, one.pointer)], inlineWrites: [one] }),
      ['error newer-format *: of tomorrow'],
      {
        onItem: (_, { key }) => {
          if (Buffer.from(key).equals(keyOf(9))) throw new StillpointError('newer-format', 'of tomorrow')
        },
      },
    )
  }
  add(
    'the replay: a block that the maps have and nothing reaches',
    async () => {
      const { image } = await many
        .edited('the newest slot', ManyRoots.paths.livePage, (page) => {
          page[16 + ((blockCount - 3) >>> 3)]! ^= 1 << ((blockCount - 3) & 7)
        })
        .then((device) => ({ image: device.image(everythingSurvives) }))
      return new LoggedVolume(many.with(image)).device([empty])
    },
    [
      `error map ${cp}: 1 blocks are in the live map and nothing reaches them`,
      'error map *: 1 blocks are in the live map and nothing reaches them',
    ],
  )
  return plants
}
