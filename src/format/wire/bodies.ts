/** Codec for the bodies of frames. Decoders believe nothing: a `corrupt` error names structure and field. */
import type { BlockRun } from '../../lib/block-run.ts'
import { assert } from '../../lib/assert.ts'
import { decodeUtf8, encodeUtf8 } from '../../lib/bytes.ts'
import { sha256Bytes, xxh3Bytes } from '../../lib/checksum.ts'
import { formatUuid, parseUuid } from '../../lib/random.ts'
import { Reader, Writer, corrupt, isZero, layout } from '../fields.ts'
import {
  blockBytes,
  isValidGeometry,
  recordBlocksMax,
  rootsPerMemberMax,
  volumeBytesLimit,
} from '../geometry.ts'
import { checksumKinds, sumBytes } from '../pointer.ts'
import { cpMax } from '../position.ts'
import {
  type BlockSource,
  type FrameBody,
  type Claim,
  type FrameKind,
  type MirrorStatus,
  type Position,
  type WireRun,
  blockSources,
  detailBytesMax,
  mirrorNeeds,
  mirrorStages,
  pollRemarks,
  runsPerFrameMax,
  wantsPerFrameMax,
  wireErrors,
} from './messages.ts'
import { decodePatches, encodePatches } from './patches.ts'

const addressMax = volumeBytesLimit / blockBytes
const countMax = 2 ** 48

