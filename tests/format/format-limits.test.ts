/**
 * Every number of the format that bounds something, at its limit and on both sides of it. What fits is read back as it
 * was; what does not is refused by whoever writes it, so nothing that cannot be read is ever written.
 */
import { describe } from 'bun:test'
import * as g from '../../src/format/geometry.ts'
import { type Root, decodeRoot, encodeRoot, treeLevelMax } from '../../src/format/disk/root.ts'
import { type Superblock, decodeSuperblock, encodeSuperblock } from '../../src/format/disk/superblock.ts'
import { decodeFrame, encodeFrame } from '../../src/format/wire/frames.ts'
import * as wire from '../../src/format/wire/messages.ts'
import { extraProblem, noExtra } from '../../src/format/items/entry-extra.ts'
import * as token from '../../src/format/items/token-setting.ts'
import { entryKey, isSettingName, settingNameBytesMax } from '../../src/format/items/item-keys.ts'
import { noNode } from '../../src/format/pointer.ts'
import { cpMax, openingMax, sequenceMax, timeMsMax } from '../../src/format/position.ts'
import * as entry from '../../src/lib/entry-limits.ts'
import { depthMax, parsePlainPath, parseUrlPath, pathBytesMax } from '../../src/fs/paths.ts'
import { type LimitRow, isDone, testLimits } from '../at-the-limit.ts'

const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const text = (length: number): string => 'x'.repeat(length)
const list = <T>(length: number, make: (i: number) => T): T[] => Array.from({ length }, (_, i) => make(i))

// --- The root ---

const root: Root = {
  features: { incompat: 0, readOnlyCompat: 0, compat: 0 },
  volumeUuid: fill(16, 1),
  cp: 7,
  blockCount: 20_000,
  blocksMax: 20_000,
  sums: { kind: 'xxh3', seed: 1 },
  fileTree: { pointer: { address: 10_000, sum: fill(32, 2) }, level: 1 },
  snapshotsTree: { pointer: noNode, level: 0 },
  liveMap: { address: 10_001, sum: fill(32, 3) },
  usedMap: { address: 10_002, sum: fill(32, 4) },
  epochs: [{ number: 0, id: fill(8, 1), firstCp: 1, rootHashBefore: fill(32, 0) }],
  counters: list(g.countersMax, () => 0),
  committedAtMs: 1,
  sequence: 9,
  opening: 2,
  previousHash: fill(32, 8),
  snapshotName: null,
}
const epochsOf = (count: number, newest = count - 1): Root['epochs'] =>
  list(count, (i) => {
    const number = newest - count + 1 + i
    const rootHashBefore = fill(32, number === 0 ? 0 : 9)
    return { number, id: fill(8, i), firstCp: number * g.cpsPerEpoch + 1, rootHashBefore }
  })
const holdsRoot = (change: Partial<Root>): boolean =>
  isDone(() => {
    const changed = { ...root, ...change }
    return Bun.deepEquals(decodeRoot(encodeRoot(changed)), changed)
  })

describe('a root', () => {
  const atEpoch = (number: number): boolean =>
    holdsRoot({ epochs: epochsOf(1, number), cp: number * g.cpsPerEpoch + 1 })
  const rows: readonly LimitRow[] = [
    ['epochs', g.epochsMax, (n) => holdsRoot({ epochs: epochsOf(n), cp: n * g.cpsPerEpoch - 1 })],
    ['the number of an epoch', g.epochMax, atEpoch],
    ['the cp', cpMax, (cp) => holdsRoot({ epochs: epochsOf(1, g.epochMax), cp })],
    ['cps of an epoch', g.cpsPerEpoch - 1, (cp) => holdsRoot({ cp })],
    ['a counter', Number.MAX_SAFE_INTEGER, (n) => holdsRoot({ counters: [n, ...root.counters.slice(1)] })],
    ['operations', sequenceMax, (sequence) => holdsRoot({ sequence })],
    ['openings', openingMax, (opening) => holdsRoot({ opening })],
    ['its time', timeMsMax, (committedAtMs) => holdsRoot({ committedAtMs })],
    ['blocks', g.volumeBlocksLimit, (n) => holdsRoot({ blockCount: n, blocksMax: n })],
    ['blocks that are there', root.blocksMax, (blockCount) => holdsRoot({ blockCount })],
    ['the level of its tree', treeLevelMax, (level) => holdsRoot({ fileTree: { ...root.fileTree, level } })],
    ['the name of a snapshot', g.snapshotNameBytesMax, (n) => holdsRoot({ snapshotName: text(n) })],
  ]
  testLimits(rows)
  testLimits(
    [
      ['counters', g.countersMax, (n) => n > g.countersMax || holdsRoot({ counters: list(n, () => 0) })],
      ['epochs', 1, (n) => holdsRoot({ epochs: epochsOf(n), cp: (n - 1) * g.cpsPerEpoch + 1 })],
      ['its blocks behind the last address', 10_003, (blockCount) => holdsRoot({ blockCount })],
    ],
    'least',
  )
})

