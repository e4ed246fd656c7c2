/**
 * A mirror on a file system with little room, on the real program: it needs what its image needs, says what is lacking,
 * follows again by itself, and survives with its primary on a disk of the same size being filled and emptied. And a file
 * of zeros takes no room at all.
 */
import { expect, test } from 'bun:test'
import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkVolume, run } from '../../tools/live/command.ts'
import type { ServerProcess } from '../../tools/live/server-process.ts'
import { powerProblem } from '../../tools/torture/ground.ts'
import { becomes, isFull, live, put, testMsMax } from './live.ts'

const { server, folder } = live()
const mebibyte = 2 ** 20
const rounds = isFull ? 10 : 2

async function onSmallDisks(
  sizes: readonly number[],
  work: (mountPoints: readonly string[], place: string) => Promise<void>,
): Promise<void> {
  const place = folder()
  const mounted: string[] = []
  try {
    for (const [i, mebibytes] of sizes.entries()) {
      const image = join(place, `disk-${i}.ext4`)
      const mountPoint = join(place, `mnt-${i}`)
      mkdirSync(mountPoint)
      writeFileSync(image, '')
      truncateSync(image, mebibytes * mebibyte)
      expect(await run(['mkfs.ext4', '-q', '-F', image])).toMatchObject({ code: 0 })
      expect(await run(['mount', '-o', 'loop', image, mountPoint])).toMatchObject({ code: 0 })
      mounted.push(mountPoint)
    }
    await work(mounted, place)
  } finally {
    for (const mountPoint of mounted) expect(await run(['umount', mountPoint])).toMatchObject({ code: 0 })
  }
}

const content = (fill: number): Uint8Array<ArrayBuffer> => new Uint8Array(4 * mebibyte).fill(1 + (fill % 250))

interface Info {
  readonly state: string
  readonly needs: string | null
}

async function infoOf(primary: ServerProcess): Promise<Info> {
  const answer = (await (await fetch(`${primary.url}/v1/mirrors`)).json()) as { items: Info[] }
  return answer.items[0]!
}

const shows = async (mirror: ServerProcess, path: string, text: string): Promise<boolean> => {
  const answer = await fetch(`${mirror.url}/v1/files/${path}`).catch(() => null)
  return answer !== null && answer.ok && (await answer.text()) === text
}

async function removeAll(primary: ServerProcess): Promise<void> {
  const { status } = await fetch(`${primary.url}/v1/dirs/fill?recursive=true`, { method: 'DELETE' })
  expect(status).toBe(204)
}

const problem = await powerProblem()
const onLoop = problem === null ? '' : ` (${problem})`

test.skipIf(problem !== null)(
  `a mirror whose disk is full is stalled, shows its image, and follows when what did not fit is deleted${onLoop}`,
  () =>
    onSmallDisks([200], async ([disk], place) => {
      const mirror = server({ verb: 'mirror', data: join(disk!, 'm'), logPath: join(place, 'mirror.log') })
      await mirror.start()
      const primary = server({ verb: 'serve', data: join(place, 'p'), mirrors: [mirror.url] })
      try {
        await primary.start()
        await put(primary.url, 'small', 'before', '?durability=mirrored')
        // What nobody has written takes no room.
        expect(statSync(join(disk!, 'm', 'volume.blk')).blocks * 512).toBeLessThan(4 * mebibyte)
        for (let i = 0; i < 60; i++) await put(primary.url, `fill/f${i}`, content(i))
        await put(primary.url, 'small', 'full', '?durability=committed')
        expect(await becomes(async () => (await infoOf(primary)).state === 'stalled', 30_000)).toBeTrue()
        // What it says first may be of the few writes that came live.
        const lacking = async () =>
          Number(/^(\d+) bytes of space$/.exec((await infoOf(primary)).needs ?? '')?.[1])
        expect(await becomes(async () => (await lacking()) > mebibyte, 30_000)).toBeTrue()
        expect(await shows(mirror, 'small', 'before')).toBeTrue()
        // Also after it has ended in between.
        await mirror.kill()
        await mirror.start()
        expect(await shows(mirror, 'small', 'before')).toBeTrue()
        await removeAll(primary)
        await put(primary.url, 'small', 'after', '?durability=committed')
        expect(await becomes(() => shows(mirror, 'small', 'after'), 40_000)).toBeTrue()
        expect(await mirror.stop()).toBe(0)
        await checkVolume(mirror.data)
      } finally {
        await primary.kill()
        await mirror.kill()
      }
    }),
  testMsMax,
)

