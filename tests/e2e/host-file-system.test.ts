/**
 * The host's file system is part of the device: full, read-only, failing, or copying on write. What can still be served
 * is served, a sentence says why the rest is not, and no signal ends the process.
 */
import { describe, expect, test } from 'bun:test'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkVolume, queryCatalog, run } from '../../tools/live/command.ts'
import { type DiskKind, diskProblem, LoopDisk } from '../../tools/live/loop-disk.ts'
import type { ServerProcess } from '../../tools/live/server-process.ts'
import { becomes, live, put, testMsMax } from './live.ts'

const { server, folder } = live()
const servers: ServerProcess[] = []
const problems = { ext4: await diskProblem('ext4'), btrfs: await diskProblem('btrfs') }
const mebibyte = 2 ** 20
const flags = ['--volume-bytes-max', '1GiB', '--log-bytes', '8MiB', '--queue-bytes-max', '16MiB']

function onDisk(name: string, kind: DiskKind, body: (disk: LoopDisk, place: string) => Promise<void>): void {
  const problem = problems[kind]
  test.skipIf(problem !== null)(
    `${kind}: ${name}${problem === null ? '' : ` (${problem})`}`,
    async () => {
      const place = folder()
      const disk = await LoopDisk.make(place, kind, (kind === 'ext4' ? 256 : 320) * mebibyte)
      try {
        await body(disk, place)
      } finally {
        for (const running of servers.splice(0)) await running.kill()
        await disk.remove()
      }
    },
    testMsMax,
  )
}

function serve(data: string, place: string, verb: 'serve' | 'mirror' = 'serve'): ServerProcess {
  const logPath = join(place, `${verb}.log`)
  const made = server({ verb, data, logPath, flags: verb === 'serve' ? flags : [] })
  servers.push(made)
  return made
}

const content = new Uint8Array(100_000)
crypto.getRandomValues(content.subarray(0, 65_536))

function contentOf(i: number): Uint8Array<ArrayBuffer> {
  const own = content.slice()
  new DataView(own.buffer).setUint32(0, i)
  return own
}

/** How often each status was answered, until one is no success or the server has gone (0). */
async function fillVolume(url: string): Promise<{ files: number; last: number }> {
  let files = 0
  let last = 201
  const client = async () => {
    while (last < 300 && last > 0) {
      const i = files++
      const path = `${url}/v1/files/d${i % 50}/f${i}?durability=buffered`
      const response = await fetch(path, { method: 'PUT', body: contentOf(i) }).catch(() => null)
      const status = response?.status ?? 0
      await response?.arrayBuffer().catch(() => null)
      if (status >= 300 || status === 0) last = status
    }
  }
  await Promise.all(Array.from({ length: 8 }, client))
  return { files, last }
}

async function emptyVolume(url: string): Promise<void> {
  for (let i = 0; i < 50; i++) {
    const response = await fetch(`${url}/v1/dirs/d${i}?recursive=true`, { method: 'DELETE' })
    expect(response.status).toBe(204)
  }
}

const readyOf = async (url: string) => (await (await fetch(`${url}/readyz`)).json()) as { fenced?: string }
const textOf = async (url: string, path: string) => (await fetch(`${url}/v1/files/${path}`)).text()

/** One sentence, no stack. */
function expectSaid(log: string, what: RegExp): void {
  expect(log).toMatch(what)
  expect(log).not.toContain('internal error')
}

