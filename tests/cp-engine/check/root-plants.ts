/** Damage to a root that a slot or a hold names, and to what the root reaches: the same for each kind of root. */
import { assert } from '../../../src/lib/assert.ts'
import { writeU32, writeU48 } from '../../../src/lib/bytes.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import {
  type BlockPointer,
  blockPointerBytes,
  recordSum,
  writeBlockPointer,
} from '../../../src/format/pointer.ts'
import { mapPageHeadBytes } from '../../../src/format/disk/map-page.ts'
import { epochLayout, rootLayout } from '../../../src/format/disk/root.ts'
import { StillpointError } from '../../../src/lib/errors.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { everythingSurvives } from '../../simulated/crash-image.ts'
import { superblockLayout } from '../../../src/format/disk/superblock.ts'
import { allCopies, editSuperblock, raiseVersion, setWord } from '../volume/later-program.ts'
import { type Edit, type KindOfRoot, ManyRoots, kindsOfRoot, unreadable } from './many-roots.ts'
import type { Plant } from './plant.ts'

const bytesOf = (pointer: BlockPointer): Uint8Array => {
  const bytes = new Uint8Array(blockPointerBytes('xxh3'))
  writeBlockPointer(bytes, 0, pointer)
  return bytes
}

/** Edits the bytes of a pointer in a leaf. */
export const atPointer =
  (pointer: BlockPointer, edit: (leaf: Uint8Array, at: number) => void): Edit =>
  (leaf) => {
    const at = Buffer.from(leaf.buffer, leaf.byteOffset, leaf.length).indexOf(bytesOf(pointer))
    assert(at > 0, 'the leaf names the record')
    edit(leaf, at)
  }

export const putPointer = (pointer: BlockPointer, other: BlockPointer): Edit =>
  atPointer(pointer, (leaf, at) => leaf.set(bytesOf(other), at))

const flipMapBit =
  (block: number): Edit =>
  (page) =>
    void (page[mapPageHeadBytes + (block >>> 3)]! ^= 1 << (block & 7))

/** Lengths of the runs that these blocks make. */
function runsOf(records: readonly { readonly address: number; readonly blocks: number }[]): number[] {
  const blocks = records
    .flatMap(({ address, blocks: count }) => Array.from({ length: count }, (_, i) => address + i))
    .toSorted((a, b) => a - b)
  const runs: number[] = []
  for (const [i, block] of blocks.entries())
    if (i > 0 && blocks[i - 1] === block - 1) runs[runs.length - 1]!++
    else runs.push(1)
  return runs
}

const maps = ['live', 'used'] as const

export async function rootPlants(): Promise<Plant[]> {
  const many = await ManyRoots.make()
  return (await Promise.all(kindsOfRoot.map((kind) => plantsOf(many, kind)))).flat()
}

