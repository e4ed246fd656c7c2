/** What waits for one mirror: which batch takes which entries, what is dropped, and what each limit refuses. */
import { beforeEach, describe, expect, test } from 'bun:test'
import { blockBytes } from '../../../src/format/geometry.ts'
import {
  type BlockSource,
  type Message,
  type PatchedRun,
  nowhere,
  patchedBlocksMax,
} from '../../../src/format/wire/messages.ts'
import { patchedRunBytes, patchesBytesMax } from '../../../src/format/wire/patches.ts'
import { FrameStream } from '../../../src/replica/link/frame-stream.ts'
import { Outbox, type OutgoingRun } from '../../../src/replica/primary/outbox.ts'
import { base, epoch, positionOf, uuid } from '../mirror/applier-scene.ts'
import { command, kinds } from './shipper-stage.ts'

const head = { volume: uuid(), session: uuid(), epoch }
const frameBlocks = (512 * 1024) / blockBytes
const batchBytes = 4 * 2 ** 20
const outboxBlocks = 2048
const run = (address: number, blocks = 1): OutgoingRun => ({
  address,
  bytes: new Uint8Array(blocks * blockBytes).fill(address),
  claim: null,
})
const blocksFrom = (address: number, count: number): OutgoingRun[] =>
  Array.from({ length: count }, (_, i) => run(address + i))
const poll = { kind: 'poll', remark: 'nothing' } as const
const sources: readonly BlockSource[] = ['live', 'difference', 'want']

type Taken = [source: BlockSource | null, cp: number, blocks: number, bytes: number]
let taken: Taken[]
let outbox: Outbox
beforeEach(() => {
  taken = []
  outbox = new Outbox(outboxBlocks * blockBytes, (...each) => taken.push(each))
})

const messagesOf = (parts: readonly Uint8Array[]): Message[] =>
  [...new FrameStream().push(Buffer.concat(parts))].map(({ message }) => message)
/** Messages of one batch. */
function batch(bytesMax?: number): Message[] {
  const next = outbox.take(head, null, bytesMax)
  if (!next) return []
  expect(next.bytes).toBe(next.parts.reduce((sum, { length }) => sum + length, 0))
  return messagesOf(next.parts)
}
const addressesOf = (message: Message): number[] =>
  message.kind === 'blocks' || message.kind === 'patches' ? message.runs.map(({ address }) => address) : []
/** First and number of the blocks that were sent live, of these. */
const sentOf = (from: number, blocks: number, cp: number): number[] => {
  const rest = [...outbox.sentLive.without([{ address: from, blocks }], cp)]
  return Array.from({ length: blocks }, (_, i) => from + i).filter(
    (at) => !rest.some(({ address, blocks: count }) => at >= address && at < address + count),
  )
}

describe('the room', () => {
  test.each([
    [outboxBlocks - 1, true],
    [outboxBlocks, true],
    [outboxBlocks + 1, false],
  ])('of %p blocks at once: %p', (blocks, isTaken) => {
    const commands = Array.from({ length: blocks }, (_, i) => command(100 + i))
    expect(outbox.live(6, nowhere, commands)).toBe(isTaken)
    expect(outbox.bytes).toBe(isTaken ? blocks * blockBytes : 0)
    expect(outbox.isEmpty).toBe(!isTaken)
  })

  test('is shared by all that waits, and comes back with what leaves and what is dropped', () => {
    outbox.runs('difference', 6, nowhere, blocksFrom(1000, outboxBlocks - 1))
    expect(outbox.live(6, nowhere, [command(1), command(2)])).toBe(false)
    expect(outbox.live(6, nowhere, [command(1)])).toBe(true)
    expect(outbox.live(6, nowhere, [command(2)])).toBe(false)
    outbox.dropLive(6)
    expect(outbox.live(7, nowhere, [command(3)])).toBe(true)
    while (batch().length > 0);
    expect(outbox.bytes).toBe(0)
    expect(outbox.isEmpty).toBe(true)
    expect(outbox.live(7, nowhere, [command(4)])).toBe(true)
    expect(outbox.bytes).toBe(blockBytes)
  })

  test('messages take none of it, and the root of live commands is not sent', () => {
    outbox.message(6, nowhere, poll)
    expect([outbox.bytes, outbox.isEmpty]).toEqual([0, false])
    expect(outbox.live(6, nowhere, [command(1), { ...command(2), isRoot: true }, command(3)])).toBe(true)
    expect(outbox.bytes).toBe(2 * blockBytes)
    expect(batch().map(addressesOf)).toEqual([[], [1, 3]])
  })
})

