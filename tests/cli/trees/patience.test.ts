/** A copy outlives a server that is away, for two minutes; a server that was never there is no such server. */
import { describe, expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { ClientError } from '../../../sdk/src/client-error.ts'
import { Patience } from '../../../src/cli/trees/patience.ts'
import { type ErrorCode, StillpointError } from '../../../src/lib/errors.ts'
import { problem } from '../../../src/routes/http/problem.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { hurried } from '../hurried-clock.ts'
import { oneLine, servers } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()

/** Fails so often, and counts how often it was asked. */
function failing(times: number, error: () => Error) {
  const state = { asked: 0 }
  const work = async (): Promise<string> => {
    if (state.asked++ < times) throw error()
    return 'done'
  }
  return { state, work }
}
const unreachable = () => new ClientError('unreachable', 'ECONNREFUSED')
const heard = async (clock = hurried(systemClock)) => {
  const patience = new Patience(clock, () => 0.5)
  await patience.of(async () => 'heard')
  return { patience, clock }
}

describe('one request', () => {
  test.each([
    ['no answer', unreachable],
    ['half an answer', () => new ClientError('cut-short', 'cut')],
    ['a busy server', () => new ClientError('busy', 'busy', { status: 503, retryAfterMs: 1000 })],
    [
      'a client that asks too much',
      () => new ClientError('too-many-requests', 'slower', { status: 429, retryAfterMs: 2000 }),
    ],
    ['a proxy without its server', () => new ClientError('unknown', 'bad gateway', { status: 502 })],
  ])('%s: asked again until it succeeds', async (_what, error) => {
    const { patience } = await heard()
    const { state, work } = failing(5, error)
    expect(await patience.of(work)).toBe('done')
    expect(state.asked).toBe(6)
  })

  test.each([
    ['a refusal', () => new ClientError('forbidden', 'no', { status: 403 })],
    ['a fenced server', () => new ClientError('fenced', 'fenced', { status: 503, retryAfterMs: 1000 })],
    ['a full disk', () => new ClientError('disk-full', 'full', { status: 507 })],
    ['a body that cannot be read', () => new ClientError('bad-body', 'shrunk')],
    [
      'a server that wants to be left alone for an hour',
      () => new ClientError('busy', 'busy', { status: 503, retryAfterMs: 3_600_000 }),
    ],
  ])('%s: not asked again', async (_what, error) => {
    const { patience } = await heard()
    const { state, work } = failing(1, error)
    expect(patience.of(work)).rejects.toThrow()
    expect(state.asked).toBe(1)
  })

  test('a server that was never heard of: the first failure is the answer', async () => {
    const { state, work } = failing(1, unreachable)
    expect(new Patience(hurried(systemClock), () => 0).of(work)).rejects.toThrow('ECONNREFUSED')
    expect(state.asked).toBe(1)
  })

  test('two minutes without a word are the end, and each word begins them anew', async () => {
    const { patience, clock } = await heard()
    const beganMs = clock.monotonic()
    const { work } = failing(Infinity, unreachable)
    await expect(patience.of(work)).rejects.toThrow('ECONNREFUSED')
    const first = clock.monotonic() - beganMs
    expect(first > 120_000 && first < 140_000).toBe(true)
    await patience.of(async () => 'back')
    await expect(patience.of(work)).rejects.toThrow('ECONNREFUSED')
    expect(clock.monotonic() - beganMs - first).toBeGreaterThan(120_000)
  })

  test('the server says when: not before', async () => {
    const { patience, clock } = await heard()
    const beganMs = clock.monotonic()
    const { work } = failing(3, () => new ClientError('busy', 'busy', { status: 503, retryAfterMs: 7000 }))
    await patience.of(work)
    expect(clock.monotonic() - beganMs).toBeGreaterThanOrEqual(21_000)
  })
})

describe('a tree', () => {
  const makeTree = (): string => {
    const root = folder()
    for (let i = 0; i < 250; i++) fs.writeFileSync(join(root, `f${i}`), `content ${i}`)
    for (const i of [0, 1, 2]) fs.writeFileSync(join(root, `large${i}`), new Uint8Array(70_000 + i))
    fs.mkdirSync(join(root, 'sub'))
    fs.symlinkSync('../f0', join(root, 'sub/l'))
    return root
  }
  const refusal = (code: ErrorCode, retryAfter: string) => {
    const answer = problem(new StillpointError(code, 'refused by the test'))
    answer.headers.set('Retry-After', retryAfter)
    return answer
  }
  /** Each request is refused at first, however often it is asked with other words. */
  const refusingFirst = () => {
    const seen = new Set<string>()
    return serve((request) => {
      const what = `${request.method} ${new URL(request.url).pathname}`
      if (seen.size === 0 || seen.has(what)) {
        seen.add(what)
        return null
      }
      seen.add(what)
      return refusal('busy', '1')
    })
  }

  test('put -r and get -r through a server that refuses everything once', async () => {
    const source = makeTree()
    const served = refusingFirst()
    expect(await served.run('put', '-r', source, 't')).toMatchObject({ code: 0, err: '' })
    served.harness.publish()
    const target = join(folder(), 'back')
    expect(await served.run('get', '-r', 't', target)).toMatchObject({ code: 0, err: '' })
    expect(Bun.spawnSync(['diff', '-r', source, target]).exitCode).toBe(0)
  })

  test('a server that stays away ends both, in one line', async () => {
    const source = makeTree()
    let asked = 0
    const served = serve(() => (asked++ < 3 ? null : refusal('busy', '1')))
    const put = await served.run('put', '-r', source, 't')
    expect(put.code).toBe(1)
    expect(put.err).toMatch(/stillpoint: [^\n]+\n$/)
    const gone = await served.run('get', '-r', 't', join(folder(), 'back'))
    expect(gone.code).toBe(1)
    expect(gone.err).toMatch(oneLine)
  })
})
