/** Two servers with nothing in common but a code that an operator carries from one to the other. */
import { expect, test } from 'bun:test'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunningServer } from '../../src/server/running-server.ts'
import { runProcess } from '../cli/processes.ts'
import { served } from './served.ts'

const { folder, start, stop } = served()

async function mirrored(primary: RunningServer, name: string, seconds = 20): Promise<string | null> {
  const url = `${primary.url}/v1/files/${name}?durability=mirrored&wait=${seconds}`
  return (await fetch(url, { method: 'PUT', body: name })).headers.get('Stillpoint-Durability')
}
const add = (primary: RunningServer, url: string, ...more: string[]) =>
  runProcess('mirrors', 'add', url, ...more, '--url', primary.url)
/** No argument shows a code to the other users of the machine. */
function codeFile(code: string): readonly [string, string] {
  const path = join(folder(), 'code')
  writeFileSync(path, `${code}\n`, { mode: 0o600 })
  return ['--code-file', path]
}
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
  expect((await add(primary, mirror.url, ...codeFile(wrong))).out).toContain('not reached yet')
  const senseless = await add(primary, mirror.url, ...codeFile('no code'))
  expect(senseless).toMatchObject({ code: 1, err: containing('pairing code') })
  expect(await stateAt(primary)).toMatchObject([{ state: 'away', cp: null }])

  expect((await add(primary, mirror.url, ...codeFile(code.toLowerCase().replaceAll('-', ' ')))).code).toBe(0)
  expect(await mirrored(primary, 'a')).toBe('mirrored')
  const keys = [join(here, 'pair-keys.json'), join(there, 'pair-keys.json')]
  for (const path of keys) expect(privateMode(path)).toBe(0o600)
  const [ours, theirs] = keys.map(
    (path) => (JSON.parse(readFileSync(path, 'utf8')) as { keys: Record<string, string> }).keys,
  )
  expect(Object.values(ours!)).toEqual(Object.values(theirs!))
  expect(Object.keys(ours!)).not.toEqual(Object.keys(theirs!))

  // The code has done its work.
  const second = await start(folder())
  expect((await add(second, mirror.url, ...codeFile(code))).out).toContain('not reached yet')
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
  await add(primary, url, ...codeFile(pairing!.code))
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
  const right = { keys: { [side]: '00'.repeat(32) }, toPair: ['http://10.0.0.2:7071'], unused: [side] }
  writeFileSync(path, JSON.stringify(right), { mode: 0o644 })
  await expect(start(data)).rejects.toThrow('is open to other users (chmod 600')
  for (const text of [
    '',
    '[]',
    'null',
    '{',
    '{"a":"b"}',
    JSON.stringify({ [side]: '00'.repeat(32) }),
    JSON.stringify({ ...right, keys: { [side]: '0'.repeat(62) } }),
    JSON.stringify({ ...right, keys: { [side]: 3 } }),
    JSON.stringify({ ...right, keys: { other: '00'.repeat(32) } }),
    JSON.stringify({ ...right, toPair: undefined }),
    JSON.stringify({ ...right, toPair: [3] }),
    JSON.stringify({ ...right, unused: ['other'] }),
    JSON.stringify({ ...right, other: 3 }),
  ]) {
    writeFileSync(path, text)
    Bun.spawnSync(['chmod', '600', path])
    await expect(start(data)).rejects.toThrow('has no pair keys')
  }
  writeFileSync(path, JSON.stringify(right))
  await stop(await start(data))
}, 60_000)

test('a primary that was given a code proves nothing less at that address, over restarts, until it is added without', async () => {
  const [here, there] = [folder(), folder()]
  // On loopback, and open to everybody: as somebody who has taken the mirror's address would be.
  const open = await start(there, { verb: 'mirror' })
  let primary = await start(here)
  await add(primary, open.url, ...codeFile('00000-00000-00000-00000-00000-0'))
  expect(await stateAt(primary)).toMatchObject([{ state: 'away', cp: null }])
  await stop(primary)
  primary = await start(here, { mirrors: [open.url] })
  expect(JSON.parse(readFileSync(join(here, 'pair-keys.json'), 'utf8'))).toMatchObject({ toPair: [open.url] })
  expect(await mirrored(primary, 'a', 1)).not.toBe('mirrored')
  expect(await stateAt(primary)).toMatchObject([{ state: 'away', cp: null }])
  await add(primary, open.url)
  expect(await mirrored(primary, 'b')).toBe('mirrored')
  await stop(primary)
  await stop(open)
}, 60_000)

test('a mirror whose key was never used shows a code again; whoever removes a mirror keeps no key of it', async () => {
  const [here, there] = [folder(), folder()]
  // As a primary leaves it that ends between the proof and its own file.
  await stop(await start(there, { verb: 'mirror' }))
  const side = '11111111-1111-4111-8111-111111111111'
  const path = join(there, 'pair-keys.json')
  const left = { keys: { [side]: '00'.repeat(32) }, toPair: [], unused: [side] }
  writeFileSync(path, JSON.stringify(left), { mode: 0o600 })
  let mirror = await start(there, { verb: 'mirror' })
  const { code } = mirror.pairing!
  const primary = await start(here)
  await add(primary, mirror.url, ...codeFile(code))
  expect(await mirrored(primary, 'a')).toBe('mirrored')
  const { id } = (await stateAt(primary))[0]!
  const theirs = JSON.parse(readFileSync(path, 'utf8')) as typeof left
  expect(Object.keys(theirs.keys)).not.toContain(side)
  expect(theirs.unused).toEqual([])
  const ours = () => {
    const { keys } = JSON.parse(readFileSync(join(here, 'pair-keys.json'), 'utf8')) as { keys: object }
    return Object.keys(keys)
  }
  expect(ours()).toEqual([id])
  expect((await runProcess('mirrors', 'rm', id, '--url', primary.url)).code).toBe(0)
  expect(ours()).toEqual([])
  await stop(mirror)
  mirror = await start(there, { verb: 'mirror' })
  expect(mirror.pairing).toBeNull()
  await stop(mirror)
  await stop(primary)
}, 60_000)
