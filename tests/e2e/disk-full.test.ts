/**
 * A full disk is a state, not an end: refusals say so, nothing acknowledged is lost, what is deleted makes room again,
 * however often. Once with the limit of the volume, and once with a file system that is really full.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { checkVolume } from '../../tools/live/command.ts'
import type { ServerProcess } from '../../tools/live/server-process.ts'
import { diskProblem, LoopDisk } from '../../tools/live/loop-disk.ts'
import { becomes, isFull, live, put, testMsMax } from './live.ts'

const { server, folder } = live()
const rounds = isFull ? 20 : 3
const bytes = new Uint8Array(4 * 2 ** 20)

function content(round: number, i: number): Uint8Array<ArrayBuffer> {
  const own = bytes.slice()
  for (let at = 0; at < own.length; at += 4096) new DataView(own.buffer).setUint32(at, 1 + round * 1000 + i)
  return own
}

/** Null when it was taken. */
async function refusal(
  url: string,
  round: number,
  i: number,
): Promise<{ status: number; code: string } | null> {
  const level = i % 3 === 0 ? 'committed' : 'logged'
  const response = await fetch(`${url}/v1/files/fill/f${i}?durability=${level}`, {
    method: 'PUT',
    body: content(round, i),
  })
  const answer = (await response.json()) as { code: string }
  return response.ok ? null : { status: response.status, code: answer.code }
}

async function fillAndEmpty(primary: ServerProcess, round: number): Promise<void> {
  const { url } = primary
  let files = 0
  for (; files < 1000; files++) {
    const refused = await refusal(url, round, files)
    if (!refused) continue
    expect(refused).toEqual({ status: 507, code: 'disk-full' })
    break
  }
  expect(files).toBeGreaterThan(10)
  // Full, and everything is still there.
  for (const i of [0, files - 1]) {
    const read = await (await fetch(`${url}/v1/files/fill/f${i}`)).bytes()
    expect(Buffer.compare(read, content(round, i))).toBe(0)
  }
  expect((await fetch(`${url}/v1/files/fill/f${files}`)).status).toBe(404)
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  if (round % 2 === 1) {
    expect(await primary.stop()).toBe(0)
    await checkVolume(primary.data)
    await primary.start()
  }
  const deleted = await fetch(`${url}/v1/dirs/fill?recursive=true`, { method: 'DELETE' })
  expect(deleted.status).toBe(204)
  const isFree = async () => (await refusal(url, round, 0)) === null
  expect(await becomes(isFree, 20_000)).toBeTrue()
}

async function fillAgainAndAgain(primary: ServerProcess): Promise<void> {
  await put(primary.url, 'kept', 'kept')
  for (let round = 0; round < rounds; round++) await fillAndEmpty(primary, round)
  expect(await (await fetch(`${primary.url}/v1/files/kept`)).text()).toBe('kept')
  expect(await primary.stop()).toBe(0)
  await checkVolume(primary.data)
}

test(
  `a volume that has reached its limit, ${rounds} times`,
  async () => {
    const flags = ['--volume-bytes-max', '256MiB', '--log-bytes', '8MiB', '--queue-bytes-max', '16MiB']
    await fillAgainAndAgain(await server({ verb: 'serve', data: join(folder(), 'volume'), flags }).start())
  },
  testMsMax,
)

const problem = await diskProblem('ext4')

test.skipIf(problem !== null)(
  `a file system that is full, ${rounds} times${problem === null ? '' : ` (${problem})`}`,
  async () => {
    const place = folder()
    const disk = await LoopDisk.make(place, 'ext4', 384 * 2 ** 20)
    const primary = server({ verb: 'serve', data: join(disk.path, 'volume'), logPath: join(place, 'log') })
    try {
      await primary.start()
      await fillAgainAndAgain(primary)
    } finally {
      await primary.kill()
      await disk.remove()
    }
  },
  testMsMax,
)
