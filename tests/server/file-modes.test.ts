/** Files of a volume are for their owner alone, whatever the umask of the process and the modes of before. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { served } from './served.ts'

const { folder, start, stop } = served()
const modeOf = (path: string): string => (lstatSync(path).mode & 0o777).toString(8)

/** Files that others may use, and folders that others may enter. */
function openTo(place: string): string[] {
  const found: string[] = []
  for (const entry of readdirSync(place, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const wanted = entry.isDirectory() ? '700' : '600'
    if (modeOf(path) !== wanted) found.push(`${path}: ${modeOf(path)}`)
  }
  return found
}

/** A made-up machine where every file is born open to all. */
let umaskBefore = 0
beforeAll(() => void (umaskBefore = process.umask(0)))
afterAll(() => void process.umask(umaskBefore))

describe('with a umask that forbids nothing', () => {
  test('a primary and a mirror make files for their owner alone, while they run and afterwards', async () => {
    const place = folder()
    const [here, there] = [join(place, 'made/here'), join(place, 'there')]
    const mirror = await start(there, { verb: 'mirror' })
    const primary = await start(here, { mirrors: [mirror.url] })
    const answer = await fetch(`${primary.url}/v1/files/a?durability=mirrored`, { method: 'PUT', body: 'a' })
    expect(answer.status).toBe(201)
    await (await fetch(`${primary.url}/v1/cps`)).text()
    await (await fetch(`${mirror.url}/v1/cps`)).text()
    expect(readdirSync(here)).toContain('catalog.db-journal')
    expect(openTo(place)).toEqual([])
    await stop(primary)
    await stop(mirror)
    expect(openTo(place)).toEqual([])
  })

  test('a catalog that is set aside, and the one that takes its place', async () => {
    const data = folder()
    await stop(await start(data))
    writeFileSync(join(data, 'catalog.db'), 'no catalog at all, and long enough to be looked at'.repeat(100))
    await stop(await start(data))
    expect(readdirSync(data)).toContain('catalog.db.corrupt')
    expect(openTo(data)).toEqual([])
  })

  test('files that others could use belong to their owner alone once a server has opened the volume', async () => {
    const data = folder()
    await stop(await start(data))
    const names = readdirSync(data)
    expect(names).toContain('catalog.db')
    for (const name of names) chmodSync(join(data, name), 0o666)
    const server = await start(data)
    expect(openTo(data)).toEqual([])
    await stop(server)
  })

  test('a file that is no volume keeps its mode', async () => {
    const data = folder()
    writeFileSync(join(data, 'volume.blk'), new Uint8Array(2 ** 20), { mode: 0o644 })
    await expect(start(data)).rejects.toThrow('this is not a volume')
    expect(modeOf(join(data, 'volume.blk'))).toBe('644')
  })

  test('a folder that was there, and files of others in it, keep their modes', async () => {
    const data = join(folder(), 'data')
    mkdirSync(data, { mode: 0o755 })
    writeFileSync(join(data, 'notes'), 'of the operator', { mode: 0o644 })
    await stop(await start(data))
    expect([modeOf(data), modeOf(join(data, 'notes'))]).toEqual(['755', '644'])
  })
})

test('a link in the place of a file is not followed to what it names', async () => {
  const data = folder()
  const elsewhere = join(mkdtempSync(join(tmpdir(), 'stillpoint-modes-')), 'file')
  writeFileSync(elsewhere, '', { mode: 0o644 })
  try {
    await stop(await start(data))
    const { symlinkSync } = await import('node:fs')
    rmSync(join(data, 'lock'))
    symlinkSync(elsewhere, join(data, 'lock'))
    await stop(await start(data))
    expect(statSync(elsewhere).mode & 0o777).toBe(0o644)
  } finally {
    rmSync(join(elsewhere, '..'), { recursive: true })
  }
})