describe('copy-on-write', () => {
  onDisk('files until 507, deletes, and again: what is called free is free', 'btrfs', async (disk, place) => {
    const primary = await serve(join(disk.path, 'volume'), place).start()
    for (let round = 0; round < 2; round++) {
      const { files, last } = await fillVolume(primary.url)
      expect(last).toBe(507)
      expect(files).toBeGreaterThan(500)
      await emptyVolume(primary.url)
      const takesAgain = async () =>
        (await fetch(`${primary.url}/v1/files/again`, { method: 'PUT', body: content })).ok
      expect(await becomes(takesAgain, 20_000)).toBeTrue()
    }
    expect(primary.log).not.toContain('copied on write')
    const { out } = await run(['lsattr', '-d', join(disk.path, 'volume', 'volume.blk')])
    expect(out.split(' ')[0]).toContain('C')
    expect(await primary.stop()).toBe(0)
    await checkVolume(primary.data)
  })

  onDisk(
    'a block file that is copied: it says so, and a full disk is exit 70, not a signal',
    'btrfs',
    async (disk, place) => {
      const source = await serve(join(place, 'volume'), place).start()
      await put(source.url, 'kept', 'kept', '?durability=committed')
      expect(await source.stop()).toBe(0)
      // As an operator moves a volume: into a folder that was there.
      const data = join(disk.path, 'volume')
      mkdirSync(data)
      copyFileSync(join(source.data, 'volume.blk'), join(data, 'volume.blk'))
      const primary = await serve(data, place).start()
      expectSaid(primary.log, /copied on write \(btrfs\)/)
      await fillVolume(primary.url)
      const free = await disk.fill()
      for (let i = 0; primary.isRunning && i < 200; i++)
        await fetch(`${primary.url}/v1/files/over?durability=committed`, {
          method: 'PUT',
          body: contentOf(i),
        }).catch(() => null)
      expect(await primary.ended()).toEqual({ code: 70, signal: null })
      // Not everything that an open writes finds space either: then it reads.
      await primary.start()
      expect(await textOf(primary.url, 'kept')).toBe('kept')
      await primary.kill()
      await free()
      await primary.start()
      expect(await readyOf(primary.url)).toEqual({ status: 'ok' } as object)
      expect(await textOf(primary.url, 'kept')).toBe('kept')
      expect(await primary.stop()).toBe(0)
      await checkVolume(data)
    },
  )
})

describe('somebody else fills the disk between two starts', () => {
  for (const kind of ['ext4', 'btrfs'] as const)
    onDisk('it is served, and says that the catalog waits', kind, async (disk, place) => {
      const primary = await serve(join(disk.path, 'volume'), place).start()
      await put(primary.url, 'kept', 'kept')
      expect(await primary.stop()).toBe(0)
      const free = await disk.fill()
      await primary.start()
      expect(await textOf(primary.url, 'kept')).toBe('kept')
      expect((await fetch(`${primary.url}/v1/cps`)).status).toBe(200)
      expect((await fetch(`${primary.url}/v1/stat/kept?at=2100-01-01T00:00:00Z`)).status).toBe(200)
      // The block file has space of its own.
      const { cp } = await put(primary.url, 'more', 'more', '?durability=committed')
      expect((await fetch(`${primary.url}/v1/cps`)).status).toBe(200)
      expectSaid(primary.log, /the catalog cannot be used now/)
      await free()
      expect(await primary.stop()).toBe(0)
      await primary.start()
      expect(await textOf(primary.url, 'more')).toBe('more')
      expect((await fetch(`${primary.url}/v1/cps/${cp}`)).status).toBe(200)
      expect(await primary.stop()).toBe(0)
      await checkVolume(primary.data)
    })
})

