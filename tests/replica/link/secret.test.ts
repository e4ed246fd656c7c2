/**
 * Nobody gets anything from the peers' door of a mirror without the secret: no frame is taken, and no answer leaves, at
 * whatever address and by whatever method. The addresses come from the source, so that a new one is asked, too.
 */
import { describe, expect, test } from 'bun:test'
import { encodeFrame } from '../../../src/format/wire/frames.ts'
import { nowhere } from '../../../src/format/wire/messages.ts'
import { formatUuid, seededRandom } from '../../../src/lib/random.ts'
import { createReplicaFetch } from '../../../src/replica/link/http-transport.ts'
import type { FrameReceiver } from '../../../src/replica/link/transport.ts'
import { problem } from '../../../src/routes/http/problem.ts'
import { expectProblem } from '../../routes/harness.ts'
import { VirtualClock } from '../../simulated/clock.ts'

const secret = 'a secret of the two'
const source = await Bun.file(`${import.meta.dir}/../../../src/replica/link/http-transport.ts`).text()
const addresses = [...source.matchAll(/'(\/replica\/v[^']+)'/g)].map(([, path]) => path!)

/** Has an answer at any time, and says what it was asked. */
class Receiver implements FrameReceiver {
  readonly asked: string[] = []
  readonly hasAnswers = true
  async receive(): Promise<void> {
    this.asked.push('receive')
  }
  takeAnswers(): Uint8Array[] {
    this.asked.push('takeAnswers')
    return [new Uint8Array(8)]
  }
  onAnswer(): () => void {
    this.asked.push('onAnswer')
    return () => {}
  }
}

function door(of: string | null) {
  const receiver = new Receiver()
  const replica = createReplicaFetch(receiver, { clock: new VirtualClock(), secret: of, problem })
  const uuid = formatUuid(seededRandom(3).bytes(16))
  const epoch = { number: 0, id: new Uint8Array(8) }
  const head = { volume: uuid, session: uuid, epoch, cp: 1, base: nowhere, number: 0 }
  const body = encodeFrame({ ...head, kind: 'poll', remark: 'nothing' }) as Uint8Array<ArrayBuffer>
  const ask = async (path: string, method: string, authorization: string | null): Promise<Response> => {
    const headers = authorization === null ? {} : { authorization }
    const init = { method, headers, ...(method === 'GET' || method === 'HEAD' ? {} : { body }) }
    return (await replica(new Request(`http://mirror${path}`, init)))!
  }
  return { receiver, ask }
}

const wrong: readonly (string | null)[] = [
  null,
  '',
  'Bearer',
  'Bearer ',
  secret,
  `Basic ${secret}`,
  `bearer ${secret}`,
  `Bearer  ${secret}`,
  `Bearer ${secret}x`,
  `Bearer ${secret.slice(0, -1)}`,
  `Bearer ${secret.slice(0, -1)}X`,
  `Bearer ${secret.toUpperCase()}`,
  `Bearer ${secret}, Bearer ${secret}`,
]

test('the source has addresses', () => {
  expect(addresses).toContain('/replica/v1/frames')
  expect(addresses).toContain('/replica/v1/answers')
})

describe('without the secret', () => {
  for (const path of addresses)
    test(`${path} takes and gives nothing`, async () => {
      const { receiver, ask } = door(secret)
      for (const authorization of wrong) await expectProblem(ask(path, 'POST', authorization), 'unauthorized')
      expect(receiver.asked).toEqual([])
    })

  test('no other address and no other method does', async () => {
    const { receiver, ask } = door(secret)
    const unknown = [
      '/replica/',
      '/replica/v1',
      '/replica/v1/other',
      '/replica/v2/frames',
      '/replica/v1/x/../frames2',
    ]
    const near = addresses.flatMap((path) => [
      `${path}/`,
      `${path}/x`,
      `/replica/${path.slice(9).toUpperCase()}`,
      `${path}%20`,
    ])
    for (const authorization of wrong) {
      for (const path of [...unknown, ...near])
        for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
          const answer = await ask(path, method, authorization)
          expect([path, method, [401, 404].includes(answer.status)]).toEqual([path, method, true])
          await answer.body?.cancel()
        }
      for (const path of addresses)
        for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
          const answer = await ask(path, method, authorization)
          expect([path, method, [401, 405].includes(answer.status)]).toEqual([path, method, true])
          await answer.body?.cancel()
        }
    }
    expect(receiver.asked).toEqual([])
  })
})

describe('with the secret, and where there is none', () => {
  for (const of of [secret, null])
    for (const path of addresses)
      test(`${path} answers ${of === null ? 'everybody on loopback' : 'the other side'}`, async () => {
        const { receiver, ask } = door(of)
        const answer = await ask(path, 'POST', of === null ? null : `Bearer ${of}`)
        expect(answer.status).toBe(200)
        expect((await answer.bytes()).length).toBe(8)
        expect(receiver.asked).toContain('takeAnswers')
      })
})
