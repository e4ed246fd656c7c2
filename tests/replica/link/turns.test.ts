/** Frames that are short and ask for much work: whoever takes many of them lets others have their turn. */
import { expect, test } from 'bun:test'
import { systemClock } from '../../../src/lib/clock.ts'
import { formatUuid, seededRandom, systemRandom } from '../../../src/lib/random.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { createMirror } from '../../../src/cp-engine/create-volume.ts'
import { Volume } from '../../../src/cp-engine/volume/volume.ts'
import { blockBytes } from '../../../src/format/geometry.ts'
import { PatchWriter } from '../../../src/format/wire/patch-codec.ts'
import { encodeFrame } from '../../../src/format/wire/frames.ts'
import { nowhere } from '../../../src/format/wire/messages.ts'
import { MirrorApplier } from '../../../src/replica/mirror/mirror-applier.ts'
import { smallGeometry } from '../../cp-engine/workload.ts'
import { cacheLimit, mirrorLimit } from '../../engine-limits.ts'
import type { FrameReceiver } from '../../../src/replica/link/transport.ts'
import { keyOfPair } from '../../../src/replica/link/peer-proof.ts'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { Prover, askOf, mirrorEnd, primaryEnd } from './peers.ts'

const uuid = formatUuid(seededRandom(3).bytes(16))
const head = { volume: uuid, session: uuid, epoch: { number: 0, id: new Uint8Array(8) }, base: nowhere }
const framesCount = 200
/** Without turns it is none; a machine on which 50 frames fit one turn does not exist. */
const turnsMin = 4

/** A thousand patches in less than 300 bytes, because they are alike and travel packed. */
function shortFrame(): Uint8Array {
  const writer = new PatchWriter(100)
  writer.zeros(blockBytes)
  const patch = writer.finish()!
  const sum = { kind: 'sha256', payloadBytes: blockBytes } as const
  const runs = Array.from({ length: 1024 }, () => ({ address: 1, blocks: 1, base: null, sum, patch }))
  const frame = encodeFrame({ ...head, cp: 1, number: 0, kind: 'patches', source: 'live', runs })
  expect(frame.length).toBeLessThan(300)
  return frame
}
const frames = Buffer.concat(Array.from({ length: framesCount }, shortFrame))

/** Counts turns of the event loop. */
function countTurns() {
  let isOver = false
  const counter = { turns: 0, stop: () => (isOver = true) }
  const next = () => {
    counter.turns++
    if (!isOver) setImmediate(next)
  }
  setImmediate(next)
  return counter
}

test('a mirror takes them in many turns', async () => {
  const device = new MemoryDevice()
  await createMirror(device, { clock: systemClock, random: seededRandom(5), geometry: smallGeometry(32) })
  const applier = new MirrorApplier(await Volume.open(device, { clock: systemClock, ...cacheLimit }), {
    ...mirrorLimit,
    clock: systemClock,
    random: systemRandom,
  })
  const ask = askOf(mirrorEnd({ side: uuid, secret: null }).fetchOf(applier))
  const peer = await new Prover(ask, { volume: uuid, primary: uuid }, (mirror) => ({
    keyKind: 'open',
    key: keyOfPair('open', encodeUtf8('open'), { primary: uuid, mirror }),
  })).begin()
  const counter = countTurns()
  const from = counter.turns
  expect((await peer.post('/replica/v1/frames', frames)).status).toBe(200)
  expect(counter.turns - from).toBeGreaterThanOrEqual(turnsMin)
  counter.stop()
  await applier.close()
})

test('a primary hears them in many turns', async () => {
  const answers = [frames]
  const receiver: FrameReceiver = {
    receive: async () => {},
    get hasAnswers() {
      return answers.length > 0
    },
    takeAnswers: () => answers.splice(0),
    onAnswer: () => () => {},
  }
  const door = mirrorEnd({ side: formatUuid(seededRandom(4).bytes(16)), secret: null }).fetchOf(receiver)
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => (await door(request))!,
  })
  const counter = countTurns()
  const seenIn: number[] = []
  const heard = Promise.withResolvers<void>()
  const url = `http://127.0.0.1:${server.port}`
  const connection = primaryEnd({ volume: uuid, side: uuid, secret: null }).transport.connect(
    url,
    {
      take: () => null,
      frame: () => {
        seenIn.push(counter.turns)
        if (seenIn.length === framesCount) heard.resolve()
      },
      received: () => {},
      failed: (reason) => heard.reject(new Error(reason)),
    },
    null,
  )
  await heard.promise
  connection.close()
  counter.stop()
  await server.stop(true)
  expect(seenIn.at(-1)! - seenIn[0]!).toBeGreaterThanOrEqual(turnsMin)
})