async function plantsOf(many: ManyRoots, kind: KindOfRoot): Promise<Plant[]> {
  const { cp, address, records, root } = many.of(kind)
  const { paths } = ManyRoots
  const isHold = kind.includes('hold')
  const at = {
    leaf: await many.addressOf(kind, paths.leaf),
    liveIndex: await many.addressOf(kind, paths.liveIndex),
    livePage: await many.addressOf(kind, paths.livePage),
    usedIndex: await many.addressOf(kind, paths.usedIndex),
    usedPage: await many.addressOf(kind, paths.usedPage),
  }
  const unreached = (runs: readonly number[], of: readonly string[] = maps) =>
    of.flatMap((map) =>
      runs.map((n) => `error map ${cp}: ${n} blocks are in the ${map} map and nothing reaches them`),
    )
  const notInMap = (runs: readonly number[]) =>
    maps.flatMap((map) =>
      runs.map((n) => `error map ${cp}: ${n} blocks are reached and not in the ${map} map`),
    )
  const allLost = unreached(runsOf(records))
  const liveLost = unreached(runsOf([at.liveIndex, at.livePage].map((a) => ({ address: a, blocks: 1 }))), [
    'used',
  ])

  const unusable = (map: string, block: number) =>
    `error map ${cp}: the ${map} map of cp ${cp} is unusable: block ${block} of the ${map} map cannot be read`
  // The leaf's own block is not reached any more, and the place where it should be is in no map.
  const leafBeyond = [...unreached(runsOf([...records, { address: at.leaf, blocks: 1 }])), ...notInMap([1])]

  const plants: Plant[] = []
  const add = (
    title: string,
    plant: Plant['plant'],
    expected: readonly string[],
    more: Partial<Plant> = {},
  ) => plants.push({ title: `${kind}: ${title}`, plant, expected, ...more })
  const flip = (block: number, byte: number) => async () => {
    const device = many.device()
    device.flipBit(block, 8 * byte)
    return device
  }
  const fails = (block: number) => async () => many.device(unreadable(block))
  const edited = (path: readonly number[], edit: Edit) => () => many.edited(kind, path, edit)

  add('its block is damaged', flip(address, 100), ['error root -: does not match its checksum'])
  add('its block cannot be read', fails(address), ['error root -: *'])
  if (isHold) {
    // A slot has the bytes of its root in itself: such a root makes the superblock unreadable.
    const spoil: Edit = (bytes) => bytes.fill(0, rootLayout.at.blockCount, rootLayout.at.blockCount + 6)
    add('it is no root', edited(paths.root, spoil), ['error root -: root node: *'])
    const rename: Edit = (bytes) => (bytes[rootLayout.at.volumeUuid]! ^= 1)
    add('it is of another volume', edited(paths.root, rename), [
      `error root ${cp}: the root belongs to another volume`,
    ])
    add('it is of a later program', edited(paths.root, setWord('root', 'incompat', 1)), [
      'error newer-format -: *',
    ])
  }

  add('its leaf is damaged', flip(at.leaf, 2000), [
    `error node ${cp}: does not match its checksum`,
    ...allLost,
  ])
  add('its leaf cannot be read', fails(at.leaf), [`error node ${cp}: *`, ...allLost])
  add(
    'its leaf is not what it says',
    edited(paths.leaf, (leaf) => (leaf[3] = 1)),
    [`error node ${cp}: tree node: *`, ...allLost],
  )
  add('its leaf is of a later program', edited(paths.leaf, raiseVersion), [`error newer-format ${cp}: *`])

  for (const map of maps) {
    const gone = (block: number) => [unusable(map, block), ...(map === 'live' ? liveLost : [])]
    for (const part of ['Index', 'Page'] as const) {
      const place = `${map}${part}` as const
      const block = at[place]
      add(`a ${part} of its ${map} map is damaged`, flip(block, 3000), [
        `error map ${cp}: does not match its checksum`,
        ...gone(block),
      ])
      add(`a ${part} of its ${map} map cannot be read`, fails(block), [
        `error map ${cp}: *read*`,
        ...gone(block),
      ])
      add(
        `a ${part} of its ${map} map is of another place`,
        edited(paths[place], (bytes) => (bytes[4] = 1)),
        [
          `error map ${cp}: the ${map} map of cp ${cp} is unusable: map *`,
          ...(map === 'live' ? liveLost : []),
        ],
      )
      add(`a ${part} of its ${map} map is of a later program`, edited(paths[place], raiseVersion), [
        `error newer-format ${cp}: the ${map} map of cp ${cp} is unusable: *`,
      ])
    }
    const free = root.blockCount - 3
    add(
      `its ${map} map has a free block`,
      edited(paths[`${map}Page`], flipMapBit(free)),
      unreached([1], [map]),
    )
    for (const [i, record] of records.entries())
      for (const block of [record.address, record.address + record.blocks - 1])
        add(
          `block ${block} of record ${i} is not in its ${map} map`,
          edited(paths[`${map}Page`], flipMapBit(block)),
          [`error map ${cp}: 1 blocks are reached and not in the ${map} map`],
        )
    add(`its leaf is not in its ${map} map`, edited(paths[`${map}Page`], flipMapBit(at.leaf)), [
      `error map ${cp}: 1 blocks are reached and not in the ${map} map`,
    ])
  }
  for (const [name, block] of Object.entries({ liveIndex: at.liveIndex, usedPage: at.usedPage }))
    add(`the ${name} is not in its used map`, edited(paths.usedPage, flipMapBit(block)), [
      `error map ${cp}: 1 blocks are reached and not in the used map`,
    ])

  for (const [i, record] of records.entries()) {
    const of = `record ${i}`
    const last = record.address + record.blocks - 1
    const lost = unreached([record.blocks])
    for (const [block, byte] of [
      [record.address, 0],
      [last, (record.payloadBytes - 1) % blockBytes],
    ] as const)
      add(`${of} is damaged at byte ${byte}`, flip(block, byte), [
        `error record ${cp}: *does not match its checksum`,
      ])
    add(`${of} cannot be read`, fails(last), [`error record ${cp}: *`])
    add(`bytes behind ${of}`, flip(last, blockBytes - 1), [
      `error padding ${cp}: there are other bytes behind the record`,
    ])
    add(
      `${of} is no zstd`,
      edited(
        paths.leaf,
        atPointer(record, (leaf, p) => (leaf[p + 12] = 1)),
      ),
      [`error record ${cp}: *is no zstd of a record`],
    )
    for (const [where, wrong] of [
      ['fixed', 1],
      ['behind the end', root.blockCount - 1],
    ] as const)
      add(
        `${of} is ${where}`,
        edited(
          paths.leaf,
          atPointer(record, (leaf, p) => writeU48(leaf, p, wrong)),
        ),
        [`error pointer ${cp}: a pointer names 2 blocks that no tree may use`, ...lost],
      )
    const other = records[(i + 1) % records.length]!
    add(`${of} is that of another item, too`, edited(paths.leaf, putPointer(record, other)), [
      ...Array<string>(2).fill(`error pointer ${cp}: is reached twice`),
      ...lost,
    ])
    add(
      `the item of ${of} has malformed pointers`,
      edited(
        paths.leaf,
        atPointer(record, (leaf, p) => (leaf[p + 13] = 1)),
      ),
      [
        `error item ${cp}: item * has malformed pointers`,
        ...unreached(runsOf(i === 1 || i === 2 ? records.slice(1, 3) : [record])),
      ],
    )
    const elsewhere = many.of(kindsOfRoot[(kindsOfRoot.indexOf(kind) + 3) % kindsOfRoot.length]!).records[i]!
    const device = many.device()
    const bytes = new Uint8Array(elsewhere.blocks * blockBytes)
    await device.read(elsewhere.address, bytes)
    const payloadBytes = elsewhere.payloadBytes - 1
    const sum = recordSum(bytes.subarray(0, payloadBytes), root.sums)
    add(
      `${of} is a part of one that another root has`,
      edited(paths.leaf, putPointer(record, { ...elsewhere, payloadBytes, sum })),
      [
        'error pointer *: two roots have different records at one address',
        `error padding ${cp}: there are other bytes behind the record`,
        ...lost,
        ...notInMap([record.blocks]),
      ],
    )
  }

  const { previousHash, blocksMax, epochs, blockCount } = rootLayout.at
  const isFirst = kind === kindsOfRoot[0]
  const isLast = kind === kindsOfRoot.at(-1)
  if (!isFirst)
    add(
      'it continues another root',
      edited(paths.root, (bytes) => (bytes[previousHash + 31]! ^= 1)),
      [`error history -: cp ${cp} does not continue cp ${cp - 1}, the root before it`],
    )
  if (!isLast)
    add(
      'it may grow further than the next one',
      edited(paths.root, (bytes) => (bytes[blocksMax + 1]! += 1)),
      [`error history -: cp ${cp + 1} may grow less than cp ${cp}`],
    )
  add(
    'it begins an epoch that continues another root',
    edited(paths.root, (bytes) => writeU48(bytes, epochs + epochLayout.at.firstCp, cp)),
    [`error history -: cp ${cp} begins an epoch, and the epoch continues another root`],
  )
  add(
    'it counts more blocks',
    edited(paths.root, (bytes) => writeU32(bytes, blockCount, root.blockCount + 1)),
    [
      `warning block-count ${cp}: the root counts ${root.blockCount + 1} blocks, and the device has ${root.blockCount}`,
    ],
  )
  const beyond = root.blockCount + 5
  for (const [name, field, of, more] of [
    ['leaf', 'fileTree', 'node', leafBeyond],
    ['live map', 'liveMap', 'map', [unusable('live', beyond), ...liveLost]],
    ['used map', 'usedMap', 'map', [unusable('used', beyond)]],
  ] as const)
    add(
      `its ${name} is behind the end of the device`,
      edited(paths.root, (bytes) => {
        writeU32(bytes, blockCount, beyond + 1)
        writeU48(bytes, rootLayout.at[field], beyond)
      }),
      [`warning block-count ${cp}: *`, `error ${of} ${cp}: lies behind the end of the volume`, ...more],
    )
  if (isHold)
    add(`it is behind the end of the device`, () => many.held(kind, many.blockCount + 7), [
      'error root -: lies behind the end of the volume',
    ])
  for (const i of [0, 1, 2]) {
    let seen = 0
    add(
      `item ${i} is of a later program`,
      async () => many.device(),
      [`error newer-format ${cp}: of tomorrow`],
      {
        onItem: (of) => {
          if (of.cp === cp && seen++ === i) throw new StillpointError('newer-format', 'of tomorrow')
        },
      },
    )
  }
  return plants
}

