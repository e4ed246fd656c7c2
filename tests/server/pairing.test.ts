/** Two servers with nothing in common but a code that an operator carries from one to the other. */
import { expect, test } from 'bun:test'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunningServer } from '../../src/server/running-server.ts'
import { runProcess } from '../cli/processes.ts'
import { served } from './served.ts'

const { folder, start, stop } = served()

async function mirrored(primary: RunningServer, name: string): Promise<string | null> {
  const url = `${primary.url}/v1/files/${name}?durability=mirrored&wait=20`
  return (await fetch(url, { method: 'PUT', body: name })).headers.get('Stillpoint-Durability')
}
const add = (primary: RunningServer, url: string, ...more: string[]) =>
  runProcess('mirrors', 'add', url, ...more, '--url', primary.url)
const stateAt = async (primary: RunningServer) => {
  const { out } = await runProcess('mirrors', 'list', '--json', '--url', primary.url)
  return (JSON.parse(out) as { items: { id: string; state: string; cp: number | null }[] }).items
}
const containing = (text: string): unknown => expect.stringContaining(text)
const privateMode = (path: string) => statSync(path).mode & 0o777

test('a code pairs one primary with one mirror; both keep the key, and need no code any more', async () => {
  const [here, there] = [folder(), folder()]
  let mirror = await start(there, { verb: 'mirror', pair: true })
  const { code, minutes } = mirror.pairing!
  expect(minutes).toBe(15)
  expect(code).toMatch(/^(?:[0-9A-HJKMNP-TV-Z]{5}-){5}[0-9A-HJKMNP-TV-Z]$/)
  let primary = await start(here)

  // Without the code, and with a wrong one, this mirror is closed, although both are on loopback.
  const first = await add(primary, mirror.url)
  expect(first).toMatchObject({ code: 0, out: containing('not reached yet') })
  const wrong = `${code.slice(0, -1)}${code.endsWith('0') ? '8' : '0'}`
  expect((await add(primary, mirror.url, '--code', wrong)).out).toContain('not reached yet')
  const senseless = await add(primary, mirror.url, '--code', 'no code')
  expect(senseless).toMatchObject({ code: 1, err: containing('pairing code') })
  expect(await stateAt(primary)).toMatchObject([{ state: 'away', cp: null }])

  expect((await add(primary, mirror.url, '--code', code.toLowerCase().replaceAll('-', ' '))).code).toBe(0)
  expect(await mirrored(primary, 'a')).toBe('mirrored')
  const keys = [join(here, 'pair-keys.json'), join(there, 'pair-keys.json')]
  for (const path of keys) expect(privateMode(path)).toBe(0o600)
  const [ours, theirs] = keys.map((path) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>)
  expect(Object.values(ours!)).toEqual(Object.values(theirs!))
  expect(Object.keys(ours!)).not.toEqual(Object.keys(theirs!))

  // The code has done its work.
  const second = await start(folder())
  expect((await add(second, mirror.url, '--code', code)).out).toContain('not reached yet')
  await stop(second)

  const port = new URL(mirror.url).port
  await stop(mirror)
  await stop(primary)
  mirror = await start(there, { verb: 'mirror', flags: { listen: `127.0.0.1:${port}` } })
  expect(mirror.pairing).toBeNull()
  primary = await start(here)
  expect(await mirrored(primary, 'b')).toBe('mirrored')
  // A mirror that has a key is open to nobody, on loopback either.
  const third = await start(folder())
  await add(third, mirror.url)
  expect(await stateAt(third)).toMatchObject([{ state: 'away', cp: null }])
  await stop(third)

  const { id } = (await stateAt(primary))[0]!
  expect((await runProcess('mirrors', 'rm', id, '--url', primary.url)).code).toBe(0)
  expect(await stateAt(primary)).toEqual([])
  expect((await runProcess('mirrors', 'rm', id, '--url', primary.url)).code).toBe(1)
  await stop(primary)
  await stop(mirror)
}, 60_000)

test('a mirror beyond loopback without a secret shows a code until it has a key; on loopback it needs none', async () => {
  const open = await start(folder(), { verb: 'mirror' })
  expect(open.pairing).toBeNull()
  await stop(open)
  const there = folder()
  const shown = async () => {
    const mirror = await start(there, {
      verb: 'mirror',
      flags: { listen: '0.0.0.0:0', anonymous: 'read', insecureHttp: 'accept' },
    })
    const { pairing } = mirror
    const url = `http://127.0.0.1:${new URL(mirror.url).port}`
    return { mirror, pairing, url }
  }
  const once = await shown()
  await stop(once.mirror)
  const { mirror, pairing, url } = await shown()
  expect(pairing!.code).not.toBe(once.pairing!.code)
  const primary = await start(folder())
  await add(primary, url, '--code', pairing!.code)
  expect(await mirrored(primary, 'a')).toBe('mirrored')
  await stop(mirror)
  const again = await shown()
  expect(again.pairing).toBeNull()
  await stop(again.mirror)
  await stop(primary)
}, 60_000)

test('a file of pair keys that others may read, or that is none, is refused in one line', async () => {
  const data = folder()
  await stop(await start(data))
  const path = join(data, 'pair-keys.json')
  const side = '11111111-1111-4111-8111-111111111111'
  writeFileSync(path, JSON.stringify({ [side]: '00'.repeat(32) }), { mode: 0o644 })
  await expect(start(data)).rejects.toThrow('is open to other users (chmod 600')
  for (const text of [
    '',
    '[]',
    'null',
    '{',
    '{"a":"b"}',
    `{"${side}":"${'0'.repeat(62)}"}`,
    `{"${side}":3}`,
  ]) {
    writeFileSync(path, text)
    Bun.spawnSync(['chmod', '600', path])
    await expect(start(data)).rejects.toThrow('has no pair keys')
  }
  writeFileSync(path, JSON.stringify({ [side]: '00'.repeat(32) }))
  await stop(await start(data))
}, 60_000)