describe('frames', () => {
  test.each([
    [frameBlocks - 1, [frameBlocks - 1]],
    [frameBlocks, [frameBlocks]],
    [frameBlocks + 1, [frameBlocks, 1]],
    [2 * frameBlocks, [frameBlocks, frameBlocks]],
    [2 * frameBlocks + 1, [frameBlocks, frameBlocks, 1]],
  ])('of %p blocks of a block each', (count, lengths) => {
    outbox.runs('difference', 6, nowhere, blocksFrom(100, count))
    const frames = batch()
    expect(frames.map((frame) => addressesOf(frame).length)).toEqual(lengths)
    expect(frames.flatMap(addressesOf)).toEqual(Array.from({ length: count }, (_, i) => 100 + i))
    expect(taken.map(([, , blocks]) => blocks)).toEqual(lengths)
  })

  test('a longer run has a frame for itself, whatever is before and behind it', () => {
    outbox.runs('difference', 6, nowhere, [run(1), run(1000, frameBlocks + 1), run(2), run(3)])
    expect(batch().map(addressesOf)).toEqual([[1], [1000], [2, 3]])
    outbox.runs('difference', 6, nowhere, [run(1), run(1000, frameBlocks - 1), run(2)])
    expect(batch().map(addressesOf)).toEqual([[1, 1000], [2]])
    outbox.runs('difference', 6, nowhere, [])
    expect(outbox.isEmpty).toBe(true)
  })

  test('have the head of the session, their CP, and numbers from 0 on, again for a new connection', () => {
    for (let connection = 0; connection < 3; connection++) {
      outbox.runs('difference', 6, positionOf(base), [run(1)])
      outbox.message(7, positionOf(base), poll)
      outbox.runs('want', 8, nowhere, [run(2)])
      expect(batch()).toMatchObject([
        { ...head, kind: 'blocks', source: 'difference', cp: 6, number: 0, base: positionOf(base) },
        { ...head, kind: 'poll', cp: 7, number: 1, base: positionOf(base) },
        { ...head, kind: 'blocks', source: 'want', cp: 8, number: 2, base: nowhere },
      ])
      outbox.restart()
    }
  })
})

describe('batches', () => {
  const nextBlocks = (blocks: number) => {
    outbox.runs('want', 6, nowhere, [run(1)])
    outbox.runs('want', 6, nowhere, [run(1000, blocks)])
    return batch(3 * blockBytes).length
  }
  test('take what fits, counted with heads, and always the first entry', () => {
    expect(nextBlocks(1)).toBe(2)
    outbox.restart()
    expect(nextBlocks(2)).toBe(1)
    outbox.restart()
    outbox.runs('want', 6, nowhere, [run(1000, 9)])
    expect(batch(blockBytes).map(addressesOf)).toEqual([[1000]])
  })

  test('are full at the byte', () => {
    const lengthOf = (bytesMax: number) => {
      outbox.restart()
      for (const address of [1, 2, 3]) outbox.runs('want', 6, nowhere, [run(address)])
      return batch(bytesMax).length
    }
    outbox.runs('want', 6, nowhere, [run(1)])
    const one = outbox.take(head)!.bytes
    expect([-1, 0, 1].map((more) => lengthOf(one + blockBytes + more))).toEqual([1, 2, 2])
  })

  test('of much that waits have up to four megabytes', () => {
    outbox.runs('difference', 6, nowhere, blocksFrom(1, 9 * frameBlocks))
    const next = outbox.take(head)!
    expect(messagesOf(next.parts)).toHaveLength(7)
    expect(next.bytes).toBeGreaterThan(batchBytes - 512 * 1024)
    expect(next.bytes).toBeLessThanOrEqual(batchBytes)
  })

  test('a message waits for nothing, and what is behind a barrier waits for all before it', () => {
    outbox.runs('live', 6, nowhere, [run(1)])
    outbox.message(6, nowhere, poll)
    outbox.message(6, nowhere, poll, true)
    outbox.runs('live', 6, nowhere, [run(2)])
    expect(kinds(batch())).toEqual(['blocks', 'poll'])
    expect(batch()).toEqual([])
    outbox.runs('live', 6, nowhere, [run(3)])
    expect(batch()).toEqual([])
    outbox.received()
    expect(batch().map(({ kind }) => kind)).toEqual(['poll', 'blocks', 'blocks'])
    expect(outbox.isEmpty).toBe(true)
  })

  test('in flight are counted: the barrier waits for the last of them, and a receipt too many gives no credit', () => {
    outbox.received()
    for (const address of [1, 2]) {
      outbox.runs('live', 6, nowhere, [run(address)])
      expect(batch()).toHaveLength(1)
    }
    outbox.message(6, nowhere, poll, true)
    expect(batch()).toEqual([])
    outbox.received()
    expect(batch()).toEqual([])
    outbox.received()
    expect(kinds(batch())).toEqual(['poll'])
    outbox.message(6, nowhere, poll, true)
    expect(batch()).toEqual([])
    outbox.restart()
    outbox.message(6, nowhere, poll, true)
    expect(kinds(batch())).toEqual(['poll'])
  })
})