export const helloLayout = layout('hello', 64, [
  ['side', 0, 16, "the primary's side UUID"],
  ['member', 16, 16, 'the side UUID expected there; zeros: any'],
  ['blocksMax', 32, 8, 'what the volume may grow to'],
  ['growBlocks', 40, 8, 'geometry of the volume'],
  ['logAddress', 48, 8, 'geometry of the volume'],
  ['logBlocks', 56, 8, 'geometry of the volume'],
])
export const pollLayout = layout('poll', 8, [
  ['remark', 0, 1, '0 nothing, 1 no common CP is known, 2 space is short: readers may be cut'],
  ['reserved', 1, 7, 'zero'],
])
export const runLayout = layout('run of blocks', 56, [
  ['address', 0, 6, 'first block'],
  ['blocks', 6, 2, '1 to 256'],
  ['payloadBytes', 8, 4, 'of the claimed checksum; 0: none is claimed'],
  ['sumKind', 12, 1, '0 none, 1 XXH3-64, 2 SHA-256'],
  ['reserved', 13, 3, 'zero'],
  ['wireSum', 16, xxh3Bytes, 'XXH3-64, seed 0, of the blocks as they travel'],
  ['sum', 24, sha256Bytes, 'as pointers have it, zeros behind it'],
])
export const blocksLayout = layout(
  'blocks',
  8,
  [
    ['source', 0, 1, '0 live, 1 difference, 2 first copy, 3 want'],
    ['reserved', 1, 3, 'zero'],
    ['count', 4, 4, 'runs'],
  ],
  [['runs', 'each as below']],
)
export const offerLayout = layout(
  'offer',
  24,
  [
    ['offer', 0, 8, 'counts the offers of a session'],
    ['address', 8, 6, 'of the root node'],
    ['complete', 14, 1, '0: the difference follows, 1: the mirror should verify'],
    ['reserved', 15, 1, 'zero'],
    ['blocks', 16, 8, 'that it uses and the base does not; 0 when complete'],
  ],
  [['root', 'the root node, one block']],
)
export const wantLayout = layout(
  'want list',
  8,
  [
    ['round', 0, 4, 'counts the want lists of a target'],
    ['count', 4, 4, 'wanted runs'],
  ],
  [['wanted', 'address (6 bytes) and blocks (2 bytes) each']],
)
const wantedBytes = 8
export const helloAnswerLayout = layout(
  'hello answer',
  16,
  [['opens', 0, 16, 'the session of all later frames; that of the head is the one of the hello']],
  [['status', 'as in a report']],
)
export const statusLayout = layout(
  'report',
  144,
  [
    ['side', 0, 16, "the mirror's side UUID"],
    ['publishedCp', 16, 8, '0: nothing'],
    ['publishedHash', 24, sha256Bytes, 'zeros: nothing'],
    ['targetCp', 56, 8, '0: none'],
    ['targetHash', 64, sha256Bytes, 'zeros: none'],
    ['offerSeen', 96, 8, 'the last offer of the session that it has seen'],
    ['receivedTo', 104, 8, 'address below which the difference has arrived: a hint'],
    ['needsBytes', 112, 8, 'with need 1: how much'],
    ['missing', 120, 8, 'blocks that it waits for'],
    ['refused', 128, 8, 'runs and frames that it did not take'],
    ['stage', 136, 1, '0 idle, 1 receiving, 2 verifying, 3 wanting, 4 publishing'],
    [
      'needs',
      137,
      1,
      '0 nothing, 1 space, 2 another device, 3 a common CP, 4 sound blocks, 5 a newer version',
    ],
    ['count', 138, 2, 'retained roots'],
    ['reserved', 140, 4, 'zero'],
  ],
  [['retained', 'cp (8 bytes) and root hash (32 bytes) each']],
)
const positionBytes = 8 + sha256Bytes
export const errorLayout = layout(
  'error',
  4,
  [
    ['code', 0, 2, 'position in the list of codes'],
    ['detailBytes', 2, 2, 'length of the text'],
  ],
  [['detail', 'UTF-8']],
)
export function encodeBody(body: FrameBody): Uint8Array<ArrayBuffer> {
  switch (body.kind) {
    case 'hello': {
      const bytes = new Uint8Array(helloLayout.bytes)
      const w = new Writer(helloLayout, bytes)
      w.put('side', parseUuid(body.side))
      w.put('member', parseUuid(body.member))
      for (const name of geometryNames) w.number(name, body.geometry[name])
      return bytes
    }
    case 'hello-answer':
      return encodeHelloAnswer(body)
    case 'report':
      return encodeStatus(body)
    case 'blocks':
      return encodeRuns(body.source, body.runs)
    case 'patches':
      return encodePatches(body)
    case 'offer': {
      assert(body.root.length === blockBytes, 'a root is one block')
      const bytes = new Uint8Array(offerLayout.bytes + blockBytes)
      const w = new Writer(offerLayout, bytes)
      w.number('offer', body.offer, countMax)
      w.number('address', body.address, addressMax)
      w.number('complete', body.isComplete ? 1 : 0)
      w.number('blocks', body.blocks, addressMax)
      bytes.set(body.root, offerLayout.bytes)
      return bytes
    }
    case 'want': {
      const bytes = new Uint8Array(wantLayout.bytes + wantedBytes * body.wanted.length)
      const w = new Writer(wantLayout, bytes)
      w.number('round', body.round)
      w.number('count', body.wanted.length, wantsPerFrameMax)
      for (const [i, run] of body.wanted.entries()) {
        const entry = new Writer(wantedLayout, bytes, wantLayout.bytes + wantedBytes * i)
        entry.number('address', run.address, addressMax)
        entry.number('blocks', run.blocks, recordBlocksMax)
      }
      return bytes
    }
    case 'error': {
      const detail = encodeUtf8(body.detail.slice(0, detailBytesMax / 4))
      const bytes = new Uint8Array(errorLayout.bytes + detail.length)
      const w = new Writer(errorLayout, bytes)
      w.number('code', wireErrors.indexOf(body.code))
      w.number('detailBytes', detail.length, detailBytesMax)
      bytes.set(detail, errorLayout.bytes)
      return bytes
    }
    case 'poll': {
      const bytes = new Uint8Array(pollLayout.bytes)
      new Writer(pollLayout, bytes).number('remark', pollRemarks.indexOf(body.remark))
      return bytes
    }
  }
}

const wantedLayout = layout('wanted run', wantedBytes, [
  ['address', 0, 6, 'first block'],
  ['blocks', 6, 2, '1 to 256'],
])
const geometryNames = ['blocksMax', 'growBlocks', 'logAddress', 'logBlocks'] as const

