/** `--volume-bytes-max` on a volume that exists: a larger one raises it, whatever else is said later, and its mirror follows. */
import { expect, test } from 'bun:test'
import { serverProcesses } from '../processes.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const start = serverProcesses()
const folder = temporaryFolders()
const mebibyte = 2 ** 20

test('is raised, stays raised, and is never lowered', async () => {
  const [data, there] = [folder(), folder()]
  const mirror = await start('mirror', '--data', there, '--listen', '127.0.0.1:0')
  const serve = (...flags: string[]) =>
    start('serve', '--data', data, '--listen', '127.0.0.1:0', '--mirror', mirror.url, ...flags)
  const maxOf = async (url: string) =>
    Number(/^stillpoint_max_bytes (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1])
  const expectMirrored = async (url: string, name: string) => {
    const answer = await fetch(`${url}/v1/files/${name}?durability=mirrored`, { method: 'PUT', body: name })
    expect(answer.headers.get('Stillpoint-Durability')).toBe('mirrored')
    expect(await (await fetch(`${mirror.url}/v1/files/${name}`)).text()).toBe(name)
  }
  for (const [flags, bytes, isWarned] of [
    [['--volume-bytes-max', '512MiB'], 512 * mebibyte, false],
    [[], 512 * mebibyte, false],
    [['--volume-bytes-max', '2TiB'], 2 * mebibyte ** 2, false],
    [[], 2 * mebibyte ** 2, false],
    [['--volume-bytes-max', '256MiB'], 2 * mebibyte ** 2, true],
  ] as const) {
    const server = await serve(...flags)
    expect(await maxOf(server.url)).toBe(bytes)
    await expectMirrored(server.url, `f${bytes}`)
    const { code, err } = await server.end()
    expect(code).toBe(0)
    expect(err.includes('never lowered')).toBe(isWarned)
  }
}, 60_000)