describe('what is dropped', () => {
  /** Messages, and runs of each source, for CPs 5 to 7; addresses are 10 × cp + the place of the source. */
  function fill(): void {
    for (const cp of [5, 6, 7]) {
      outbox.message(cp, nowhere, poll)
      for (const [i, source] of sources.entries()) outbox.runs(source, cp, nowhere, [run(10 * cp + i)])
    }
  }
  const left = () => batch().map((message) => addressesOf(message)[0] ?? message.cp)

  test('with a target: what was read for it, and neither messages nor live commands', () => {
    fill()
    outbox.dropSent()
    expect(outbox.bytes).toBe(3 * blockBytes)
    expect(left()).toEqual([5, 50, 6, 60, 7, 70])
  })

  test('with CPs that nobody offers: their live commands alone, and whose they were', () => {
    fill()
    expect([...outbox.dropLive(6)]).toEqual([5, 6])
    expect(outbox.bytes).toBe(7 * blockBytes)
    expect(left()).toEqual([5, 51, 52, 6, 61, 62, 7, 70, 71, 72])
    expect([...outbox.dropLive(7)]).toEqual([])
  })

  test('for a new connection: all', () => {
    fill()
    outbox.restart()
    expect([outbox.bytes, outbox.isEmpty, batch()]).toEqual([0, true, []])
  })
})

describe('what has left', () => {
  test('is told by source, CP, blocks and bytes; of messages only the offer', () => {
    outbox.runs('live', 6, nowhere, [run(1), run(2, 3)])
    outbox.runs('difference', 7, nowhere, [run(5)])
    outbox.message(7, nowhere, poll)
    outbox.runs('want', 8, nowhere, [run(6)])
    const { bytes, address } = base
    outbox.message(9, nowhere, { kind: 'offer', offer: 1, address, isComplete: true, blocks: 0, root: bytes })
    const { parts } = outbox.take(head)!
    expect(taken.map(([source, cp, blocks]) => [source, cp, blocks])).toEqual([
      ['live', 6, 4],
      ['difference', 7, 1],
      ['want', 8, 1],
      [null, 9, 0],
    ])
    const lengths = parts.map(({ length }) => length)
    expect(taken.map(([, , , count]) => count)).toEqual([
      lengths[0]! + 4 * blockBytes,
      lengths[3]! + blockBytes,
      lengths[6]! + blockBytes,
      lengths[8]!,
    ])
  })

  test('live, and nothing else, is left out of a difference, until the connection ends', () => {
    for (const [i, source] of sources.entries())
      outbox.runs(source, 6, nowhere, [run(10 * i + 1), run(10 * i + 2, 3)])
    expect(sentOf(0, 40, 6)).toEqual([])
    batch()
    expect(sentOf(0, 40, 6)).toEqual([1, 2, 3, 4])
    expect(sentOf(0, 40, 5)).toEqual([])
    outbox.restart()
    expect(sentOf(0, 40, 6)).toEqual([])
  })
})

test('the claim of a live command says what its sum is, by the length of the sum', () => {
  const sums = { xxh3: new Uint8Array(8).fill(1), sha256: new Uint8Array(32).fill(2) } as const
  for (const [i, [kind, sum]] of Object.entries(sums).entries()) {
    outbox.live(6, nowhere, [{ ...command(7), sum, payloadBytes: 4000 + i }])
    expect(batch()).toMatchObject([
      { runs: [{ address: 7, blocks: 1, claim: { kind, sum, payloadBytes: 4000 + i } }] },
    ])
  }
})

