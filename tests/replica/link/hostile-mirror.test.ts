/**
 * Mirrors that are in nobody's hands but a stranger's, over many seeds: answers out of nothing, from recordings, from
 * another mirror, changed, cut and in another order. The primary is never fenced, what it hears is what its mirror said,
 * and the mirror never shows what the primary did not publish.
 */
import { expect, test } from 'bun:test'
import { toHex } from '../../../src/lib/bytes.ts'
import { formatUuid, seededRandom } from '../../../src/lib/random.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { encodeFrame } from '../../../src/format/wire/frames.ts'
import { encodeChallenge, encodeProofAnswer, sealedLayout } from '../../../src/format/wire/handshake.ts'
import { nowhere } from '../../../src/format/wire/messages.ts'
import { introductionPath, proofPath } from '../../../src/replica/link/replica-paths.ts'
import type { FrameReceiver } from '../../../src/replica/link/transport.ts'
import { type Heard, between, flipped } from './between.ts'
import { httpPair, sharedSecret, soon } from './http-pair.ts'
import { MemoryKeys, mirrorEnd } from './peers.ts'
import { idleStatus } from '../idle-status.ts'

const { ends, newMirror, newPrimaryEnd } = httpPair()
const seeds = [1, 2, 3, 4, 5, 6]

for (const seed of seeds)
  test(`seed ${seed}`, async () => {
    const random = seededRandom(seed)
    const mirror = await newMirror()
    const other = await newMirror({ seed: 6 })
    const middle = between(mirror.url)
    ends.push(() => middle.stop())
    const primary = await newPrimaryEnd()
    const published = new Set<string>()
    primary.engine.volume.onPublished(({ published: root }) => published.add(toHex(root.hash)))
    published.add(toHex(primary.engine.current().hash))
    const shown: string[] = []
    mirror.volume.onPublished(({ published: root }) => shown.push(toHex(root.hash)))

    const head = {
      volume: primary.volume,
      session: formatUuid(random.bytes(16)),
      epoch: { number: 9, id: random.bytes(8) },
      cp: 1,
      base: nowhere,
      number: 0,
    }
    const lie = encodeFrame({ ...head, kind: 'error', code: 'older-epoch', detail: 'another one is there' })
    const past: Heard[] = []
    const pick = () => past[random.below(past.length)]!
    let isHostile = true
    middle.onRequest = async (heard, pass) => {
      if (!isHostile || random.below(4) > 0) {
        await pass()
        past.push({ ...heard })
        // Now and then something of before reaches the mirrors, as it was or changed.
        if (isHostile && random.below(3) === 0) {
          const { path, body } = pick()
          const said =
            random.below(2) === 0 ? body : flipped(body, random.below(Math.max(1, body.length * 8)))
          await middle.ask(path, said)
          await fetch(other.url + path, {
            method: 'POST',
            body: said as Uint8Array<ArrayBuffer>,
            headers: { 'content-type': 'application/octet-stream' },
          })
        }
        return
      }
      heard.status = 200
      switch (random.below(7)) {
        case 0:
          heard.answer = lie
          return
        case 1:
          heard.answer = Buffer.concat([random.bytes(sealedLayout.bytes), lie])
          return
        case 2:
          heard.answer = past.length > 0 ? pick().answer : lie
          return
        case 3:
          await pass()
          if (heard.answer.length > 0)
            heard.answer = flipped(heard.answer, random.below(heard.answer.length * 8))
          return
        case 4:
          await pass()
          heard.answer = heard.answer.slice(0, random.below(heard.answer.length + 1))
          return
        case 5:
          await pass()
          heard.answer = Buffer.concat([heard.answer, lie])
          return
        default:
          if (heard.path === introductionPath)
            heard.answer = encodeChallenge({
              mirror: mirror.side,
              nonce: random.bytes(32),
              issuedMs: 0,
              cookie: random.bytes(32),
            })
          else if (heard.path === proofPath) heard.answer = encodeProofAnswer(random.bytes(32))
          else heard.status = 401
      }
    }
    const added = primary.mirrors.add(middle.url)
    for (let i = 0; i < 15; i++) {
      await primary.mirrors.waitMirrored(await primary.cp(3), 1, performance.now() + 40)
      expect(primary.engine.isFenced).toBe(false)
    }
    await added
    isHostile = false
    expect(await primary.mirrors.waitMirrored(await primary.cp(1), 1, soon())).toBe(true)
    expect(primary.engine.isFenced).toBe(false)
    for (const hash of shown) expect(published.has(hash)).toBe(true)
    expect(other.volume.superblock.volumeUuid.every((byte) => byte === 0)).toBe(true)
    expect(other.volume.currentOrNull()).toBeNull()
    for (const { device } of [mirror, other]) expect((await checkVolume(device)).findings).toEqual([])
  }, 30_000)

