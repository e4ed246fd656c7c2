/** A volume whose files cannot be written is served for reading, whatever the reason, and nothing in it changes. */
import { afterEach, describe, expect, spyOn, test } from 'bun:test'
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemFileCalls } from '../../src/blockdev/file-calls.ts'
import { systemFolderCalls } from '../../src/blockdev/folder-calls.ts'
import type { RunningServer } from '../../src/server/running-server.ts'
import { served } from './served.ts'

const { folder, start, stop } = served()
const spies: { mockRestore(): void }[] = []
afterEach(() => {
  for (const spy of spies.splice(0)) spy.mockRestore()
})

const failing = (code: string) => Object.assign(new Error(code), { code })

async function written(): Promise<string> {
  const data = join(folder(), 'volume')
  const server = await start(data)
  const put = await fetch(`${server.url}/v1/files/a?durability=committed`, { method: 'PUT', body: 'a' })
  expect(put.status).toBe(201)
  await stop(server)
  return data
}

async function expectReads(server: RunningServer, why: RegExp): Promise<void> {
  expect(await (await fetch(`${server.url}/v1/files/a`)).text()).toBe('a')
  const ready = await fetch(`${server.url}/readyz`)
  expect(ready.status).toBe(200)
  expect(((await ready.json()) as { fenced: string }).fenced).toMatch(why)
  const requests = [
    ['PUT', '/v1/files/b', 'b'],
    ['PATCH', '/v1/files/a?offset=0', 'b'],
    ['DELETE', '/v1/files/a', null],
    ['PUT', '/v1/dirs/d', null],
    ['DELETE', '/v1/dirs/d', null],
    ['POST', '/v1/move', JSON.stringify({ from: 'a', to: 'b' })],
    ['POST', '/v1/batch', JSON.stringify({ operations: [{ op: 'put', path: 'b', text: 'b' }] })],
    ['POST', '/v1/cps', null],
    ['POST', '/v1/mirrors', JSON.stringify({ url: 'http://127.0.0.1:1' })],
    ['DELETE', '/v1/mirrors/00000000-0000-4000-8000-000000000001', null],
  ] as const
  for (const [method, path, body] of requests) {
    const headers: Record<string, string> = method === 'POST' ? { 'Content-Type': 'application/json' } : {}
    const answer = await fetch(server.url + path, { method, body, headers })
    const { code } = (await answer.json()) as { code: string }
    expect({ method, path, status: answer.status, code }).toEqual({
      method,
      path,
      status: 503,
      code: 'fenced',
    })
  }
  for (const path of ['/v1/cps', '/v1/mirrors', '/v1/dirs', '/metrics', '/openapi.json'])
    expect({ path, status: (await fetch(server.url + path)).status }).toEqual({ path, status: 200 })
}

test.each(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'])('the opening cannot be written: %s', async (code) => {
  const data = await written()
  spies.push(spyOn(systemFileCalls, 'writev').mockImplementation(() => Promise.reject(failing(code))))
  const before = readFileSync(join(data, 'volume.blk'))
  const server = await start(data)
  await expectReads(server, new RegExp(`${code}.*only reads are served`))
  await stop(server)
  expect(readFileSync(join(data, 'volume.blk')).equals(before)).toBeTrue()
  spies.splice(0).forEach((spy) => spy.mockRestore())
  const again = await start(data)
  expect((await fetch(`${again.url}/v1/files/b`, { method: 'PUT', body: 'b' })).status).toBe(201)
})

test.each(['ENOSPC', 'EIO', 'EROFS'])(
  'the name of the block file cannot be made durable: %s',
  async (code) => {
    const data = await written()
    spies.push(spyOn(systemFolderCalls, 'syncFolder').mockImplementation(() => Promise.reject(failing(code))))
    await expectReads(await start(data), new RegExp(code))
  },
)

test('the sync of the opening fails', async () => {
  const data = await written()
  spies.push(spyOn(systemFileCalls, 'fdatasync').mockImplementation(() => Promise.reject(failing('EIO'))))
  await expectReads(await start(data), /EIO.*only reads are served/)
})

test('what the log has is said, and what of it is lost', async () => {
  const running = join(folder(), 'volume')
  const server = await start(running)
  const put = (name: string, level: string) =>
    fetch(`${server.url}/v1/files/${name}?durability=${level}`, { method: 'PUT', body: `content of ${name}` })
  await put('a', 'committed')
  await put('first', 'logged')
  await put('second', 'logged')
  // An empty group follows, and the consistency point is not due yet.
  await Bun.sleep(100)
  const data = join(folder(), 'killed')
  mkdirSync(data)
  const path = join(data, 'volume.blk')
  copyFileSync(join(running, 'volume.blk'), path)
  await stop(server)
  truncateSync(path, readFileSync(path).length + 4096 * 64)
  spies.push(spyOn(systemFileCalls, 'reserve').mockImplementation(() => 'full'))
  const sayOf = async () => {
    const reading = await start(data)
    const { fenced } = (await (await fetch(`${reading.url}/readyz`)).json()) as { fenced: string }
    await stop(reading)
    return fenced
  }
  const whole = await sayOf()
  expect(whole).toContain('2 acknowledged operations')
  expect(whole).not.toContain('damaged')
  const bytes = readFileSync(path)
  bytes[bytes.indexOf('content of second', 4 * 2 ** 20)]! ^= 1
  writeFileSync(path, bytes)
  truncateSync(path, bytes.length + 4096 * 64)
  const damaged = await sayOf()
  expect(damaged).toContain('1 acknowledged operations')
  expect(damaged).toMatch(/the log is damaged.*was synced and is damaged/)
})

