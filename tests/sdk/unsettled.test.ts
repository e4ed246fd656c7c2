/** Writes in memory of a server: what has to be sent again after a restart, and what has not. */
import { describe, expect, test } from 'bun:test'
import { type ClientError, isClientError, Unsettled } from '../../sdk/src/index.ts'
import { FakeServers, refusal, written } from './fake-servers.ts'

const cpItem = (cp: number) => ({
  cp,
  epoch: 0,
  rootHash: 'ab',
  cause: 'requested',
  committedAt: '2026-01-31T12:00:00.000Z',
  blocksWritten: 1,
  bytesWritten: 4096,
  coalesced: 0,
  retained: true,
})
const taken = (): Response => Response.json(cpItem(9), { status: 201 })

const failure = async (work: Promise<unknown>): Promise<ClientError> => {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!isClientError(error)) throw new Error(`no failure of a client: ${String(error)}`)
  return error
}

describe('writes that are buffered', () => {
  test.each([
    ['all of one run, which is still there', ['A', 'A', 'A'], taken, 'A', []],
    ['all of one run, which has ended', ['A', 'A'], () => refusal(409, 'opening-changed'), 'A', [0, 1]],
    ['of two runs, the second of which is there', ['A', 'A', 'B'], taken, 'B', [0, 1]],
    ['in the order A B A', ['A', 'B', 'A'], () => refusal(409, 'opening-changed'), 'A', [0, 1, 2]],
    ['of two runs, both over', ['A', 'B'], () => refusal(409, 'opening-changed'), 'B', [0, 1]],
    ['of servers that do not say', [null, null], taken, undefined, []],
    ['of one that says and one that does not', [null, 'B'], taken, 'B', [0]],
    ['none', [], taken, undefined, []],
  ])('%s', async (_which, openings, say, asked, lost) => {
    const servers = new FakeServers(say)
    const unsettled = new Unsettled<number>(servers.client())
    openings.forEach((opening, at) => unsettled.note(opening, at))
    expect(unsettled.size).toBe(openings.length)
    const settled = await servers.ended(unsettled.settle())
    expect(settled.lost).toEqual(lost)
    expect(settled.cp?.cp ?? null).toBe(say === taken ? 9 : null)
    expect(servers.heard.map(({ path, query }) => [path, query['opening']])).toEqual([['/v1/cps', asked]])
    expect(unsettled.size).toBe(0)
  })

  test('what is noted while a consistency point is taken waits for the next one', async () => {
    const servers = new FakeServers(() => {
      unsettled.note('A', 2)
      return taken()
    })
    const unsettled = new Unsettled<number>(servers.client())
    unsettled.note('A', 1)
    await servers.ended(unsettled.settle())
    expect(unsettled.size).toBe(1)
  })

  test('a failure forgets none of them', async () => {
    const servers = new FakeServers((_heard, index) => (index === 0 ? refusal(503, 'fenced') : taken()))
    const unsettled = new Unsettled<number>(servers.client())
    unsettled.note('A', 1)
    unsettled.note('B', 2)
    expect((await failure(servers.ended(unsettled.settle()))).code).toBe('fenced')
    expect((await servers.ended(unsettled.settle())).lost).toEqual([1])
  })

  test('every kind of change says the run that has answered', async () => {
    const named = (answer: Response): Response => {
      answer.headers.set('Stillpoint-Opening', 'A')
      answer.headers.set('Stillpoint-CP', '7')
      return answer
    }
    const servers = new FakeServers(({ method, path }) =>
      named(
        method === 'DELETE'
          ? new Response(null, { status: 204 })
          : path === '/v1/batch'
            ? Response.json({ cp: 7, durability: 'buffered', results: [{ status: 204, etag: null }] })
            : method === 'PATCH'
              ? Response.json({ path: 'a', size: 1, etag: '"1-2-3"', offset: 0, cp: 7, durability: 'logged' })
              : written('a', 7, method === 'PUT' && path.startsWith('/v1/files') ? 1 : 0),
      ),
    )
    const client = servers.client()
    for (const change of [
      client.put('a', 'x'),
      client.patch('a', 0, 'x'),
      client.resize('a', 1),
      client.putLink('a', 'b'),
      client.makeDirectory('a'),
      client.deleteFile('a'),
      client.deleteDirectory('a'),
      client.move('b', 'a'),
      client.batch([{ op: 'delete', path: 'a' }]),
    ])
      expect((await servers.ended<{ readonly opening: string | null }>(change)).opening).toBe('A')
  })
})
