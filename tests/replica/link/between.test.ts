/**
 * Somebody between a primary and its mirror learns no secret and changes nothing: what is recorded, cut, changed, sent
 * again, sent in another order or to another mirror is refused, and neither end moves.
 */
import { expect, test } from 'bun:test'
import { toHex } from '../../../src/lib/bytes.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import { decodeSealedHead, sealedLayout } from '../../../src/format/wire/handshake.ts'
import { encodeFrame } from '../../../src/format/wire/frames.ts'
import { type Message, noUuid, nowhere } from '../../../src/format/wire/messages.ts'
import {
  answersPath,
  framesPath,
  introductionPath,
  proofPath,
} from '../../../src/replica/link/replica-paths.ts'
import { type Between, type Heard, between, flipped } from './between.ts'
import { httpPair, sharedSecret, soon } from './http-pair.ts'

const { ends, startMirror, newMirror, newPrimaryEnd } = httpPair()

async function scene() {
  const mirror = await newMirror()
  const middle = between(mirror.url)
  ends.push(() => middle.stop())
  const primary = await newPrimaryEnd()
  return { mirror, middle, primary }
}

/** What a mirror has been told, and what it says. */
const stateOf = ({ applier, volume }: Awaited<ReturnType<typeof newMirror>>) => {
  const { receivedBytes, refused, published, stage, offerSeen } = applier.status()
  const { generation, volumeUuid, epoch } = volume.superblock
  return JSON.stringify({
    received: [...receivedBytes],
    refused,
    published: published.cp,
    stage,
    offerSeen,
    generation,
    volumeUuid: toHex(volumeUuid),
    epoch: epoch.number,
  })
}

async function mirrored({ primary, middle }: Awaited<ReturnType<typeof scene>>): Promise<void> {
  const added = await primary.mirrors.add(middle.url)
  expect(added.reached).toBeTrue()
  for (let i = 0; i < 4; i++)
    expect(await primary.mirrors.waitMirrored(await primary.cp(5), 1, soon())).toBeTrue()
}

/** Says everything that was heard to the mirror again: none of it is taken. */
async function sayAgain(middle: Between, said: readonly Heard[], where: string): Promise<void> {
  for (const { path, body } of said) {
    if (path === introductionPath) continue
    const { status } = await middle.ask(path, body)
    expect([where, path, status]).toEqual([where, path, 401])
  }
}

test('the secret is in nothing that travels, and every nonce is there once', async () => {
  const made = await scene()
  await mirrored(made)
  made.middle.onRequest = async () => {}
  const { heard } = made.middle
  expect(heard.map(({ path }) => path)).toContain(answersPath)
  const forms = [sharedSecret, toHex(Buffer.from(sharedSecret)), Buffer.from(sharedSecret).toString('base64')]
  for (const { head, body, answer } of heard)
    for (const bytes of [Buffer.from(head), body, answer])
      for (const form of forms) expect(Buffer.from(bytes).includes(form)).toBe(false)
  // Again and again: a mirror that refuses everything makes the primary begin anew.
  const count = () => heard.filter(({ path }) => path === introductionPath).length
  const until = soon()
  while (count() < 10 && performance.now() < until) await Bun.sleep(1)
  const nonces = heard
    .filter(({ path }) => path === introductionPath)
    .map(({ body }) => toHex(body.subarray(40)))
  expect(nonces.length).toBeGreaterThanOrEqual(10)
  expect(new Set(nonces).size).toBe(nonces.length)
})

test('a recorded session, whole, backwards, in parts and crossed, does nothing to a mirror, nor to one that starts anew, nor to another', async () => {
  const made = await scene()
  const { mirror, middle, primary } = made
  await mirrored(made)
  primary.mirrors.close()
  const said = middle.heard.slice()
  expect(said.filter(({ path }) => path === framesPath).length).toBeGreaterThan(3)

  const before = stateOf(mirror)
  await sayAgain(middle, said, 'the same')
  await sayAgain(middle, said.toReversed(), 'backwards')
  for (const part of said) {
    if (part.path === introductionPath) continue
    for (const length of [0, 1, sealedLayout.bytes - 1, sealedLayout.bytes, part.body.length - 1]) {
      const { status } = await middle.ask(part.path, part.body.slice(0, length))
      expect([400, 401]).toContain(status)
    }
    const crossed = part.path === framesPath ? answersPath : framesPath
    expect((await middle.ask(crossed, part.body)).status).toBe(401)
  }
  expect(stateOf(mirror)).toBe(before)

  const other = await newMirror({ seed: 6 })
  const toOther = between(other.url)
  ends.push(() => toOther.stop())
  const empty = stateOf(other)
  await sayAgain(toOther, said, 'another mirror')
  expect(stateOf(other)).toBe(empty)

  await mirror.stop()
  const again = await startMirror(mirror.device)
  const toAgain = between(again.url)
  ends.push(() => toAgain.stop())
  const fresh = stateOf(again)
  await sayAgain(toAgain, said, 'a new process')
  expect(stateOf(again)).toBe(fresh)
  expect((await checkVolume(mirror.device)).findings).toEqual([])
})