// --- The superblock ---

const superblock: Superblock = {
  features: { incompat: 0, readOnlyCompat: 0, compat: 0 },
  volumeUuid: fill(16, 1),
  sideUuid: fill(16, 2),
  generation: 5,
  role: 'primary',
  epoch: { number: 2, id: fill(8, 2) },
  fenced: false,
  outdated: false,
  opening: 3,
  firstCp: 2 * g.cpsPerEpoch + 9,
  root: { address: 10_003, bytes: encodeRoot(root) },
  holds: [],
  members: [],
  log: { nonce: fill(8, 1), position: 8192, chain: fill(32, 1) },
  geometry: g.fixedPart(g.makeGeometry()),
  goingBack: false,
}
const holdsSuperblock = (change: Partial<Superblock>): boolean =>
  isDone(() => {
    const changed = { ...superblock, ...change }
    return Bun.deepEquals(decodeSuperblock(encodeSuperblock(changed, 0), 0), changed)
  })
const holds = (count: number): Superblock['holds'] =>
  list(count, (i) => ({
    memberUuid: fill(16, 10),
    cp: 1 + i,
    root: { address: 50_000 + i, sum: fill(32, 255) },
  }))
const members = (count: number, urlBytes = 20): Superblock['members'] =>
  list(count, (i) => ({ uuid: fill(16, 10 + i), url: `http://${text(urlBytes - 7)}` }))

describe('a superblock', () => {
  testLimits([
    ['holds', g.holdsMax, (n) => holdsSuperblock({ members: members(1), holds: holds(n) })],
    ['members', g.membersMax, (n) => holdsSuperblock({ members: members(n) })],
    ['the address of a member', g.memberUrlBytesMax, (n) => holdsSuperblock({ members: members(1, n) })],
    ['its epoch', g.epochMax, (number) => holdsSuperblock({ epoch: { number, id: fill(8, 2) } })],
    ['openings', openingMax, (opening) => holdsSuperblock({ opening })],
    ['its first cp', cpMax, (firstCp) => holdsSuperblock({ firstCp })],
  ])
})

// --- The geometry ---

const isGeometry = (change: Partial<g.Geometry>): boolean =>
  g.isValidGeometry({ ...g.makeGeometry(), ...change })
const smallest = g.makeGeometry(2 ** 30, g.blockBytes, g.logBytesMin)
const largestLog = g.volumeBlocksLimit - smallest.logAddress - 64

describe('a geometry', () => {
  testLimits([
    ['blocks', g.volumeBlocksLimit, (blocksMax) => isGeometry({ blocksMax })],
    ['blocks of the log', largestLog, (n) => isGeometry({ logBlocks: n, blocksMax: g.volumeBlocksLimit })],
    ['the end of a run', smallest.blocksMax, (end) => g.isDataRun(smallest, end - 4, 4)],
    ['a run before the log', smallest.logAddress, (end) => g.isDataRun(smallest, end - 4, 4)],
    ['a run before a superblock', 256, (end) => g.isDataRun(smallest, end - 4, 4)],
  ])
  const { logAddress, logBlocks } = smallest
  testLimits(
    [
      ['blocks of the log', g.logBytesMin / g.blockBytes, (n) => isGeometry({ logBlocks: n })],
      ['blocks of a step', 1, (growBlocks) => isGeometry({ growBlocks })],
      ['blocks', logAddress + logBlocks + 64, (blocksMax) => isGeometry({ logBlocks, blocksMax })],
      ['a run behind the log', logAddress + logBlocks, (address) => g.isDataRun(smallest, address, 4)],
      ['a run behind a superblock', g.superblockCopyBlocks, (address) => g.isDataRun(smallest, address, 4)],
      ['blocks of a run', 1, (blocks) => g.isDataRun(smallest, 8000, blocks)],
    ],
    'least',
  )
})

// --- What clients name ---

const path = (bytes: number): string => {
  const segment = text(entry.nameBytesMax)
  const whole = list(Math.ceil(bytes / 256), () => segment).join('/')
  return whole.slice(0, bytes).replace(/\/$/, 'x')
}
const wide = 'ä'