test('a mirror that has proved itself says nothing for another side', async () => {
  const primary = await newPrimaryEnd()
  const side = '22222222-2222-4222-8222-222222222222'
  const victim = '33333333-3333-4333-8333-333333333333'
  let answers: Uint8Array[] = []
  const receiver: FrameReceiver = {
    async receive({ message }) {
      if (message.kind !== 'hello') return
      answers = [
        encodeFrame({
          ...message,
          kind: 'hello-answer',
          opens: message.session,
          ...idleStatus({ side: victim }),
        }),
      ]
    },
    get hasAnswers() {
      return answers.length > 0
    },
    takeAnswers: () => answers.splice(0),
    onAnswer: () => () => {},
  }
  const door = mirrorEnd({ side, secret: sharedSecret }).fetchOf(receiver)
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => (await door(request))!,
  })
  ends.push(() => server.stop(true))
  expect((await primary.mirrors.add(`http://127.0.0.1:${server.port}`)).reached).toBe(false)
  expect((await primary.mirrors.list()).map(({ id }) => id)).not.toContain(victim)
  expect(primary.reasons).toEqual([`the mirror ${side} speaks for another one`])
})

test('a stranger at the address of a paired mirror is not believed for want of a key, whichever side it says it is', async () => {
  const [ours, theirs] = [new MemoryKeys(), new MemoryKeys()]
  const mirror = await newMirror({ secret: null, stored: theirs })
  const primary = await newPrimaryEnd({ secret: null, stored: ours })
  const key = seededRandom(1).bytes(32)
  await ours.put(mirror.side, key)
  await theirs.put(primary.side, key)
  expect((await primary.mirrors.add(mirror.url)).reached).toBe(true)
  expect(await primary.mirrors.waitMirrored(await primary.cp(3), 1, soon())).toBe(true)
  await mirror.stop()

  for (const side of [mirror.side, '22222222-2222-4222-8222-222222222222']) {
    let lies = 0
    let answers: Uint8Array[] = []
    const receiver: FrameReceiver = {
      async receive({ message }) {
        lies++
        const epoch = { number: message.epoch.number + 1, id: new Uint8Array(8) }
        answers = [encodeFrame({ ...message, epoch, kind: 'error', code: 'older-epoch', detail: 'higher' })]
      },
      get hasAnswers() {
        return answers.length > 0
      },
      takeAnswers: () => answers.splice(0),
      onAnswer: () => () => {},
    }
    // Open, as on loopback: it takes whatever everybody can prove.
    const door = mirrorEnd({ side, secret: null }).fetchOf(receiver)
    const asked = Promise.withResolvers<void>()
    let count = 0
    const server = Bun.serve({
      port: Number(new URL(mirror.url).port),
      hostname: '127.0.0.1',
      fetch: async (request) => {
        if (++count === 10) asked.resolve()
        return (await door(request))!
      },
    })
    await asked.promise
    expect([side, lies, primary.engine.isFenced]).toEqual([side, 0, false])
    // Nor at an address where nobody has been met yet.
    const elsewhere = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: async (request) => (await door(request))!,
    })
    const { reached, record } = await primary.mirrors.add(`http://127.0.0.1:${elsewhere.port}`)
    expect([reached, lies, primary.engine.isFenced]).toEqual([false, 0, false])
    await primary.mirrors.remove(record.id)
    await elsewhere.stop(true)
    await server.stop(true)
  }
}, 20_000)