export function decodeBody(kind: FrameKind, bytes: Uint8Array): FrameBody {
  switch (kind) {
    case 'hello': {
      const r = new Reader(helloLayout, bytes)
      exactly(bytes, helloLayout.bytes, 'hello')
      const [blocksMax, growBlocks, logAddress, logBlocks] = geometryNames.map((name) => r.number(name))
      const geometry = {
        blocksMax: blocksMax!,
        growBlocks: growBlocks!,
        logAddress: logAddress!,
        logBlocks: logBlocks!,
      }
      if (!isValidGeometry(geometry)) throw r.problem('blocksMax', 'belongs to no valid geometry')
      return { kind, side: formatUuid(r.copy('side')), member: formatUuid(r.copy('member')), geometry }
    }
    case 'hello-answer': {
      const r = new Reader(helloAnswerLayout, bytes)
      return {
        kind,
        opens: formatUuid(r.copy('opens')),
        ...decodeStatus(bytes.subarray(helloAnswerLayout.bytes)),
      }
    }
    case 'report':
      return { kind, ...decodeStatus(bytes) }
    case 'blocks':
      return decodeRuns(bytes)
    case 'patches':
      return decodePatches(bytes)
    case 'offer': {
      const r = new Reader(offerLayout, bytes)
      exactly(bytes, offerLayout.bytes + blockBytes, 'offer')
      r.zero('reserved')
      const root = bytes.slice(offerLayout.bytes)
      const isComplete = r.number('complete', 1) === 1
      return {
        kind,
        // Reports repeat this number, so both have the same limit.
        offer: r.number('offer', countMax),
        address: r.number('address', addressMax, 1),
        isComplete,
        blocks: r.number('blocks', isComplete ? 0 : addressMax),
        root,
      }
    }
    case 'want': {
      const r = new Reader(wantLayout, bytes)
      const count = r.number('count', wantsPerFrameMax)
      exactly(bytes, wantLayout.bytes + wantedBytes * count, 'want list')
      const wanted: BlockRun[] = []
      for (let i = 0; i < count; i++) {
        const entry = new Reader(wantedLayout, bytes, wantLayout.bytes + wantedBytes * i)
        const blocks = entry.number('blocks', recordBlocksMax, 1)
        wanted.push({ address: entry.number('address', addressMax - blocks, 1), blocks })
      }
      return { kind, round: r.number('round'), wanted }
    }
    case 'error': {
      const r = new Reader(errorLayout, bytes)
      const length = r.number('detailBytes', detailBytesMax)
      exactly(bytes, errorLayout.bytes + length, 'error')
      const code = wireErrors[r.number('code', wireErrors.length - 1)]!
      try {
        return { kind, code, detail: decodeUtf8(bytes.subarray(errorLayout.bytes)) }
      } catch (error) {
        if (error instanceof TypeError) throw r.problem('detailBytes', 'cuts no UTF-8 text')
        throw error
      }
    }
    case 'poll': {
      const r = new Reader(pollLayout, bytes)
      exactly(bytes, pollLayout.bytes, 'poll')
      r.zero('reserved')
      return { kind, remark: pollRemarks[r.number('remark', pollRemarks.length - 1)]! }
    }
  }
}

const positionLayout = layout('position', positionBytes, [
  ['cp', 0, 8, '0: nowhere'],
  ['hash', 8, sha256Bytes, 'root hash; zeros: nowhere'],
])

function encodeHelloAnswer(body: { readonly opens: string } & MirrorStatus): Uint8Array<ArrayBuffer> {
  const status = encodeStatus(body)
  const bytes = new Uint8Array(helloAnswerLayout.bytes + status.length)
  new Writer(helloAnswerLayout, bytes).put('opens', parseUuid(body.opens))
  bytes.set(status, helloAnswerLayout.bytes)
  return bytes
}

function encodeStatus(status: MirrorStatus): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(statusLayout.bytes + positionBytes * status.retained.length)
  const w = new Writer(statusLayout, bytes)
  w.put('side', parseUuid(status.side))
  w.number('publishedCp', status.published.cp, cpMax)
  w.put('publishedHash', status.published.hash)
  w.number('targetCp', status.target.cp, cpMax)
  w.put('targetHash', status.target.hash)
  w.number('offerSeen', status.offerSeen, countMax)
  w.number('receivedTo', status.receivedTo, addressMax)
  w.number('needsBytes', status.needsBytes)
  w.number('missing', status.missing, countMax)
  w.number('refused', status.refused, countMax)
  w.number('stage', mirrorStages.indexOf(status.stage))
  w.number('needs', mirrorNeeds.indexOf(status.needs))
  w.number('count', status.retained.length, rootsPerMemberMax)
  for (const [i, position] of status.retained.entries()) {
    const entry = new Writer(positionLayout, bytes, statusLayout.bytes + positionBytes * i)
    entry.number('cp', position.cp, cpMax)
    entry.put('hash', position.hash)
  }
  return bytes
}

