/** The real program over volumes of another program: one line, an exit code of its own, and not a byte changed. */
import { expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { FileFolder } from '../../../src/blockdev/file-folder.ts'
import { blockFileName } from '../../../src/server/volume-folder.ts'
import {
  allCopies,
  editRoot,
  editSuperblock,
  newestCopies,
  setWord,
} from '../../cp-engine/volume/later-program.ts'
import { runProcess, serverProcesses } from '../processes.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const start = serverProcesses()
const folder = temporaryFolders()
const free = ['--listen', '127.0.0.1:0'] as const

async function edited(path: string, edit: (device: Parameters<typeof editRoot>[0]) => Promise<void>) {
  const device = await (await FileFolder.make(path)).open(blockFileName)
  await edit(device)
  await device.close()
}

/** Of everything in the folder but the lock. */
const sumsOf = (path: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(path)
      .filter((name) => !name.includes('lock'))
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(path, name)))
          .digest('hex'),
      ]),
  )

async function volume(verb: 'serve' | 'mirror'): Promise<string> {
  const path = folder()
  const server = await start(
    verb,
    '--data',
    path,
    ...free,
    ...(verb === 'serve' ? ['--log-bytes', '2MiB'] : []),
  )
  if (verb === 'serve') await fetch(`${server.url}/v1/files/f`, { method: 'PUT', body: 'content' })
  expect((await server.end()).code).toBe(0)
  return path
}

for (const verb of ['serve', 'mirror'] as const)
  test(`${verb} and check refuse a volume with an unknown feature, and write nothing`, async () => {
    const path = await volume(verb)
    await edited(path, (device) => editSuperblock(device, [1, 1], setWord('superblock', 'incompat', 1)))
    const before = sumsOf(path)
    expect(Object.keys(before)).toContain(blockFileName)
    for (const flags of [
      [],
      ['--accept-loss', 'superblock', '--accept-loss', 'log', '--accept-loss', 'history'],
    ]) {
      const { code, err } = await runProcess(verb, '--data', path, ...free, ...flags)
      expect(code).toBe(3)
      expect(err.trim().split('\n')).toHaveLength(1)
      expect(err).toContain('newer-format')
      expect(err).not.toContain('accept-loss')
    }
    const check = await runProcess('check', path)
    expect(check.code).toBe(3)
    expect(check.out).toContain('newer-format: superblock')
    expect(check.err).not.toContain('invariant')
    expect(sumsOf(path)).toEqual(before)
  }, 30_000)

test('a volume that may only be read is checked, and not served', async () => {
  const path = await volume('serve')
  await edited(path, async (device) =>
    editRoot(device, await newestCopies(device), setWord('root', 'readOnlyCompat', 1)),
  )
  const before = sumsOf(path)
  expect(await runProcess('serve', '--data', path, ...free)).toMatchObject({ code: 3 })
  expect(await runProcess('check', path)).toMatchObject({ code: 0 })
  expect(sumsOf(path)).toEqual(before)
}, 30_000)

test('a volume of before version 1 of the format is refused by name', async () => {
  const path = await volume('serve')
  await edited(path, async (device) => {
    for (const copy of allCopies) await editSuperblock(device, copy, setWord('superblock', 'format', 0))
  })
  const before = sumsOf(path)
  const { code, err } = await runProcess('serve', '--data', path, ...free)
  expect(code).toBe(1)
  expect(err.trim().split('\n')).toHaveLength(1)
  expect(err).toContain('before version 1 of the format')
  const check = await runProcess('check', path)
  expect(check).toMatchObject({ code: 1 })
  expect(check.out).toContain('older-format')
  expect(sumsOf(path)).toEqual(before)
}, 30_000)
