/**
 * Gates and limits for bodies hold for every way in which a body comes: with a length, with a false one, and in chunks
 * without one. A body of unknown length counts as the largest that may come.
 */
import { describe, expect, test } from 'bun:test'
import { batchBytesMax } from '../../../src/fs/contract.ts'
import { jsonBytesMax } from '../../../src/routes/http/body.ts'
import { uploadsLimits } from '../../../src/routes/limits/resources.ts'
import { settled, stateOf } from '../../simulated/clock.ts'
import { Harness, expectProblem } from '../harness.ts'

const mebibyte = 2 ** 20
const wholeBytesMax = 64 * 1024
const json = { 'Content-Type': 'application/json' }

interface Kind {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly text: string
  /** Memory that is booked for so many bytes; null: for bytes whose number nobody has told. */
  readonly booked: (length: number | null) => number
  readonly bytesMax: number
}
const ofFile = (length: number | null): number =>
  length !== null && length <= wholeBytesMax ? 0 : Math.min(length ?? Infinity, 3 * mebibyte)
const ofBatch = (length: number | null): number =>
  length !== null && length <= wholeBytesMax ? 0 : 3 * (length ?? batchBytesMax)

const kinds: Record<string, Kind> = {
  'a file': {
    method: 'PUT',
    path: '/v1/files/a',
    headers: {},
    text: 'x',
    booked: ofFile,
    bytesMax: Infinity,
  },
  'a part': {
    method: 'PATCH',
    path: '/v1/files/old?offset=0',
    headers: {},
    text: 'x',
    booked: ofFile,
    bytesMax: Infinity,
  },
  'a part at the end': {
    method: 'PATCH',
    path: '/v1/files/old?offset=end',
    headers: {},
    text: 'x',
    booked: ofFile,
    bytesMax: Infinity,
  },
  'a batch': {
    method: 'POST',
    path: '/v1/batch',
    headers: json,
    text: '{"operations":[{"op":"put","path":"a","text":"x"}]}',
    booked: ofBatch,
    bytesMax: batchBytesMax,
  },
}
const lengths = [
  51,
  wholeBytesMax,
  wholeBytesMax + 1,
  1_000_000,
  3 * mebibyte,
  3 * mebibyte + 1,
  batchBytesMax,
]

/** The files of this harness are small. */
const done = [200, 201, 413]

/** Comes when the test says so, with blanks behind the text up to its length. */
function slowly(text: string, length: number) {
  const goOn = Promise.withResolvers<void>()
  let pulls = 0
  const rest = Math.max(0, length - text.length)
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        pulls++
        if (pulls === 1) return controller.enqueue(Buffer.from(text.slice(0, 1)))
        await goOn.promise
        controller.enqueue(Buffer.from(text.slice(1) + ' '.repeat(rest)))
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  return { body, goOn: goOn.resolve, pulls: () => pulls }
}

async function filled(): Promise<Harness> {
  const h = new Harness()
  await h.request('PUT', '/v1/files/old', { body: 'old' })
  return h
}

function send(h: Harness, { method, path, headers, text }: Kind, length: number, isDeclared: boolean) {
  const came = slowly(text, length)
  const declared: Record<string, string> = isDeclared ? { 'Content-Length': String(length) } : {}
  const answer = h.request(method, path, { headers: { ...headers, ...declared }, body: came.body })
  answer.catch(() => {})
  return { ...came, answer }
}

for (const [name, kind] of Object.entries(kinds))
  describe(name, () => {
    for (const isDeclared of [true, false])
      test(`books its memory ${isDeclared ? 'with' : 'without'} a length, and gives it back`, async () => {
        for (const length of lengths) {
          const h = await filled()
          const { answer, goOn } = send(h, kind, length, isDeclared)
          await settled()
          const expected = kind.booked(isDeclared ? length : null)
          expect([length, h.resources.uploads.bytes]).toEqual([length, expected])
          goOn()
          expect(done).toContain((await answer).status)
          expect(h.resources.uploads.bytes).toBe(0)
        }
      })

    for (const isDeclared of [true, false])
      test(`waits at a full gate ${isDeclared ? 'with' : 'without'} a length, and is refused behind too many`, async () => {
        const h = await filled()
        const { uploads } = h.resources
        const never = () => new AbortController().signal
        // The share of the client is taken.
        expect(uploads.enter('somebody', 64 * mebibyte, never)).toBeNull()
        const length = 1_000_000
        const waiting = send(h, kind, length, isDeclared)
        await settled()
        expect([await stateOf(waiting.answer), waiting.pulls(), uploads.waiters]).toEqual(['waiting', 0, 1])
        for (let i = 1; i < uploadsLimits.clientWaitingMax; i++)
          uploads.enter('somebody', 1, never)?.catch(() => {})
        await expectProblem(send(h, kind, length, isDeclared).answer, 'too-many-requests')
        uploads.letGo('somebody', 64 * mebibyte)
        waiting.goOn()
        expect(done).toContain((await waiting.answer).status)
      })
  })

describe('a limit', () => {
  const doors: Record<string, readonly [path: string, bytesMax: number]> = {
    'of a batch': ['/v1/batch', batchBytesMax],
    'of a move': ['/v1/move', jsonBytesMax],
    'of a mirror': ['/v1/mirrors', jsonBytesMax],
    'of a token': ['/v1/tokens', jsonBytesMax],
  }
  const chunk = 16 * 1024
  for (const [name, [path, bytesMax]] of Object.entries(doors))
    for (const declared of [null, 10, bytesMax, bytesMax + 1])
      test(`${name} ends a body without an end, declared as ${declared}`, async () => {
        const h = await filled()
        let sent = 0
        const body = new ReadableStream<Uint8Array>(
          {
            pull(controller) {
              sent += chunk
              if (sent > 4 * batchBytesMax) throw new Error('nobody stops this')
              controller.enqueue(new Uint8Array(chunk).fill(32))
            },
          },
          { highWaterMark: 0 },
        )
        const length: Record<string, string> = declared === null ? {} : { 'Content-Length': String(declared) }
        const answer = h.request('POST', path, { headers: { ...json, ...length }, body })
        const isLonger = declared !== null && declared <= bytesMax
        await expectProblem(answer, isLonger ? 'bad-parameter' : 'too-large')
        expect(sent).toBeLessThanOrEqual(declared === bytesMax + 1 ? 0 : (declared ?? bytesMax) + chunk)
        expect(h.resources.uploads.bytes).toBe(0)
      })
})
