/** Tokens of a pair from their making to their end, on both sides, through restarts. */
import { describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../../src/lib/user-error.ts'
import { served } from '../server/served.ts'
import { AccessPair } from './access-pair.ts'
import { basic, issue } from './issued.ts'

const place = served()

const both = async (pair: AccessPair, token: string, path: string): Promise<number[]> => {
  const answers = [await pair.ask(token, 'GET', path), await pair.askMirror(token, 'GET', path)]
  for (const answer of answers) await answer.body?.cancel()
  return answers.map(({ status }) => status)
}

describe('a token', () => {
  test('made on the primary works on the mirror, until it is revoked; an old consistency point changes nothing', async () => {
    const pair = await AccessPair.start(place)
    const cp = await pair.put('a/file')
    const { id, token } = await pair.make('reader', { prefix: 'a' })
    for (const path of ['/v1/files/a/file', `/v1/files/a/file?cp=${cp}`, '/v1/whoami'])
      expect(await both(pair, token, path)).toEqual([200, 200])
    expect(await both(pair, token, '/v1/files/b')).toEqual([403, 403])
    const revoked = await pair.revoke(id)
    expect(revoked).toMatchObject({ durability: 'mirrored', unconfirmed: [] })
    for (const path of ['/v1/files/a/file', `/v1/files/a/file?cp=${cp}`, `/v1/dirs/a?cp=${cp}`, '/v1/whoami'])
      expect(await both(pair, token, path)).toEqual([401, 401])
    // The server stays closed after the last token, too.
    const { items } = (await (await pair.ask(pair.admin, 'GET', '/v1/tokens')).json()) as {
      items: { id: string }[]
    }
    for (const each of items) await pair.ask(pair.admin, 'DELETE', `/v1/tokens/${each.id}?wait=30`)
    expect(await both(pair, '', '/v1/dirs')).toEqual([401, 401])
    expect(await both(pair, pair.admin, '/v1/dirs')).toEqual([401, 401])
  })

  test('is known after a restart, and revoked ones are not', async () => {
    const pair = await AccessPair.start(place)
    await pair.put('file')
    const kept = await pair.make('writer')
    const { id, token } = await pair.make('writer')
    await pair.revoke(id)
    await place.stop(pair.primary)
    await place.stop(pair.mirror)
    await pair.open()
    expect(await both(pair, kept.token, '/v1/files/file')).toEqual([200, 200])
    expect(await both(pair, token, '/v1/files/file')).toEqual([401, 401])
    expect(await both(pair, '', '/v1/files/file')).toEqual([401, 401])
  })

  test('that a mirror cannot hear of is said to be unconfirmed', async () => {
    const pair = await AccessPair.start(place)
    const { id } = await pair.make('reader')
    const list = (await (await pair.ask(pair.admin, 'GET', '/v1/mirrors')).json()) as {
      items: { id: string }[]
    }
    await place.stop(pair.mirror)
    const answer = await pair.ask(pair.admin, 'DELETE', `/v1/tokens/${id}?wait=0`)
    expect(await answer.json()).toMatchObject({ unconfirmed: list.items.map((each) => each.id) })
  })

  test('is shown once', async () => {
    const pair = await AccessPair.start(place)
    const { token } = await pair.make('reader')
    const secret = token.slice(-43)
    for (const path of ['/v1/tokens', '/v1/whoami', '/metrics'])
      expect(await (await pair.ask(pair.admin, 'GET', path)).text()).not.toContain(secret)
  })

  test('comes as the password of Basic', async () => {
    const pair = await AccessPair.start(place)
    const answer = await pair.ask('', 'GET', '/v1/whoami', { headers: basic(pair.admin) })
    expect(await answer.json()).toMatchObject({ role: 'admin', prefix: '', expiresAt: null })
  })
})

describe('a reader that waits', () => {
  test('is decided again when its token was revoked meanwhile', async () => {
    const pair = await AccessPair.start(place)
    const cp = await pair.put('file')
    const { id, token } = await pair.make('reader')
    // Nothing is dirty, so this waits until the revocation makes a consistency point.
    const latest = ((await (await pair.ask(pair.admin, 'POST', '/v1/cps')).json()) as { cp: number }).cp
    expect(latest).toBeGreaterThanOrEqual(cp)
    const waiting = [
      pair.ask(token, 'GET', `/v1/files/file?minCp=${latest + 1}&wait=30`),
      pair.askMirror(token, 'GET', `/v1/files/file?minCp=${latest + 1}&wait=30`),
    ]
    // Both have been decided when a later request of theirs has been answered.
    expect(await both(pair, token, '/v1/whoami')).toEqual([200, 200])
    await pair.revoke(id)
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([401, 401])
  })
})

describe('the first token', () => {
  test('is that of an administrator', async () => {
    const server = await place.start(place.folder())
    const make = (role: string) =>
      fetch(`${server.url}/v1/tokens`, {
        method: 'POST',
        body: JSON.stringify({ name: 'a', role }),
        headers: { 'Content-Type': 'application/json' },
      })
    for (const role of ['reader', 'writer', 'monitor']) expect((await make(role)).status).toBe(403)
    expect((await fetch(`${server.url}/v1/whoami`)).status).toBe(200)
    expect((await make('admin')).status).toBe(201)
    expect((await make('admin')).status).toBe(401)
  })
})

describe('a link', () => {
  test('leads nowhere: what it points to is not opened by it', async () => {
    const pair = await AccessPair.start(place)
    await pair.put('secret/file')
    const { token } = await pair.make('writer', { prefix: 'mine' })
    const made = await pair.ask(token, 'PUT', '/v1/files/mine/link', {
      headers: { 'Stillpoint-Link': '../secret' },
    })
    expect(made.status).toBe(201)
    for (const path of ['mine/link/file', 'mine/link%2Ffile', 'mine%2Flink/file'])
      expect((await pair.ask(token, 'GET', `/v1/files/${path}`)).status).toBe(409)
    for (const path of ['mine/../secret/file', 'mine%2F..%2Fsecret%2Ffile', 'mine/%2e%2e/secret/file'])
      expect([400, 403]).toContain((await pair.ask(token, 'GET', `/v1/files/${path}`)).status)
  })
})

describe('a cursor', () => {
  test('opens nothing to whoever may not list', async () => {
    const pair = await AccessPair.start(place)
    for (const name of ['a/1', 'a/2', 'ab/1', 'ab/2']) await pair.put(name)
    const { token } = await pair.make('reader', { prefix: 'a' })
    const first = async (path: string) =>
      ((await (await pair.ask(pair.admin, 'GET', `${path}?limit=1`)).json()) as { next: string }).next
    const next = (path: string, cursor: string) => pair.ask(token, 'GET', `${path}?limit=1&cursor=${cursor}`)
    expect((await next('/v1/dirs/ab', await first('/v1/dirs/ab'))).status).toBe(403)
    expect((await next('/v1/dirs', await first('/v1/dirs'))).status).toBe(403)
    expect((await next('/v1/dirs/a', await first('/v1/dirs/ab'))).status).toBe(400)
    expect((await next('/v1/dirs/a', await first('/v1/dirs'))).status).toBe(400)
    expect((await next('/v1/dirs/a', await first('/v1/dirs/a'))).status).toBe(200)
  })
})

describe('the token file of an administrator', () => {
  const { text } = issue('admin')
  const write = (content: string, mode = 0o600): string => {
    const path = join(place.folder(), 'admin')
    writeFileSync(path, content)
    chmodSync(path, mode)
    return path
  }
  const ask = (url: string, token: string, path = '/v1/tokens') =>
    fetch(`${url}${path}`, { headers: token === '' ? {} : { Authorization: `Bearer ${token}` } })

  test('closes the server, and opens everything, on a mirror too', async () => {
    for (const verb of ['serve', 'mirror'] as const) {
      const flags = { adminTokenFile: write(`${text}\n`) }
      const server = await place.start(place.folder(), { verb, flags })
      expect((await ask(server.url, '')).status).toBe(401)
      expect((await ask(server.url, text)).status).toBe(200)
    }
  })
  test.each([
    [0o640, 'chmod 600'],
    [0o604, 'chmod 600'],
    [0o620, 'chmod 600'],
    [0o601, 'chmod 600'],
  ])('of mode %o is refused', (mode, words) => {
    const path = write(text, mode)
    expect(place.start(place.folder(), { flags: { adminTokenFile: path } })).rejects.toThrow(words)
  })
  test.each(['', 'sp_a_b', `${text}\n${text}`, `${text}x`])('%p is no token', (content) => {
    expect(place.start(place.folder(), { flags: { adminTokenFile: write(content) } })).rejects.toThrow(
      UserError,
    )
  })
  test('is a file', () => {
    const folder = join(place.folder(), 'folder')
    mkdirSync(folder, { mode: 0o700 })
    const pipe = join(place.folder(), 'pipe')
    expect(Bun.spawnSync(['mkfifo', '-m', '600', pipe]).exitCode).toBe(0)
    for (const path of [folder, pipe])
      expect(place.start(place.folder(), { flags: { adminTokenFile: path } })).rejects.toThrow('regular file')
  })
})

describe('beyond loopback', () => {
  const listen = '0.0.0.0:0'
  const secretFile = (): string => {
    const path = join(place.folder(), 'secret')
    writeFileSync(path, 's'.repeat(32), { mode: 0o600 })
    return path
  }
  test.each(['serve', 'mirror'] as const)('`%s` refuses to start when nobody could come in', async (verb) => {
    const flags = { listen, secretFile: secretFile(), insecureHttp: 'accept' }
    const started = place.start(place.folder(), { verb, flags })
    await expect(started).rejects.toThrow(/^to listen on .*--admin-token-file.*--anonymous read/)
  })
  test('a server that knows tokens starts, and one that anybody may read', async () => {
    const data = place.folder()
    const first = await place.start(data)
    const made = await fetch(`${first.url}/v1/tokens`, {
      method: 'POST',
      body: '{"name":"a","role":"admin"}',
      headers: { 'Content-Type': 'application/json' },
    })
    expect(made.status).toBe(201)
    await place.stop(first)
    const again = await place.start(data, {
      flags: { listen, secretFile: secretFile(), insecureHttp: 'accept' },
    })
    const url = (server: { url: string }) => server.url.replace('0.0.0.0', '127.0.0.1')
    expect((await fetch(`${url(again)}/v1/dirs`)).status).toBe(401)
    const open = await place.start(place.folder(), {
      flags: { listen, secretFile: secretFile(), insecureHttp: 'accept', anonymous: 'read' },
    })
    const status = async (method: string, path: string) =>
      (await fetch(`${url(open)}${path}`, { method })).status
    expect(await status('GET', '/v1/dirs')).toBe(200)
    expect(await status('GET', '/v1/cps')).toBe(200)
    expect(await status('PUT', '/v1/files/a')).toBe(401)
    for (const path of ['/v1/tokens', '/v1/mirrors', '/metrics']) expect(await status('GET', path)).toBe(401)
  })
})

describe('what is asked without a token', () => {
  test('has no reasons in it', async () => {
    const pair = await AccessPair.start(place)
    // The mirror of the first pair has a consistency point; a fresh one has not, and says so to whoever has a token.
    const { text } = issue('admin')
    const path = join(place.folder(), 'admin')
    writeFileSync(path, text, { mode: 0o600 })
    const fresh = await place.start(place.folder(), { verb: 'mirror', flags: { adminTokenFile: path } })
    const ready = async (headers: Record<string, string>) => {
      const answer = await fetch(`${fresh.url}/readyz`, { headers })
      expect(answer.status).toBe(503)
      return ((await answer.json()) as { detail: string }).detail
    }
    expect(await ready({ Authorization: `Bearer ${text}` })).toContain('consistency point')
    expect(await ready({})).not.toContain('consistency point')
    expect((await pair.ask('', 'GET', '/healthz')).status).toBe(200)
  })
})