/** A root of which a part cannot be read here does not keep the check from judging the others. */
export async function pairPlants(): Promise<Plant[]> {
  const many = await ManyRoots.make()
  const { leaf, usedPage } = ManyRoots.paths
  return kindsOfRoot.flatMap((kind, n) => {
    const other = kindsOfRoot[(n + 1) % kindsOfRoot.length]!
    const free = many.of(other).root.blockCount - 3
    const plant = async () => {
      const later = await many.edited(kind, leaf, raiseVersion)
      return many.with(later.image(everythingSurvives)).edited(other, usedPage, flipMapBit(free))
    }
    return {
      title: `${kind} is of a later program, and ${other} has a free block in its map`,
      plant,
      expected: [
        `error newer-format ${many.of(kind).cp}: *`,
        `error map ${many.of(other).cp}: 1 blocks are in the used map and nothing reaches them`,
      ],
    }
  })
}

/** Of a device that has lost its last blocks: every root says so, not only the newest. */
export async function cutPlant(): Promise<Plant> {
  const many = await ManyRoots.make()
  const expected = kindsOfRoot.map(
    (kind) => `warning block-count ${many.of(kind).cp}: the root counts *, and the device has *`,
  )
  const { blocks } = many.image
  const plant = async () => new SimulatedDevice({ image: { blocks, blockCount: many.blockCount - 1 } })
  return { title: 'the device has lost its last block', plant, expected }
}