test('every bit of a head that was not heard yet counts, and a changed one does not use up its counter', async () => {
  const made = await scene()
  const { mirror, middle, primary } = made
  await mirrored(made)
  let tried = 0
  const done = Promise.withResolvers<void>()
  let isFirst = true
  middle.onRequest = async (heard, pass) => {
    if (heard.path === framesPath && !isFirst) await done.promise
    if (heard.path === framesPath && isFirst) {
      isFirst = false
      const before = stateOf(mirror)
      for (let bit = 0; bit < sealedLayout.bytes * 8; bit++) {
        const { status } = await middle.ask(framesPath, flipped(heard.body, bit))
        if (![400, 401].includes(status)) throw new Error(`bit ${bit}: ${status}`)
        tried++
      }
      expect((await middle.ask(answersPath, heard.body)).status).toBe(401)
      // A shorter MAC is none.
      for (const end of [64, 96]) {
        const cut = Buffer.concat([heard.body.slice(0, end - 32), heard.body.slice(end - 1)])
        expect((await middle.ask(framesPath, cut)).status).toBe(401)
      }
      expect(stateOf(mirror)).toBe(before)
      done.resolve()
    }
    await pass()
  }
  const sessions = new Set(middle.heard.map(({ body }) => toHex(body.subarray(0, 16))))
  expect(await primary.mirrors.waitMirrored(await primary.cp(5), 1, soon())).toBeTrue()
  expect(tried).toBe(sealedLayout.bytes * 8)
  // The session went on.
  const last = middle.heard.findLast(({ path }) => path === framesPath)!
  expect(sessions.has(toHex(last.body.subarray(0, 16)))).toBe(true)
})

test('every bit of the frames counts; a right head is taken once, whatever is behind it', async () => {
  const made = await scene()
  const { mirror, middle, primary } = made
  await mirrored(made)
  const changes: ((body: Uint8Array) => Uint8Array)[] = [
    (body) => Buffer.concat([body, new Uint8Array(1)]),
    (body) => body.slice(0, -1),
    (body) => body.slice(0, sealedLayout.bytes),
    ...Array.from(
      { length: 12 },
      (_, i) => (body: Uint8Array) =>
        flipped(body, sealedLayout.bytes * 8 + ((i * 7919) % ((body.length - sealedLayout.bytes) * 8))),
    ),
  ]
  let tried = 0
  const done = Promise.withResolvers<void>()
  middle.onRequest = async (heard, pass) => {
    if (heard.path !== framesPath) return pass()
    const change = changes.shift()
    if (change) {
      const before = stateOf(mirror)
      const { status } = await middle.ask(framesPath, change(heard.body))
      // The counter has been taken with the head.
      const { status: again } = await middle.ask(framesPath, heard.body)
      expect([status, again, stateOf(mirror)]).toEqual([401, 401, before])
      tried++
    } else done.resolve()
    await pass()
  }
  const cp = await primary.cp(5)
  await done.promise
  expect(await primary.mirrors.waitMirrored(cp, 1, soon())).toBeTrue()
  expect(tried).toBe(15)
}, 60_000)

test('every bit of an answer counts, and so does whose answer it is: the primary hears nothing of another one', async () => {
  const { mirror, middle, primary } = await scene()
  await primary.mirrors.add(mirror.url)
  await primary.mirrors.waitMirrored(await primary.cp(3), 1, soon())
  primary.mirrors.close()
  const { geometry, superblock } = primary.engine.volume
  const session = '11111111-1111-4111-8111-111111111111'
  const head = { volume: primary.volume, session, epoch: superblock.epoch, base: nowhere, cp: 1, number: 0 }
  const hello = encodeFrame({ ...head, kind: 'hello', side: primary.side, member: noUuid, geometry })

  /** One connection whose answers are changed. Resolves with what it heard when it has failed. */
  async function connectionWith(change: (heard: Heard) => Uint8Array | null): Promise<Message[]> {
    const heardFrames: Message[] = []
    middle.onRequest = async (heard, pass) => {
      await pass()
      const changed = heard.status === 200 ? change(heard) : null
      if (changed) heard.answer = changed
    }
    let batch: { parts: Uint8Array[]; bytes: number } | null = { parts: [hello], bytes: hello.length }
    const failed = Promise.withResolvers<void>()
    const connection = primary.transport.connect(
      middle.url,
      {
        take() {
          const taken = batch
          batch = null
          return taken
        },
        frame: (message) => heardFrames.push(message),
        received: () => {},
        failed: () => failed.resolve(),
      },
      null,
    )
    await failed.promise
    connection.close()
    return heardFrames
  }

  for (let bit = 0; bit < 40 * 8; bit += 3)
    expect(
      await connectionWith((heard) => (heard.path === proofPath ? flipped(heard.answer, bit) : null)),
    ).toEqual([])
  for (let at = 0; at < sealedLayout.bytes + 400; at += 11) {
    const changed = await connectionWith(({ path, answer }) => {
      if (path !== framesPath && path !== answersPath) return null
      return flipped(answer, (at % answer.length) * 8)
    })
    expect(changed).toEqual([])
  }
  // An answer to another request of the session, at either address.
  const known = new Map<string, Uint8Array>()
  for (const shorter of [false, true]) {
    const swapped = await connectionWith(({ path, body, answer }) => {
      if (path !== framesPath && path !== answersPath) return null
      if (shorter) return answer.slice(0, -1)
      const of = toHex(decodeSealedHead(body).session)
      const first = known.get(of)
      known.set(of, first ?? answer)
      return first ?? Buffer.concat([answer, answer])
    })
    expect(swapped).toEqual([])
  }
})