function decodeStatus(bytes: Uint8Array): MirrorStatus {
  const r = new Reader(statusLayout, bytes)
  const count = r.number('count', rootsPerMemberMax)
  exactly(bytes, statusLayout.bytes + positionBytes * count, statusLayout.title)
  r.zero('reserved')
  const retained: Position[] = []
  for (let i = 0; i < count; i++) {
    const entry = new Reader(positionLayout, bytes, statusLayout.bytes + positionBytes * i)
    retained.push({ cp: entry.number('cp', cpMax), hash: entry.copy('hash') })
  }
  return {
    side: formatUuid(r.copy('side')),
    published: { cp: r.number('publishedCp', cpMax), hash: r.copy('publishedHash') },
    target: { cp: r.number('targetCp', cpMax), hash: r.copy('targetHash') },
    stage: mirrorStages[r.number('stage', mirrorStages.length - 1)]!,
    needs: mirrorNeeds[r.number('needs', mirrorNeeds.length - 1)]!,
    needsBytes: r.number('needsBytes'),
    offerSeen: r.number('offerSeen', countMax),
    receivedTo: r.number('receivedTo', addressMax),
    missing: r.number('missing', countMax),
    refused: r.number('refused', countMax),
    retained,
  }
}

function encodeRuns(source: BlockSource, runs: readonly WireRun[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(blocksLayout.bytes + runLayout.bytes * runs.length)
  const w = new Writer(blocksLayout, bytes)
  w.number('source', blockSources.indexOf(source))
  w.number('count', runs.length, runsPerFrameMax)
  for (const [i, run] of runs.entries()) {
    const entry = new Writer(runLayout, bytes, blocksLayout.bytes + runLayout.bytes * i)
    entry.number('address', run.address, addressMax)
    entry.number('blocks', run.blocks, recordBlocksMax)
    entry.put('wireSum', run.wireSum)
    if (!run.claim) continue
    const { payloadBytes, kind, sum } = run.claim
    assert(payloadBytes > 0 && sum.length === sumBytes(kind), 'a claim is complete')
    entry.number('payloadBytes', payloadBytes, run.blocks * blockBytes)
    entry.number('sumKind', 1 + checksumKinds.indexOf(kind))
    bytes.set(sum, entry.base + runLayout.at.sum)
  }
  return bytes
}

function decodeRuns(bytes: Uint8Array): FrameBody {
  const r = new Reader(blocksLayout, bytes)
  const count = r.number('count', runsPerFrameMax)
  exactly(bytes, blocksLayout.bytes + runLayout.bytes * count, blocksLayout.title)
  r.zero('reserved')
  const runs: WireRun[] = []
  for (let i = 0; i < count; i++) {
    const entry = new Reader(runLayout, bytes, blocksLayout.bytes + runLayout.bytes * i)
    entry.zero('reserved')
    const blocks = entry.number('blocks', recordBlocksMax, 1)
    runs.push({
      address: entry.number('address', addressMax - blocks, 1),
      blocks,
      wireSum: entry.copy('wireSum'),
      claim: decodeClaim(entry, blocks),
    })
  }
  return { kind: 'blocks', source: blockSources[r.number('source', blockSources.length - 1)]!, runs }
}

function decodeClaim(entry: Reader<keyof typeof runLayout.at>, blocks: number): Claim | null {
  const kind = checksumKinds[entry.number('sumKind', checksumKinds.length) - 1]
  const payloadBytes = entry.number('payloadBytes', blocks * blockBytes, kind ? 1 : 0)
  const sum = entry.copy('sum')
  const length = kind ? sumBytes(kind) : 0
  if (!isZero(sum, length, sum.length)) throw entry.problem('sum', 'has bytes after its end')
  if (!kind && payloadBytes !== 0) throw entry.problem('payloadBytes', 'belongs to no claim')
  return kind ? { payloadBytes, kind, sum: sum.subarray(0, length) } : null
}

function exactly(bytes: Uint8Array, length: number, structure: string): void {
  if (bytes.length !== length) throw corrupt(structure, 'length', `is ${bytes.length}, not ${length}`)
}
