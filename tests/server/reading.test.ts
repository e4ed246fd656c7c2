/** A volume whose files cannot be written is served for reading, whatever the reason, and nothing in it changes. */
import { afterEach, expect, spyOn, test } from 'bun:test'
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemFileCalls } from '../../src/blockdev/file-calls.ts'
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
  expect((await fetch(`${reading.url}/replica/v1/frames`, { method: 'POST', body: 'x' })).status).toBe(503)
})