/** The reason why it only reads. */
async function expectStillReads({ url }: RunningServer): Promise<string> {
  expect(await (await fetch(`${url}/v1/files/a`)).text()).toBe('a')
  expect((await fetch(`${url}/v1/files/a`, { method: 'DELETE' })).status).toBe(503)
  const { fenced } = (await (await fetch(`${url}/readyz`)).json()) as { fenced: string }
  expect(fenced).toMatch(/ENOSPC.*only reads are served/)
  return fenced
}

describe.each(['writev', 'fdatasync'] as const)(
  'an open that has to publish before it serves: a %s fails',
  (call) => {
    /** Whichever it is of those that the open makes; `expectIt` is called as long as one of them fails. */
    async function eachFailure(
      image: string,
      flags: Record<string, string>,
      expectIt: (server: RunningServer) => Promise<unknown>,
    ): Promise<number> {
      for (let failures = 0; ; failures++) {
        const data = join(folder(), 'copy')
        mkdirSync(data)
        copyFileSync(image, join(data, 'volume.blk'))
        const real = systemFileCalls[call] as (...given: unknown[]) => Promise<never>
        let calls = 0
        const spy = spyOn(systemFileCalls, call).mockImplementation((...given: unknown[]) =>
          calls++ < failures ? real(...given) : Promise.reject(failing('ENOSPC')),
        )
        spies.push(spy)
        const server = await start(data, { flags })
        spy.mockRestore()
        if (calls <= failures) {
          await stop(server)
          return failures
        }
        await expectIt(server)
        await stop(server)
        const again = await start(data, { flags })
        expect((await fetch(`${again.url}/v1/files/c`, { method: 'PUT', body: 'c' })).status).toBe(201)
        await stop(again)
      }
    }

    test('operations of the log are named, and nothing else is missing', async () => {
      const data = await written()
      const running = await start(data, { flags: { cpIntervalMs: '60000' } })
      const put = await fetch(`${running.url}/v1/files/b?durability=logged`, { method: 'PUT', body: 'b' })
      expect(put.status).toBe(201)
      // As a crash leaves it.
      const image = join(folder(), 'image')
      copyFileSync(join(data, 'volume.blk'), image)
      await stop(running)
      let named = 0
      const failures = await eachFailure(image, {}, async (server) => {
        const fenced = await expectStillReads(server)
        const isThere = (await fetch(`${server.url}/v1/files/b`)).status === 200
        // The last failures are those of a superblock whose first copy is there.
        expect(fenced.includes('1 acknowledged operations')).toBe(!isThere)
        if (!isThere) named++
      })
      expect(named).toBeGreaterThan(3)
      expect(failures).toBeGreaterThanOrEqual(named)
    }, 30_000)

    test('a larger maximum is tried again at the next start', async () => {
      const image = join(await written(), 'volume.blk')
      const failures = await eachFailure(image, { volumeBytesMax: '512MiB' }, expectStillReads)
      expect(failures).toBeGreaterThan(3)
    }, 30_000)
  },
)

test('a sparse copy that finds no space', async () => {
  const data = await written()
  // Behind what the volume uses: a hole.
  const path = join(data, 'volume.blk')
  truncateSync(path, readFileSync(path).length + 4096 * 64)
  spies.push(spyOn(systemFileCalls, 'reserve').mockImplementation(() => 'full'))
  const server = await start(data)
  await expectReads(server, /no space to fill them.*only reads are served/)
})

test('a mirror whose opening cannot be written: it reads, and its primary hears why not', async () => {
  const mirrorData = join(folder(), 'mirror')
  const mirror = await start(mirrorData, { verb: 'mirror' })
  const primary = await start(join(folder(), 'primary'), { mirrors: [mirror.url] })
  const put = await fetch(`${primary.url}/v1/files/a?durability=mirrored&wait=20`, {
    method: 'PUT',
    body: 'a',
  })
  expect(((await put.json()) as { durability: string }).durability).toBe('mirrored')
  await stop(primary)
  await stop(mirror)
  spies.push(spyOn(systemFileCalls, 'writev').mockImplementation(() => Promise.reject(failing('EROFS'))))
  const reading = await start(mirrorData, { verb: 'mirror' })
  expect(await (await fetch(`${reading.url}/v1/files/a`)).text()).toBe('a')
  const status = (await (await fetch(`${reading.url}/v1/mirror`)).json()) as { state: string; needs: string }
  expect(status.state).toBe('stalled')
  expect(status.needs).toContain('EROFS')
  const frames = { method: 'POST', body: 'x', headers: { 'Content-Type': 'application/octet-stream' } }
  expect((await fetch(`${reading.url}/replica/v1/frames`, frames)).status).toBe(503)
})
