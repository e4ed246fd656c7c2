/** The second reader as a program, on the folder of a server that was killed. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { serverProcesses } from '../cli/processes.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'

const start = serverProcesses()
const folder = temporaryFolders()
const main = join(import.meta.dir, '../../tools/reader/main.ts')

async function reader(...args: string[]): Promise<{ code: number; lines: Record<string, unknown>[] }> {
  const child = Bun.spawn([process.execPath, main, ...args], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const out = await child.stdout.text()
  const lines = out.split('\n').filter((line) => line !== '')
  return { code: await child.exited, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

test('what a killed server has acknowledged is listed and extracted from its folder', async () => {
  const data = join(folder(), 'data')
  const { url, end } = await start('serve', '--data', data, '--listen', '127.0.0.1:0')
  const large = Buffer.alloc(300_000, 'Stillpoint ')
  const files = { 'a/b': Buffer.from('one'), 'a/large': large, z: Buffer.alloc(0) }
  for (const [path, body] of Object.entries(files)) {
    const query = '?durability=logged'
    expect((await fetch(`${url}/v1/files/${path}${query}`, { method: 'PUT', body })).status).toBe(201)
  }
  await end('SIGKILL')
  const volume = join(data, 'volume.blk')
  const listed = await reader('list', volume, '--log')
  const shown = listed.lines.filter(({ kind }) => kind === 'file')
  expect(shown.map(({ path, size }) => [path, size])).toEqual(
    Object.entries(files).map(([path, body]) => [path, body.length]),
  )
  const checked = await reader('check', volume, '--log')
  expect(checked.lines.filter(({ severity }) => severity === 'error')).toEqual([])
  expect(checked.code).toBe(0)
  const to = folder()
  expect((await reader('extract', volume, to, '--log')).code).toBe(0)
  for (const [path, body] of Object.entries(files))
    expect(readFileSync(join(to, path)).equals(body)).toBe(true)
}, 30_000)
