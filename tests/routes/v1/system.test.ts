import { describe, expect, test } from 'bun:test'
import { assert } from '../../../src/lib/assert.ts'
import { endpoints } from '../../../src/routes/endpoints.ts'
import { ServerStatusShape } from '../../../src/routes/v1/schemas.ts'
import { Harness, expectProblem, readJson } from '../harness.ts'

describe('consistency points', () => {
  test('listed newest first, by pages', async () => {
    const h = new Harness()
    for (let i = 0; i < 4; i++) {
      await h.request('PUT', '/v1/files/a', { body: `${i}` })
      h.publish()
    }
    const first = await readJson(h.request('GET', '/v1/cps?limit=2'))
    const cpsOf = (page: Record<string, unknown>) => (page['items'] as { cp: number }[]).map(({ cp }) => cp)
    expect(cpsOf(first)).toEqual([5, 4])
    expect((first['items'] as unknown[])[0]).toEqual({
      cp: 5,
      epoch: 0,
      rootHash: 'ab'.repeat(32),
      cause: 'timer',
      committedAt: new Date(h.committedAt(5)).toISOString(),
      blocksWritten: 1,
      bytesWritten: 4096,
      coalesced: 0,
      retained: true,
    })
    const second = await readJson(h.request('GET', `/v1/cps?limit=3&cursor=${String(first['next'])}`))
    expect(cpsOf(second)).toEqual([3, 2, 1])
    expect(second['next']).toBeNull()
    await expectProblem(h.request('GET', '/v1/cps?limit=0'), 'bad-parameter')
    await expectProblem(h.request('GET', '/v1/cps?cursor=x'), 'bad-cursor')
  })

  test('one, and one that is not', async () => {
    const h = new Harness()
    expect(await readJson(h.onMirror('GET', '/v1/cps/1'))).toMatchObject({ cp: 1 })
    await expectProblem(h.request('GET', '/v1/cps/9'), 'not-found')
    for (const bad of ['x', '-1', '1.5', '99999999999999999999', '%31']) {
      await expectProblem(h.request('GET', `/v1/cps/${bad}`), 'bad-parameter')
    }
    await expectProblem(h.request('GET', '/v1/cps/'), 'not-found')
    await expectProblem(h.request('GET', '/v1/cps/1/2'), 'not-found')
  })

  test('taken now', async () => {
    const h = new Harness()
    expect((await h.request('POST', '/v1/cps')).status).toBe(200)
    await h.request('PUT', '/v1/files/a', { body: 'x' })
    const taken = await h.request('POST', '/v1/cps')
    expect(taken.status).toBe(201)
    expect(taken.headers.get('Location')).toBe('/v1/cps/2')
    expect(await taken.json()).toMatchObject({ cp: 2, cause: 'timer' })
    await expectProblem(h.request('POST', '/v1/cps?now=1'), 'bad-parameter')
    await expectProblem(h.request('POST', '/v1/cps', { body: '{"cause":"mine"}' }), 'bad-parameter')
    expect((await h.request('POST', '/v1/cps', { body: '' })).status).toBe(200)
  })
})

describe('mirrors', () => {
  test('added, listed, removed', async () => {
    const h = new Harness()
    const added = await h.json('POST', '/v1/mirrors', { url: 'http://127.0.0.1:7071/' })
    expect(added.status).toBe(202)
    expect(await added.json()).toMatchObject({
      id: 'm0',
      url: 'http://127.0.0.1:7071',
      state: 'away',
      cp: null,
    })
    expect((await readJson(h.request('GET', '/v1/mirrors')))['items']).toHaveLength(1)
    expect((await h.request('DELETE', '/v1/mirrors/m0')).status).toBe(204)
    await expectProblem(h.request('DELETE', '/v1/mirrors/m0'), 'not-found')
  })

  test('a mirror knows itself', async () => {
    const h = new Harness()
    expect(await readJson(h.onMirror('GET', '/v1/mirror'))).toEqual({
      id: 'm',
      volume: 'v',
      state: 'live',
      cp: 1,
      targetCp: null,
      lagCps: 0,
      lagMs: 0,
      needs: null,
      lastSeen: '1970-01-01T00:00:00.000Z',
    })
    await expectProblem(h.request('GET', '/v1/mirror'), 'not-found')
    await expectProblem(h.onMirror('GET', '/v1/mirrors'), 'not-found')
  })
})