/** A mirror leaves out roots, and has only the blocks that its roots use: the same volume, with the other role. */
export async function mirrorPlants(): Promise<Plant[]> {
  const many = await ManyRoots.make()
  const asMirror = async (device: SimulatedDevice) => {
    for (const copy of allCopies)
      await editSuperblock(device, copy, (bytes) => (bytes[superblockLayout.at.role] = 2))
    return new SimulatedDevice({ image: device.image(everythingSurvives) })
  }
  const plants: Plant[] = [{ title: 'a mirror: sound', plant: () => asMirror(many.device()), expected: [] }]
  for (const kind of kindsOfRoot) {
    const { cp, root, records } = many.of(kind)
    const add = (title: string, path: readonly number[], edit: Edit, expected: readonly string[]) =>
      plants.push({
        title: `a mirror: ${kind}: ${title}`,
        plant: async () => asMirror(await many.edited(kind, path, edit)),
        expected,
      })
    const more: Edit = (bytes) => writeU32(bytes, rootLayout.at.blockCount, root.blockCount + 1)
    add('it counts more blocks than there are', [], more, [])
    add(
      'a record is no zstd',
      ManyRoots.paths.leaf,
      atPointer(records[2]!, (leaf, at) => (leaf[at + 12] = 1)),
      [`error record ${cp}: *is no zstd of a record`],
    )
    if (kind !== kindsOfRoot[0])
      add('it continues another root', [], (bytes) => (bytes[rootLayout.at.previousHash]! ^= 1), [
        `error history -: cp ${cp} does not continue cp ${cp - 1}, the root before it`,
      ])
  }
  return plants
}