describe('a file system that is read-only', () => {
  onDisk(
    'both sides serve reads, refuse the rest with the reason, and go on when it is writable',
    'ext4',
    async (disk, place) => {
      const mirror = await serve(join(disk.path, 'mirror'), place, 'mirror').start()
      const primary = server({
        verb: 'serve',
        data: join(disk.path, 'primary'),
        logPath: join(place, 'serve.log'),
        flags,
        mirrors: [mirror.url],
      })
      servers.push(primary)
      await primary.start()
      await put(primary.url, 'kept', 'kept', '?durability=mirrored&wait=30')
      await put(primary.url, 'logged', 'only in the log', '?durability=logged')
      await primary.kill()
      expect(await mirror.stop()).toBe(0)
      await disk.remount('ro')

      await mirror.start()
      await primary.start()
      for (const { url } of [primary, mirror]) {
        expect(await textOf(url, 'kept')).toBe('kept')
        expect((await readyOf(url)).fenced).toMatch(/EROFS.*only reads are served/)
        expect((await fetch(`${url}/v1/cps`)).status).toBe(200)
        expect((await fetch(`${url}/v1/dirs?limit=10`)).status).toBe(200)
      }
      const refused = await fetch(`${primary.url}/v1/files/new`, { method: 'PUT', body: 'x' })
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'fenced'])
      expect((await fetch(`${primary.url}/v1/cps`, { method: 'POST' })).status).toBe(503)
      const members = (await (await fetch(`${primary.url}/v1/mirrors`)).json()) as {
        items: { url: string }[]
      }
      expect(members.items.map(({ url }) => url)).toEqual([mirror.url])
      const self = (await (await fetch(`${mirror.url}/v1/mirror`)).json()) as { state: string }
      expect(self.state).toBe('stalled')
      expectSaid(primary.log, /EROFS.*acknowledged operations after consistency point \d+ are in the log/)
      expect(await primary.stop()).toBe(0)
      expect(await mirror.stop()).toBe(0)
      await checkVolume(mirror.data)

      await disk.remount('rw')
      await mirror.start()
      await primary.start()
      expect(await textOf(primary.url, 'logged')).toBe('only in the log')
      const written = await put(primary.url, 'new', 'x', '?durability=mirrored&wait=30')
      expect(written.durability).toBe('mirrored')
      expect(await primary.stop()).toBe(0)
      expect(await mirror.stop()).toBe(0)
      await checkVolume(primary.data)
    },
  )

  onDisk(
    'it turns read-only while the server runs: exit 70, and nothing acknowledged is lost',
    'ext4',
    async (disk, place) => {
      const primary = await serve(join(disk.path, 'volume'), place).start()
      await put(primary.url, 'kept', 'kept', '?durability=committed')
      await put(primary.url, 'logged', 'logged', '?durability=logged')
      await disk.remount('abort')
      let acknowledged = 0
      for (let i = 0; primary.isRunning && i < 100; i++) {
        const body = contentOf(i)
        const answer = await fetch(`${primary.url}/v1/files/f${i}?durability=committed`, {
          method: 'PUT',
          body,
        }).catch(() => null)
        if (answer?.ok) acknowledged = i + 1
      }
      expect(await primary.ended()).toEqual({ code: 70, signal: null })
      await disk.unmount()
      await disk.mount()
      await primary.start()
      for (const path of ['kept', 'logged']) expect(await textOf(primary.url, path)).toBe(path)
      for (let i = 0; i < acknowledged; i++)
        expect((await fetch(`${primary.url}/v1/stat/f${i}`)).status).toBe(200)
      expect(await primary.stop()).toBe(0)
      await checkVolume(primary.data)
    },
  )
})

test(
  'a folder in place of the catalog, of the lock, and garbage over the catalog of a running server',
  async () => {
    const place = folder()
    const data = join(place, 'volume')
    mkdirSync(join(data, 'catalog.db', 'x'), { recursive: true })
    mkdirSync(join(data, 'lock'))
    const primary = await serve(data, place).start()
    await put(primary.url, 'a', 'a', '?durability=committed')
    expect((await fetch(`${primary.url}/v1/cps`)).status).toBe(200)
    expectSaid(primary.log, /the catalog cannot be used now/)
    expect(await primary.stop()).toBe(0)

    const other = await serve(join(place, 'other'), place).start()
    const { cp } = await put(other.url, 'a', 'a', '?durability=committed')
    writeFileSync(join(other.data, 'catalog.db'), new Uint8Array(300_000).fill(0x67))
    writeFileSync(join(other.data, 'catalog.db-journal'), new Uint8Array(300_000).fill(0x67))
    for (let i = 0; i < 3; i++) {
      await put(other.url, 'a', `${i}`, '?durability=committed')
      for (const path of ['/v1/cps', `/v1/cps/${cp}`, '/v1/stat/a?at=2100-01-01T00:00:00Z'])
        expect({ path, status: (await fetch(other.url + path)).status }).toEqual({ path, status: 200 })
    }
    expect(await other.stop()).toBe(0)
    await other.start()
    expect((await fetch(`${other.url}/v1/cps`)).status).toBe(200)
    // A query reads the file beside its server.
    expect(await queryCatalog(other.data, 'SELECT count(*) > 0 AS n FROM cps')).toEqual([{ n: 1 }])
    expect(await other.stop()).toBe(0)
  },
  testMsMax,
)

test(
  'log lines that no disk takes end nothing',
  async () => {
    const data = join(folder(), 'volume')
    const primary = server({
      verb: 'serve',
      data,
      wrapper: ['bash', '-c', 'exec "$@" 2>/dev/full', 'full'],
      flags: [...flags, '--log-level', 'debug'],
    })
    servers.push(primary)
    mkdirSync(join(data, 'catalog.db'), { recursive: true })
    await primary.start()
    for (let i = 0; i < 20; i++) await put(primary.url, `f${i}`, 'x', '?durability=committed')
    expect(await primary.stop()).toBe(0)
    await checkVolume(data)
  },
  testMsMax,
)