test.skipIf(problem !== null)(
  `a new mirror on a disk that is smaller than its primary once was${onLoop}`,
  () =>
    onSmallDisks([200], async ([disk], place) => {
      const primary = server({ verb: 'serve', data: join(place, 'p') })
      const mirror = server({ verb: 'mirror', data: join(disk!, 'm'), logPath: join(place, 'mirror.log') })
      try {
        await primary.start()
        for (let i = 0; i < 75; i++) await put(primary.url, `fill/f${i}`, content(i))
        await put(primary.url, 'small', 'kept', '?durability=committed')
        await removeAll(primary)
        await put(primary.url, 'other', 'x', '?durability=committed')
        await mirror.start()
        expect(statSync(join(primary.data, 'volume.blk')).size).toBeGreaterThan(300 * mebibyte)
        const added = await fetch(`${primary.url}/v1/mirrors`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ url: mirror.url }),
        })
        expect(added.ok).toBeTrue()
        expect(await becomes(() => shows(mirror, 'small', 'kept'), 40_000)).toBeTrue()
      } finally {
        await primary.kill()
        await mirror.kill()
      }
    }),
  testMsMax,
)

test.skipIf(problem !== null)(
  `a primary and its mirror on disks of one size, filled and emptied ${rounds} times${onLoop}`,
  () =>
    onSmallDisks([256, 256], async ([one, other], place) => {
      const mirror = server({ verb: 'mirror', data: join(other!, 'm'), logPath: join(place, 'mirror.log') })
      await mirror.start()
      const logPath = join(place, 'primary.log')
      const primary = server({ verb: 'serve', data: join(one!, 'p'), logPath, mirrors: [mirror.url] })
      try {
        await primary.start()
        for (let round = 0; round < rounds; round++) {
          let files = 0
          for (; files < 200; files++) {
            const answer = await fetch(`${primary.url}/v1/files/fill/f${files}`, {
              method: 'PUT',
              body: content(round * 7 + files),
            })
            await answer.arrayBuffer()
            if (answer.status === 507) break
            expect(answer.ok).toBeTrue()
          }
          expect(files).toBeGreaterThan(10)
          expect(await becomes(async () => (await infoOf(primary)).state === 'live', 30_000)).toBeTrue()
          await removeAll(primary)
          const isWritten = async () => {
            const answer = await fetch(`${primary.url}/v1/files/round`, { method: 'PUT', body: `${round}` })
            return answer.ok
          }
          expect(await becomes(isWritten, 30_000)).toBeTrue()
          expect(await becomes(() => shows(mirror, 'round', `${round}`), 40_000)).toBeTrue()
        }
        for (const each of [primary, mirror]) {
          expect(await each.stop()).toBe(0)
          await checkVolume(each.data)
        }
      } finally {
        await primary.kill()
        await mirror.kill()
      }
    }),
  testMsMax,
)

test(
  'a sparse file of a gibibyte takes what is in it, on both sides',
  async () => {
    const place = folder()
    const mirror = await server({ verb: 'mirror', data: join(place, 'm') }).start()
    const primary = server({ verb: 'serve', data: join(place, 'p'), mirrors: [mirror.url] })
    await primary.start()
    await put(primary.url, 'first', 'x', '?durability=mirrored')
    const taken = (each: ServerProcess) => statSync(join(each.data, 'volume.blk')).blocks * 512
    const before = [taken(primary), taken(mirror)]
    const some = crypto.getRandomValues(new Uint8Array(65_536))
    const zeros = new Uint8Array(mebibyte)
    const body = (async function* () {
      yield some
      yield zeros.subarray(some.length)
      for (let i = 1; i < 1024; i++) yield zeros
    })()
    const answer = await fetch(`${primary.url}/v1/files/image?durability=mirrored`, { method: 'PUT', body })
    expect(answer.ok).toBeTrue()
    expect(((await answer.json()) as { size: number }).size).toBe(2 ** 30)
    expect(taken(primary) - before[0]!).toBeLessThan(2 * mebibyte)
    expect(taken(mirror) - before[1]!).toBeLessThan(2 * mebibyte)
    for (const { url } of [primary, mirror]) {
      const read = await fetch(`${url}/v1/files/image`, { headers: { range: 'bytes=65000-66999' } })
      const expected = new Uint8Array(2000)
      expected.set(some.subarray(65_000))
      expect(Buffer.compare(await read.bytes(), expected)).toBe(0)
    }
  },
  testMsMax,
)
