/** Showcase 1: what a person tries first, over real sockets between real processes. */
import { expect, test } from 'bun:test'
import { checkVolume } from '../../tools/live/command.ts'
import { live, put, settle, testMsMax } from './live.ts'

const { pair: startPair } = live()

test(
  'what was put on the primary is read from the mirror, which has no way to change anything',
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    const written = await put(primary.url, 'docs/a.txt', 'a first text')
    expect(written.durability).toBe('logged')
    const read = await fetch(`${mirror.url}/v1/files/docs/a.txt?minCp=${written.cp}&wait=20`)
    expect(read.status).toBe(200)
    expect(await read.text()).toBe('a first text')
    expect(Number(read.headers.get('Stillpoint-CP'))).toBeGreaterThanOrEqual(written.cp)
    expect(read.headers.get('ETag')).toBe(written.etag)

    for (const path of [
      'files/docs/a.txt',
      'dirs/docs',
      'dirs/new',
      'files/new',
      'move',
      'batch',
      'cps',
      'mirrors',
    ])
      for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) {
        const answer = await fetch(`${mirror.url}/v1/${path}`, { method, body: 'x' })
        const problem = (await answer.json()) as { code: string }
        const isAbsent = answer.status === 404 && ['move', 'batch', 'mirrors'].includes(path)
        if (!isAbsent) {
          expect([method, path, answer.status, problem.code]).toEqual([
            method,
            path,
            405,
            'method-not-allowed',
          ])
          expect(answer.headers.get('Allow')).not.toMatch(/PUT|POST|PATCH|DELETE/)
        }
      }
    const document = (await (await fetch(`${mirror.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, unknown>>
    }
    // A question in SQL has a body, and changes nothing.
    const methods = Object.entries(document.paths).flatMap(([path, item]) =>
      path === '/v1/sql' ? [] : Object.keys(item),
    )
    expect(new Set(methods).difference(new Set(['get', 'head', 'parameters']))).toEqual(new Set())
    const still = await fetch(`${mirror.url}/v1/files/docs/a.txt`)
    expect(await still.text()).toBe('a first text')
  },
  testMsMax,
)

test(
  'the levels of durability say what they reached, and a mirrored write is on the mirror',
  async () => {
    const pair = await startPair()
    const { primary, mirror } = pair
    await settle(pair)
    for (const level of ['buffered', 'logged', 'committed', 'mirrored']) {
      const written = await put(primary.url, `levels/${level}`, level, `?durability=${level}&wait=30`)
      expect(written.durability).toBe(level)
      if (level !== 'mirrored') continue
      const read = await fetch(`${mirror.url}/v1/files/levels/${level}?minCp=${written.cp}`)
      expect(await read.text()).toBe(level)
    }
    await mirror.kill()
    const alone = await put(primary.url, 'levels/alone', 'x', '?durability=mirrored&wait=1')
    expect(alone.durability).toBe('committed')
    expect(await primary.stop()).toBe(0)
    await checkVolume(primary.data)
    await checkVolume(mirror.data)
  },
  testMsMax,
)
