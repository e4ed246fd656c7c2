/** A primary process that another one has replaced: it answers reads, refuses writes, and so does the next process. */
import { expect, test } from 'bun:test'
import { cpSync } from 'node:fs'
import { FileFolder } from '../../../src/blockdev/file-folder.ts'
import { SuperblockStore } from '../../../src/cp-engine/volume/superblock-store.ts'
import { blockFileName } from '../../../src/server/volume-folder.ts'
import { runProcess, serverProcesses } from '../processes.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const containing = (text: string): unknown => expect.stringContaining(text)
const start = serverProcesses()
const folder = temporaryFolders()
const free = ['--listen', '127.0.0.1:0'] as const

/** As if another primary had said hello. */
async function raiseEpoch(path: string): Promise<void> {
  const device = await (await FileFolder.make(path)).open(blockFileName)
  const store = await SuperblockStore.open(device)
  await store.write(({ epoch: { number } }) => ({ epoch: { number: number + 1, id: new Uint8Array(8) } }))
  await device.close()
}

test('reads go on, writes are refused, also after a restart without the mirror', async () => {
  const [here, there] = [folder(), folder()]
  const mirror = await start('mirror', '--data', there, ...free)
  const primary = await start('serve', '--data', here, ...free, '--mirror', mirror.url)
  const put = (url: string) => fetch(`${url}/v1/files/f`, { method: 'PUT', body: 'content' })
  expect((await put(`${primary.url}`)).status).toBe(201)
  const mirrored = await fetch(`${primary.url}/v1/files/g?durability=mirrored`, { method: 'PUT', body: 'x' })
  expect(mirrored.headers.get('Stillpoint-Durability')).toBe('mirrored')
  expect((await primary.end()).code).toBe(0)
  expect((await mirror.end()).code).toBe(0)
  await raiseEpoch(there)

  const raised = await start('mirror', '--data', there, ...free)
  const former = await start('serve', '--data', here, ...free, '--mirror', raised.url)
  const deadline = Date.now() + 10_000
  while ((await put(former.url)).ok && Date.now() < deadline) await Bun.sleep(10)
  await raised.end()
  const expectFenced = async (url: string) => {
    const taken = await fetch(`${url}/v1/cps`, { method: 'POST' })
    for (const answer of [await put(url), taken]) {
      expect(answer.status).toBe(503)
      expect(await answer.json()).toMatchObject({ code: 'fenced' })
    }
    expect(await (await fetch(`${url}/v1/files/f`)).text()).toBe('content')
    expect((await fetch(`${url}/v1/dirs?limit=1`)).status).toBe(200)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
  }
  await expectFenced(former.url)
  expect((await former.end()).code).toBe(0)
  const again = await start('serve', '--data', here, ...free)
  await expectFenced(again.url)
  const listed = await runProcess('mirrors', 'list', '--json', '--url', again.url)
  const { items } = JSON.parse(listed.out) as { items: { id: string }[] }
  expect(items.length).toBeGreaterThan(0)
  for (const { id } of items) expect((await runProcess('mirrors', 'rm', id, '--url', again.url)).code).toBe(0)
  expect(await (await fetch(`${again.url}/v1/mirrors`)).json()).toEqual({ items: [] })
  await expectFenced(again.url)
  const { code, err } = await again.end()
  expect(code).toBe(0)
  expect(err).toContain('another primary has taken over')
  expect(err).toContain('--accept-loss epoch')

  // The way out, once: it stays open without the flag, and has no mirrors.
  for (const flags of [['--accept-loss', 'epoch'], []]) {
    const freed = await start('serve', '--data', here, ...free, ...flags)
    expect((await put(freed.url)).ok).toBe(true)
    expect(await (await fetch(`${freed.url}/v1/mirrors`)).json()).toEqual({ items: [] })
    expect((await freed.end()).code).toBe(0)
  }
}, 30_000)

test('an old copy of a primary says so as soon as it meets its mirror, and what helps', async () => {
  const [here, there] = [folder(), folder()]
  const mirror = await start('mirror', '--data', there, ...free)
  const put = (url: string, path: string, query = '') =>
    fetch(`${url}/v1/files/${path}${query}`, { method: 'PUT', body: 'content' })
  const first = await start('serve', '--data', here, ...free, '--mirror', mirror.url)
  expect((await put(first.url, 'f', '?durability=mirrored')).status).toBe(201)
  expect((await first.end()).code).toBe(0)
  const copy = folder()
  cpSync(here, copy, { recursive: true })
  const second = await start('serve', '--data', here, ...free)
  const later = await put(second.url, 'g', '?durability=mirrored')
  expect(later.headers.get('Stillpoint-Durability')).toBe('mirrored')
  expect((await second.end()).code).toBe(0)

  const old = await start('serve', '--data', copy, ...free)
  const isFenced = async () => (await put(old.url, 'h')).status === 503
  const deadline = Date.now() + 10_000
  while (!(await isFenced()) && Date.now() < deadline) await Bun.sleep(10)
  const ready = await fetch(`${old.url}/readyz`)
  expect([ready.status, await ready.json()]).toEqual([
    200,
    { status: 'ok', fenced: containing('--accept-loss history') },
  ])
  const status = await runProcess('status', '--url', old.url)
  expect(status.code).toBe(0)
  expect(status.out).toContain('fenced: this volume is an older copy')
  expect(status.out).toContain('stalled')
  expect((await old.end()).err).toContain('older copy')
  expect(await (await fetch(`${mirror.url}/v1/files/g`)).text()).toBe('content')

  const again = await start('serve', '--data', copy, ...free, '--accept-loss', 'history')
  expect((await put(again.url, 'h')).ok).toBe(true)
  const own = async () => (await (await fetch(`${mirror.url}/v1/mirror`)).json()) as { state: string }
  while ((await own()).state !== 'stalled' && Date.now() < deadline + 10_000) await Bun.sleep(50)
  expect(await own()).toMatchObject({ state: 'stalled', needs: containing('empty its folder') })
  expect((await again.end()).code).toBe(0)
  expect((await runProcess('check', copy)).code).toBe(0)
}, 30_000)
