/**
 * A condition holds at the moment of the change, not only when somebody looked: every condition of every writing request,
 * and a change by somebody else after the look or while the body comes. The door alone, and the door over a real volume.
 */
import { describe, expect, test } from 'bun:test'
import type { ReadView } from '../../../src/fs/contract.ts'
import { Harness } from '../harness.ts'
import { RealApp } from '../real-app.ts'

interface Door {
  ask(method: string, path: string, init: RequestInit): Promise<Response>
  /** Where requests get the view in which they look at an entry. */
  readonly files: { view(): ReadView }
}

const doors: Record<string, () => Promise<Door>> = {
  'the door alone': async () => {
    const h = new Harness()
    return { ask: (method, path, init) => h.request(method, path, init), files: h.files }
  },
  'a real volume': async () => {
    const real = await RealApp.create()
    const ask: Door['ask'] = (method, path, init) =>
      real.fetch(new Request(`http://test${path}`, { ...init, method }))
    return { ask, files: real['files'] }
  },
}

const future = 'Fri, 01 Jan 2100 00:00:00 GMT'
const contentOfLength = (length: number): Buffer => Buffer.alloc(length, 'new ')
const json = (value: unknown): Pick<Write, 'body' | 'headers'> => ({
  body: Buffer.from(JSON.stringify(value)),
  headers: { 'Content-Type': 'application/json' },
})

interface Write {
  readonly method: string
  readonly path: string
  readonly body: Buffer | null
  readonly headers?: Record<string, string>
  /** The condition is a member of the body. */
  readonly isOfBody?: boolean
  readonly entry?: 'directory'
}
type Wish = { readonly ifMatch?: string; readonly ifNoneMatch?: string }

/** Every request that changes an entry and takes conditions. A body is a stream; some of them declare their length. */
const writes: Record<string, (wish: Wish) => Write> = {
  'PUT of a few bytes': () => ({ method: 'PUT', path: '/v1/files/a', body: contentOfLength(5) }),
  'PUT of a few bytes, of a declared length': () => ({
    method: 'PUT',
    path: '/v1/files/a',
    body: contentOfLength(8),
    headers: { 'Content-Length': '8' },
  }),
  'PUT of several records': () => ({ method: 'PUT', path: '/v1/files/a', body: contentOfLength(700_000) }),
  'PUT of a link': () => ({
    method: 'PUT',
    path: '/v1/files/a',
    body: null,
    headers: { 'Stillpoint-Link': 'target' },
  }),
  'PATCH in the middle': () => ({ method: 'PATCH', path: '/v1/files/a?offset=1', body: contentOfLength(3) }),
  'PATCH of a declared length': () => ({
    method: 'PATCH',
    path: '/v1/files/a?offset=0',
    body: contentOfLength(4),
    headers: { 'Content-Length': '4' },
  }),
  'PATCH at the end': () => ({
    method: 'PATCH',
    path: '/v1/files/a?offset=end',
    body: contentOfLength(700_000),
  }),
  'PATCH of the size': () => ({ method: 'PATCH', path: '/v1/files/a?size=2', body: null }),
  'DELETE of a file': () => ({ method: 'DELETE', path: '/v1/files/a', body: null }),
  'DELETE of a directory': () => ({
    method: 'DELETE',
    path: '/v1/dirs/a?recursive=true',
    body: null,
    entry: 'directory',
  }),
  'a move': (wish) => ({
    method: 'POST',
    path: '/v1/move',
    isOfBody: true,
    ...json({ from: 'a', to: 'b', ...wish }),
  }),
  ...Object.fromEntries(
    [
      { op: 'put', path: 'a', text: 'new' },
      { op: 'delete', path: 'a' },
      { op: 'move', from: 'a', to: 'b' },
    ].map((operation) => [
      `a batch with ${operation.op}`,
      (wish: Wish): Write => ({
        method: 'POST',
        path: '/v1/batch',
        isOfBody: true,
        ...json({
          operations: [
            { op: 'put', path: 'before', text: 'x' },
            { ...operation, ...wish },
          ],
        }),
      }),
    ]),
  ),
}

interface Condition {
  readonly headers: Record<string, string>
  readonly wish?: Wish
  /** Holds when the entry is not there. */
  readonly isOfNothing?: boolean
}
/** TAG stands for the tag that the entry has at the look. */
const conditions: readonly Condition[] = [
  { headers: { 'If-Match': 'TAG' }, wish: { ifMatch: 'TAG' } },
  { headers: { 'If-Match': '"other", TAG' }, wish: { ifMatch: '"other", TAG' } },
  { headers: { 'If-Unmodified-Since': future } },
  { headers: { 'If-Unmodified-Since': future, 'If-None-Match': '"other"' } },
  { headers: { 'If-None-Match': '*' }, wish: { ifNoneMatch: '*' }, isOfNothing: true },
  { headers: { 'If-Unmodified-Since': future }, isOfNothing: true },
  { headers: { 'If-Unmodified-Since': future, 'If-None-Match': '"other"' }, isOfNothing: true },
]

