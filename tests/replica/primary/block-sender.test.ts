/** What is read back and sent: a difference in pieces that can be patched, a want as it was asked for. */
import { describe, expect, test } from 'bun:test'
import type { BlockRun } from '../../../src/lib/block-run.ts'
import type { PrimaryVolume } from '../../../src/cp-engine/contract.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { type Message, nowhere } from '../../../src/format/wire/messages.ts'
import { BlockSender } from '../../../src/replica/primary/block-sender.ts'
import { FrameStream } from '../../../src/replica/link/frame-stream.ts'
import { Outbox } from '../../../src/replica/primary/outbox.ts'
import { ReplacedRuns } from '../../../src/replica/primary/replaced-runs.ts'
import { base, epoch, next, positionOf, uuid } from '../mirror/applier-scene.ts'

const head = { volume: uuid(), session: uuid(), epoch }

function sender() {
  const replaced = new ReplacedRuns()
  // Blocks 102 and 103 took the place of two others.
  const bytes = new Uint8Array(2 * blockBytes)
  replaced.note(
    [
      {
        address: 102,
        bytes,
        sum: new Uint8Array(8),
        payloadBytes: bytes.length,
        replaces: { address: 7, blocks: 2 },
      },
    ],
    null,
  )
  const primary: Pick<PrimaryVolume, 'readBlocks' | 'difference'> = {
    readBlocks: (_address, blocks) => Promise.resolve(new Uint8Array(blocks * blockBytes)),
    difference: () => Promise.resolve([{ address: 100, blocks: 8 }]),
  }
  const outbox = new Outbox(2 ** 26, () => {})
  const done = Promise.withResolvers<void>()
  const events = { sentDifference: () => {}, unavailable: () => {}, wake: () => done.resolve() }
  const sends = new BlockSender(primary as PrimaryVolume, outbox, replaced, events)
  const sent = async () => {
    await done.promise
    const frames = [...new FrameStream().push(Buffer.concat(outbox.take(head)!.parts))]
    return frames.flatMap(({ runs }) => runs.map(({ address, blocks }) => [address, blocks]))
  }
  return { sends, sent }
}

test('a difference is cut where something has replaced something', async () => {
  const { sends, sent } = sender()
  sends.difference(base, base, 0)
  expect(await sent()).toEqual([
    [100, 2],
    [102, 2],
    [104, 4],
  ])
})

test('what is wanted is sent as it was asked for', async () => {
  const { sends, sent } = sender()
  sends.wanted(base, base, [{ address: 100, blocks: 8 }])
  expect(await sent()).toEqual([[100, 8]])
})

