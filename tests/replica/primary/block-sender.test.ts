/** What is read back and sent: a difference in pieces that can be patched, a want as it was asked for. */
import { expect, test } from 'bun:test'
import type { PrimaryVolume } from '../../../src/cp-engine/contract.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { BlockSender } from '../../../src/replica/primary/block-sender.ts'
import { FrameStream } from '../../../src/replica/link/frame-stream.ts'
import { Outbox } from '../../../src/replica/primary/outbox.ts'
import { ReplacedRuns } from '../../../src/replica/primary/replaced-runs.ts'
import { base, epoch, uuid } from '../mirror/applier-scene.ts'

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