/** What somebody else does. */
const changes = ['another content', 'nothing is there', 'gone and made again'] as const
type Change = (typeof changes)[number]

async function change(door: Door, entry: Write['entry'], what: Change): Promise<void> {
  const isDirectory = entry === 'directory'
  const address = isDirectory ? '/v1/dirs/a' : '/v1/files/a'
  const ok = async (method: string, path: string, body: string | null) =>
    expect((await door.ask(method, path, { body })).ok).toBe(true)
  if (what !== 'another content')
    await ok('DELETE', isDirectory ? `${address}?recursive=true` : address, null)
  if (what === 'nothing is there') return
  if (isDirectory) await ok('PUT', '/v1/files/a/more', 'of somebody else')
  else await ok('PUT', address, 'of somebody else')
}

async function contentOf({ ask }: Door): Promise<unknown> {
  const stat = (await (await ask('GET', '/v1/stat/a', {})).json()) as Record<string, unknown>
  const { kind, etag, size } = stat
  return { kind, etag, size, b: (await ask('GET', '/v1/stat/b', {})).status }
}

const moments = ['after the look', 'while the body comes'] as const

async function run(door: Door, write: Write, condition: Condition, moment: string, what: Change) {
  const { entry, method, path } = write
  if (!condition.isOfNothing) {
    if (entry === 'directory') await door.ask('PUT', '/v1/files/a/first', { body: 'x' })
    else await door.ask('PUT', '/v1/files/a', { body: 'old content' })
  }
  const stat = await door.ask('GET', '/v1/stat/a', {})
  const { etag = '' } = (await stat.json()) as { etag?: string }
  const fill = (text: string): string => text.replace('TAG', etag)
  let wasChanged = false
  let after: unknown
  const changeOnce = async () => {
    if (wasChanged) return
    wasChanged = true
    await change(door, entry, condition.isOfNothing ? 'another content' : what)
    after = await contentOf(door)
  }
  const { files } = door
  if (moment === 'after the look') {
    const view = files.view.bind(files)
    files.view = () => {
      files.view = view
      const looked = view()
      const statThen = async (on: ReadView, at: Parameters<ReadView['stat']>[0]) => {
        try {
          return await on.stat(at)
        } finally {
          await changeOnce()
        }
      }
      return Object.assign(Object.create(looked) as ReadView, {
        stat: (at: Parameters<ReadView['stat']>[0]) => statThen(looked, at),
        release: () => looked.release(),
      })
    }
  }
  const sent = write.body && Buffer.from(write.isOfBody ? fillJson(write.body, etag) : write.body)
  let at = 0
  const body =
    sent &&
    new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          if (at > 0 && moment === 'while the body comes') await changeOnce()
          const end = at === 0 ? sent.length >> 1 : sent.length
          controller.enqueue(new Uint8Array(sent.subarray(at, end)))
          at = end
          if (end === sent.length) controller.close()
        },
      },
      { highWaterMark: 0 },
    )
  const headers = { ...write.headers }
  if (!write.isOfBody)
    for (const [name, value] of Object.entries(condition.headers)) headers[name] = fill(value)
  const answer = await door.ask(method, path, { headers, ...(body ? { body } : {}) })
  return { answer, wasChanged, after }
}

const fillJson = (body: Buffer, etag: string): string =>
  body.toString().replace('TAG', JSON.stringify(etag).slice(1, -1))

for (const [doorName, makeDoor] of Object.entries(doors))
  describe(doorName, () => {
    for (const [name, of] of Object.entries(writes))
      test(
        name,
        async () => {
          let tried = 0
          for (const condition of conditions)
            for (const what of changes)
              for (const moment of moments) {
                const write = of(condition.wish ?? {})
                if (write.isOfBody && !condition.wish) continue
                if (write.path === '/v1/move' && condition.wish?.ifNoneMatch) continue
                if (condition.isOfNothing && what !== 'another content') continue
                // The tag of a directory does not change with what is in it.
                if (write.entry && !condition.isOfNothing && what === 'another content') continue
                const door = await makeDoor()
                const { answer, wasChanged, after } = await run(door, write, condition, moment, what)
                if (!wasChanged) continue
                tried++
                const row = [name, condition.headers, what, moment, answer.status]
                expect([row, [404, 412].includes(answer.status)]).toEqual([row, true])
                expect([row, await contentOf(door)]).toEqual([row, after])
              }
          expect(tried).toBeGreaterThan(1)
        },
        20_000,
      )
  })