describe('patches', () => {
  /** An outbox whose runs become what the table says; runs that the table lacks travel whole. */
  function patching(table: ReadonlyMap<number, Partial<PatchedRun>>): void {
    const of = ({ address, bytes }: OutgoingRun): PatchedRun | null => {
      const made = table.get(address)
      return made
        ? {
            address,
            blocks: bytes.length / blockBytes,
            base: null,
            sum: null,
            patch: Uint8Array.of(0),
            ...made,
          }
        : null
    }
    outbox = new Outbox(2 ** 26, () => {}, { begin: () => ({ base, isSpent: false, of }) })
  }
  const frames = () =>
    messagesOf(outbox.take(head, base)!.parts).map((each) => [each.kind, addressesOf(each)])

  test('go before what travels whole, against the root that the mirror has', () => {
    patching(new Map([2, 4].map((address) => [address, {}])))
    outbox.runs(
      'difference',
      6,
      nowhere,
      [1, 2, 3, 4].map((address) => run(address)),
    )
    const [patches, blocks] = messagesOf(outbox.take(head, base)!.parts)
    expect(patches).toMatchObject({ kind: 'patches', source: 'difference', cp: 6, base: positionOf(base) })
    expect(blocks).toMatchObject({ kind: 'blocks', source: 'difference', cp: 6, base: nowhere })
    expect([patches, blocks].map((each) => addressesOf(each!))).toEqual([
      [2, 4],
      [1, 3],
    ])
  })

  test('there are none of what is wanted, and no frame of nothing', () => {
    patching(new Map([1, 2].map((address) => [address, {}])))
    outbox.runs('want', 6, nowhere, [run(1)])
    expect(frames()).toEqual([['blocks', [1]]])
    outbox.runs('live', 6, nowhere, [run(1), run(2)])
    expect(frames()).toEqual([['patches', [1, 2]]])
    outbox.runs('live', 6, nowhere, [run(3)])
    expect(frames()).toEqual([['blocks', [3]]])
  })

  test.each([-1, 0, 1])('a frame of them holds its bytes and %p', (more) => {
    const half = new Uint8Array(Math.floor(patchesBytesMax / 2) - 32)
    const rest = patchesBytesMax - patchedRunBytes({ patch: half } as unknown as PatchedRun)
    const other = new Uint8Array(rest - 32 + more)
    patching(
      new Map([
        [1, { patch: half }],
        [2, { patch: other }],
        [3, {}],
      ]),
    )
    outbox.runs('live', 6, nowhere, [run(1), run(2), run(3)])
    expect(frames().map(([, addresses]) => addresses)).toEqual(
      more === -1 ? [[1, 2], [3]] : more === 0 ? [[1, 2], [3]] : [[1], [2, 3]],
    )
  })

  test.each([-1, 0, 1])('a frame of them starts from its most blocks and %p', (more) => {
    const from = (address: number, blocks: number) => ({ base: { address, blocks } })
    const full = [1, 2, 3].map((address) => [address, from(1000 * address, 256)] as const)
    patching(new Map([...full, [4, from(4000, 255 + more)], [5, from(5000, 1)], [6, from(6000, 256)]]))
    expect(patchedBlocksMax).toBe(1024)
    outbox.runs(
      'live',
      6,
      nowhere,
      [1, 2, 3, 4, 5].map((address) => run(address)),
    )
    expect(frames().map(([, addresses]) => addresses)).toEqual(
      more <= 0 ? [[1, 2, 3, 4, 5]] : [[1, 2, 3, 4], [5]],
    )
  })

  test('each new frame of them begins to count anew', () => {
    const from = (address: number) => ({ base: { address: 1000 * address, blocks: 256 } })
    const addresses = Array.from({ length: 13 }, (_, i) => i + 1)
    patching(new Map(addresses.map((address) => [address, from(address)])))
    outbox.runs(
      'live',
      6,
      nowhere,
      addresses.map((address) => run(address)),
    )
    expect(frames().map(([, each]) => each!.length)).toEqual([4, 4, 4, 1])
    const large = new Uint8Array(20_000)
    patching(new Map(addresses.map((address) => [address, { patch: large }])))
    outbox.runs(
      'live',
      6,
      nowhere,
      addresses.map((address) => run(address)),
    )
    expect(frames().map(([, each]) => each!.length)).toEqual([3, 3, 3, 3, 1])
  })

  test('a batch ends when their work is spent, but not before its first entry', () => {
    let isSpent = true
    const begun: number[] = []
    outbox = new Outbox(2 ** 26, () => {}, {
      begin: ({ root }) => {
        begun.push(root.cp)
        return {
          base,
          get isSpent() {
            return isSpent
          },
          of: () => null,
        }
      },
    })
    for (const address of [1, 2, 3]) outbox.runs('live', 6, nowhere, [run(address)])
    expect(frames()).toEqual([['blocks', [1]]])
    isSpent = false
    expect(frames()).toEqual([
      ['blocks', [2]],
      ['blocks', [3]],
    ])
    outbox.runs('live', 6, nowhere, [run(4)])
    expect(batch().map(addressesOf)).toEqual([[4]])
    expect(begun).toEqual([base.root.cp, base.root.cp])
  })
})