describe('what is not there', () => {
  test('unknown addresses', async () => {
    const h = new Harness()
    const unknown = [
      '/v1',
      '/v1/',
      '/v2/files/a',
      '/v1/files',
      '/v1/filesystem/a',
      '/healthz/',
      '/v1/copy',
      '/v1/sql/',
    ]
    unknown.push(
      '/v1/%66iles/a',
      '//v1/files/a',
      '/V1/files/a',
      '/replica/v1/hello',
      '/v1/snapshots',
      '/v1/move/',
    )
    for (const path of unknown) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
        await expectProblem(h.request(method, path), 'not-found')
      }
    }
    expect((await h.request('HEAD', '/nothing')).status).toBe(404)
  })

  test('unknown methods', async () => {
    const h = new Harness()
    const rows: readonly (readonly [string, string, string])[] = [
      ['POST', '/v1/files/a', 'GET, HEAD, PUT, PATCH, DELETE, OPTIONS'],
      ['PUT', '/v1/stat/a', 'GET, HEAD, OPTIONS'],
      ['POST', '/v1/dirs', 'GET, HEAD, OPTIONS'],
      ['GET', '/v1/move', 'POST, OPTIONS'],
      ['DELETE', '/v1/cps', 'GET, POST, HEAD, OPTIONS'],
      ['GET', '/v1/mirrors/m', 'DELETE, OPTIONS'],
      ['POST', '/healthz', 'GET, HEAD, OPTIONS'],
    ]
    for (const [method, path, allow] of rows) {
      const answer = await h.request(method, path)
      expect(answer.headers.get('Allow')).toBe(allow)
      await expectProblem(answer, 'method-not-allowed')
    }
    const options = await h.request('OPTIONS', '/v1/files/a')
    expect([options.status, options.headers.get('Allow')]).toEqual([204, rows[0]![2]])
  })

  test('a mirror has nothing that writes', async () => {
    const h = new Harness()
    const writes: readonly (readonly [string, string])[] = [
      ['PUT', '/v1/files/a'],
      ['PATCH', '/v1/files/a?offset=0'],
      ['DELETE', '/v1/files/a'],
      ['PUT', '/v1/dirs/a'],
      ['DELETE', '/v1/dirs/a'],
      ['POST', '/v1/move'],
      ['POST', '/v1/batch'],
      ['POST', '/v1/cps'],
      ['POST', '/v1/mirrors'],
      ['DELETE', '/v1/mirrors/m'],
    ]
    for (const [method, path] of writes) {
      const answer = await h.onMirror(method, path, method === 'DELETE' ? {} : { body: 'x' })
      const allow = answer.headers.get('Allow') ?? ''
      expect(allow).toContain('OPTIONS')
      expect(allow).not.toMatch(/PUT|PATCH|POST|DELETE/)
      await expectProblem(answer, 'method-not-allowed')
    }
    expect(h.files.keys()).toEqual([])
  })
})

interface Example {
  readonly content: { readonly 'application/json': { readonly example: unknown } }
}

describe('status', () => {
  test('of both roles', async () => {
    const h = new Harness()
    await h.clock.advance(1500)
    const answer = await h.request('GET', '/v1/status')
    expect(answer.headers.get('Stillpoint-CP')).toBe('1')
    const shown = await readJson(answer)
    expect(shown).toEqual({
      role: 'primary',
      ready: true,
      reason: null,
      cp: 1,
      epoch: 0,
      opening: 1,
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      commit: null,
      format: 1,
      uptimeMs: 1500,
      space: {
        usedBytes: 4096,
        freeBytes: 8192,
        writableBytes: 4096,
        pendingBytes: 0,
        maxBytes: 2 ** 30,
        fileBytes: 12_288,
      },
      catalog: { state: 'current', cp: 1, behindCps: 0, behindMs: 0 },
    })
    expect(ServerStatusShape.parse(shown)).toEqual(shown as never)
    const { contract } = endpoints.find(({ path }) => path === '/v1/status')!
    const { example } = (contract.responses[200] as Example).content['application/json']
    expect(ServerStatusShape.parse(example)).toEqual(example as never)
    h.ready = { ok: false, reason: 'still opening' }
    expect(await readJson(h.onMirror('GET', '/v1/status'))).toMatchObject({
      role: 'mirror',
      ready: false,
      reason: 'still opening',
    })
  })
})

describe('health', () => {
  test('alive, ready, counted', async () => {
    const h = new Harness()
    expect(await readJson(h.request('GET', '/healthz'))).toEqual({ status: 'ok' })
    expect((await h.request('GET', '/readyz')).status).toBe(200)
    h.ready = { ok: false, reason: 'still opening' }
    expect((await expectProblem(h.request('GET', '/readyz'), 'not-yet'))['detail']).toBe('still opening')
    await h.request('PUT', '/v1/files/a', { body: 'x' })
    await h.request('GET', '/nothing')
    const metrics = await h.request('GET', '/metrics')
    expect(metrics.headers.get('Content-Type')).toStartWith('text/plain')
    const text = await metrics.text()
    expect(text).toContain('stillpoint_http_requests_total{endpoint="putFile",status="201"} 1')
    expect(text).toContain('stillpoint_http_requests_total{endpoint="none",status="404"} 1')
    expect(text).toContain('stillpoint_published_cp 1')
    expect(text).toContain(
      'stillpoint_http_request_duration_seconds_bucket{le="0.0001",endpoint="putFile"} 1',
    )
    expect(text).toContain('stillpoint_http_request_duration_seconds_count{endpoint="putFile"} 1')
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m)
    expect(await (await h.onMirror('GET', '/metrics')).text()).not.toContain('putFile')
  })

  test('the documents', async () => {
    const h = new Harness()
    for (const path of ['/', '/openapi.json', '/docs', '/healthz', '/readyz', '/metrics', '/v1/mirrors']) {
      await expectProblem(h.request('GET', `${path}?x=1`), 'bad-parameter')
    }
    expect(await readJson(h.request('GET', '/openapi.json'))).toMatchObject({ openapi: '3.1.0' })
  })
})

describe('failures of the server', () => {
  test('what nobody expected says nothing', async () => {
    const h = new Harness()
    h.files.view = () => {
      throw new TypeError('secret of /etc/passwd')
    }
    const body = await expectProblem(h.request('GET', '/v1/stat/a'), 'internal')
    expect(JSON.stringify(body)).not.toContain('secret')
    expect(h.bugs).toEqual([])
  })

  test('a bug is reported', async () => {
    const h = new Harness()
    h.files.view = () => {
      assert(false, 'impossible')
    }
    await expectProblem(h.request('GET', '/v1/stat/a'), 'internal')
    expect(h.bugs.map(({ message }) => message)).toEqual(['impossible'])
  })
})