describe('the order of the day', () => {
  const megabyte = 2 ** 20 / blockBytes
  /** A sender whose reads end when the test says so; `answers` has what waits. */
  function scene(ranges: readonly BlockRun[] = [{ address: 100, blocks: 1 }]) {
    const told: unknown[] = []
    const reads: { readonly run: BlockRun; readonly answer: PromiseWithResolvers<Uint8Array> }[] = []
    const asked: unknown[] = []
    const primary: Pick<PrimaryVolume, 'readBlocks' | 'difference'> = {
      readBlocks: (address, blocks) => {
        const answer = Promise.withResolvers<Uint8Array>()
        reads.push({ run: { address, blocks }, answer })
        return answer.promise
      },
      difference: (...roots) => {
        asked.push(roots)
        return Promise.resolve(ranges)
      },
    }
    const outbox = new Outbox(2 ** 30, () => {})
    const sends = new BlockSender(primary as PrimaryVolume, outbox, new ReplacedRuns(), {
      sentDifference: (cp) => told.push(['sent', cp]),
      unavailable: (cp, detail) => told.push(['unavailable', cp, detail]),
      wake: () => told.push('wake'),
    })
    const turn = async () => {
      for (let i = 0; i < 20; i++) await Promise.resolve()
    }
    const answer = async (fill = 1) => {
      const { run, answer: waiting } = reads.shift()!
      waiting.resolve(new Uint8Array(run.blocks * blockBytes).fill(fill))
      await turn()
    }
    const answerAll = async () => {
      await turn()
      while (reads.length > 0) await answer()
    }
    const taken = () => {
      const frames: Message[] = []
      for (let batch = outbox.take(head); batch; batch = outbox.take(head))
        frames.push(...[...new FrameStream().push(Buffer.concat(batch.parts))].map(({ message }) => message))
      return frames
    }
    return { sends, outbox, reads, told, asked, turn, answer, answerAll, taken }
  }
  const many = (count: number, blocks: number): BlockRun[] =>
    Array.from({ length: count }, (_, i) => ({ address: 100 + i * 300, blocks }))

  test('says what kind of blocks they are, against what, and of which CP', async () => {
    for (const [from, source] of [
      [base, 'difference'],
      [null, 'first-copy'],
    ] as const) {
      const { sends, asked, answerAll, taken, told } = scene()
      sends.difference(next, from, 0)
      await answerAll()
      expect(asked).toEqual([[next, from]])
      expect(taken()).toMatchObject([
        { kind: 'blocks', source, cp: next.root.cp, base: from ? positionOf(from) : nowhere },
      ])
      expect(told).toEqual(['wake', ['sent', next.root.cp]])
    }
    const { sends, answerAll, taken, told } = scene()
    sends.wanted(next, base, [{ address: 100, blocks: 1 }])
    await answerAll()
    expect(taken()).toMatchObject([{ source: 'want', cp: next.root.cp, base: positionOf(base) }])
    expect(told).toEqual(['wake'])
  })

  test('leaves out the root, what left live, and what ends before the place to begin at', async () => {
    const ranges = [10, 20, 30, next.address, 40].map((address) => ({ address, blocks: 2 }))
    const { sends, outbox, answerAll, taken } = scene(ranges)
    outbox.sentLive.add(next.root.cp, 30, 2)
    outbox.sentLive.add(next.root.cp + 1, 40, 2)
    sends.difference(next, base, 21)
    await answerAll()
    const sent = taken().flatMap((frame) => (frame.kind === 'blocks' ? frame.runs : []))
    expect(sent.map(({ address, blocks }) => [address, blocks])).toEqual([
      [20, 2],
      [next.address + 1, 1],
      [40, 2],
    ])
  })

  test.each([
    [21, 20],
    [22, 30],
    [0, 10],
  ])('from %p on the first run is at %p', async (from, address) => {
    const { sends, reads, turn } = scene([10, 20, 30].map((at) => ({ address: at, blocks: 2 })))
    sends.difference(next, base, from)
    await turn()
    expect(reads[0]!.run).toEqual({ address, blocks: 2 })
  })

  test('an empty difference is sent at once, and wakes nobody', async () => {
    const { sends, turn, told } = scene([])
    sends.difference(next, base, 0)
    await turn()
    expect(told).toEqual([['sent', next.root.cp]])
  })

  test.each([
    ['a megabyte', many(4, megabyte / 4), [0, 0, 0, 1]],
    [
      'a block less',
      [...many(3, megabyte / 4), { address: 5000, blocks: megabyte / 4 - 1 }, { address: 9000, blocks: 1 }],
      [0, 0, 0, 0, 1],
    ],
    ['256 runs', many(257, 1), [...Array<number>(255).fill(0), 1, 2]],
  ])('what has been read is put when it is %s, or all', async (_name, ranges, wakes) => {
    const { sends, turn, answer, told } = scene(ranges)
    sends.difference(next, base, 0)
    await turn()
    const seen: number[] = []
    for (let i = 0; i < ranges.length; i++) {
      await answer()
      seen.push(told.filter((each) => each === 'wake').length)
    }
    expect(seen).toEqual(wakes)
  })

  test('reads on only while no more than eight megabytes wait, and goes on when a batch has been taken', async () => {
    const { sends, outbox, reads, turn, answer } = scene(many(12, megabyte))
    outbox.runs('want', 6, nowhere, [{ address: 1, bytes: new Uint8Array(blockBytes), claim: null }])
    sends.difference(next, base, 0)
    await turn()
    for (let i = 0; i < 8; i++) {
      expect([i, reads.length]).toEqual([i, 1])
      await answer()
    }
    // Eight megabytes and a block.
    expect(reads).toHaveLength(0)
    sends.roomChanged()
    await turn()
    expect(reads).toHaveLength(0)
    outbox.take(head, null, 1)
    sends.roomChanged()
    await turn()
    expect(outbox.bytes).toBe(8 * 2 ** 20)
    expect(reads).toHaveLength(1)
  })

  test('one order at a time: what an order before was still reading comes to nothing', async () => {
    for (const end of ['stop', 'difference', 'wanted'] as const) {
      for (const isRejected of [false, true]) {
        const { sends, outbox, reads, told, turn } = scene(many(3, 1))
        sends.difference(next, base, 0)
        await turn()
        const [{ answer }] = [reads.shift()!]
        if (end === 'stop') sends.stop()
        else if (end === 'wanted') sends.wanted(next, base, [{ address: 7, blocks: 1 }])
        else sends.difference(next, base, 0)
        if (isRejected) answer.reject(new Error('too late'))
        else answer.resolve(new Uint8Array(blockBytes))
        await turn()
        expect([end, told, outbox.isEmpty]).toEqual([end, [], true])
        expect(reads.map(({ run }) => run.address)).toEqual(
          end === 'stop' ? [] : end === 'wanted' ? [7] : [100],
        )
      }
    }
  })

  test('a stop ends an order that waits for room, and one that has read its last run', async () => {
    const { sends, outbox, reads, told, turn, answer } = scene(many(9, megabyte))
    outbox.runs('want', 6, nowhere, [{ address: 1, bytes: new Uint8Array(blockBytes), claim: null }])
    sends.difference(next, base, 0)
    await turn()
    for (let i = 0; i < 8; i++) await answer()
    sends.stop()
    outbox.restart()
    sends.roomChanged()
    await turn()
    expect([reads.length, outbox.isEmpty]).toEqual([0, true])
    expect(told).not.toContainEqual(['sent', next.root.cp])
    const empty = scene([])
    empty.sends.difference(next, base, 0)
    empty.sends.stop()
    await empty.turn()
    expect(empty.told).toEqual([])
  })

  test('a block that cannot be read is told with its reason, and nothing is said to be sent', async () => {
    for (const reason of [new Error('rotten'), 'rotten']) {
      const { sends, reads, told, turn } = scene()
      sends.difference(next, base, 0)
      await turn()
      reads[0]!.answer.reject(reason)
      await turn()
      expect(told).toEqual([['unavailable', next.root.cp, 'rotten']])
    }
  })

  test('each piece of a run has its own bytes', async () => {
    const replaced = new ReplacedRuns()
    const bytes = new Uint8Array(blockBytes)
    replaced.note(
      [
        {
          address: 101,
          bytes,
          sum: new Uint8Array(8),
          payloadBytes: blockBytes,
          replaces: { address: 7, blocks: 1 },
        },
      ],
      null,
    )
    const read = Uint8Array.from({ length: 4 * blockBytes }, (_, i) => Math.floor(i / blockBytes))
    const primary: Pick<PrimaryVolume, 'readBlocks' | 'difference'> = {
      readBlocks: () => Promise.resolve(read),
      difference: () => Promise.resolve([{ address: 100, blocks: 4 }]),
    }
    const outbox = new Outbox(2 ** 26, () => {})
    const done = Promise.withResolvers<number>()
    const events = { sentDifference: done.resolve, unavailable: () => {}, wake: () => {} }
    new BlockSender(primary as PrimaryVolume, outbox, replaced, events).difference(next, base, 0)
    await done.promise
    const { parts } = outbox.take(head)!
    const pieces = parts.slice(1).map((part) => [part.length / blockBytes, part[0], part.at(-1)])
    expect(pieces).toEqual([
      [1, 0, 0],
      [1, 1, 1],
      [2, 2, 3],
    ])
  })
})