describe('a name', () => {
  testLimits([
    ['bytes', entry.nameBytesMax, (n) => isDone(() => parsePlainPath(text(n)))],
    ['bytes in a URL', entry.nameBytesMax, (n) => isDone(() => parseUrlPath(text(n)))],
    ['bytes of UTF-8', entry.nameBytesMax, (n) => isDone(() => parsePlainPath(wide + text(n - 2)))],
    ['bytes in a key', entry.nameBytesMax, (n) => isDone(() => entryKey(2, fill(n, 65)))],
    ['names of a path', depthMax, (n) => isDone(() => parsePlainPath(list(n, () => 'x').join('/')))],
    ['names of a URL', depthMax, (n) => isDone(() => parseUrlPath(list(n, () => '%78').join('/')))],
    ['bytes of a path', pathBytesMax, (n) => isDone(() => parsePlainPath(path(n)))],
    ['bytes of a path in a URL', pathBytesMax, (n) => isDone(() => parseUrlPath(path(n)))],
    ['bytes of a setting', settingNameBytesMax, (n) => isSettingName(text(n))],
    ['bytes of the name of a token', token.tokenNameBytesMax, (n) => isTokenSetting(text(n), '')],
    ['bytes of the prefix of a token', token.tokenPrefixBytesMax, (n) => isTokenSetting('a', text(n))],
    ['characters of the id of a token', 32, (n) => token.isTokenId(text(n))],
    ['bytes of a content type', entry.contentTypeBytesMax, (n) => isExtra({ contentType: text(n) })],
    ['bytes of a target', entry.linkTargetBytesMax, (n) => isExtra({ target: text(n) })],
    ['bytes of the name of metadata', entry.metaNameBytesMax, (n) => isExtra({ meta: [[text(n), '']] })],
    ['bytes of metadata', entry.metaBytesMax, (n) => isExtra({ meta: [['a', text(n - 1)]] })],
    ['bytes of all metadata', entry.metaBytesMax, (n) => isExtra({ meta: someMeta(n) })],
  ])
  testLimits([['bytes', 1, (n) => isDone(() => entryKey(2, fill(n, 65)))]], 'least')
})

const isTokenSetting = (name: string, prefix: string): boolean => {
  const sum = new Uint8Array(32)
  const setting = { sum, role: 'reader' as const, name, prefix, createdMs: 0, expiresMs: null }
  return isDone(() => token.decodeTokenSetting(token.encodeTokenSetting(setting)))
}
const isExtra = (extra: Partial<typeof noExtra>): boolean => extraProblem({ ...noExtra, ...extra }) === null
const someMeta = (bytes: number): [string, string][] => [
  ['a', text(bytes - 1000)],
  ['b', text(998)],
]

// --- Frames ---

const head = {
  volume: wire.noUuid,
  session: wire.noUuid,
  epoch: { number: 1, id: fill(8, 1) },
  cp: 1,
  base: wire.nowhere,
  number: 1,
}
const travels = (body: object): boolean =>
  isDone(() => {
    const message = { ...head, ...body } as wire.Message
    return Bun.deepEquals(decodeFrame(encodeFrame(message)), message)
  })
const runs = (count: number, blocks = 1) =>
  list(count, (i) => ({ address: 5000 + i * blocks, blocks, claim: null, wireSum: fill(8, i % 256) }))
/** So many blocks in runs of records, and one that is shorter. */
const inRuns = (blocks: number) => {
  const whole = Math.floor(blocks / g.recordBlocksMax)
  const rest = { ...runs(1, blocks % g.recordBlocksMax)[0]!, address: 4000 }
  return [...(rest.blocks > 0 ? [rest] : []), ...runs(whole, g.recordBlocksMax)]
}
const wanted = (count: number) => list(count, (i) => ({ address: 5000 + 2 * i, blocks: 1 }))

describe('a frame', () => {
  testLimits([
    ['runs', wire.runsPerFrameMax, (n) => travels({ kind: 'blocks', source: 'live', runs: runs(n) })],
    [
      'blocks',
      wire.dataBytesMax / g.blockBytes,
      (n) => travels({ kind: 'blocks', source: 'live', runs: inRuns(n) }),
    ],
    [
      'runs that are wanted',
      wire.wantsPerFrameMax,
      (n) => travels({ kind: 'want', round: 1, wanted: wanted(n) }),
    ],
    [
      'characters of a detail',
      wire.detailBytesMax / 4,
      (n) => travels({ kind: 'error', code: wire.wireErrors[0], detail: text(n) }),
    ],
  ])
})
