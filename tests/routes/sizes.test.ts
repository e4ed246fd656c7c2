/** What the door promises for one size, body, digest, range or patch holds for all of them: the table is in `sizes.ts`. */
import { describe, expect, test } from 'bun:test'
import { zstd } from '../../src/cp-engine/records/payloads.ts'
import type { App } from '../../src/routes/app.ts'
import { bytesOf } from '../fs/volume.ts'
import { RealApp } from './real-app.ts'
import {
  type Way,
  bodyOf,
  digests,
  largeStreamBytes,
  patchLengths,
  patchOffsets,
  rangesOf,
  sizes,
  ways,
} from './sizes.ts'

type Bytes = Uint8Array<ArrayBuffer>

const volumes = {
  'raw records with xxh3': { recordChecksum: 'xxh3' },
  'zstd records with sha256': { recordChecksum: 'sha256', packing: zstd },
} as const
const mebibytes = 192

/** One in three is what zstd makes shorter. */
const content = (size: number, seed = 0): Bytes => Uint8Array.from(bytesOf(size, size + seed))
const nameOf = (size: number, way: Way): string => `${size}, ${way.name}`
const pathOf = (name: string): string => `/v1/files/${encodeURIComponent(name)}`
const contentType = 'text/x-of-its-own; charset=utf-8'

const codeOf = async (answer: Response): Promise<string | null> =>
  answer.ok ? null : ((await answer.json()) as { code: string }).code

/** As a whole: a difference in a megabyte is nothing to print. */
async function expectBytes(answer: Response, bytes: Uint8Array, where: string): Promise<void> {
  const found = new Uint8Array(await answer.arrayBuffer())
  if (Buffer.compare(found, bytes) !== 0) throw new Error(`${where}: ${found.length} wrong bytes`)
}

async function expectFile(app: RealApp, path: string, bytes: Uint8Array): Promise<string> {
  const answer = await app.ask({ method: 'GET', path })
  expect({ path, status: answer.status }).toEqual({ path, status: 200 })
  await expectBytes(answer, bytes, path)
  return answer.headers.get('ETag')!
}

const expectNone = async (app: RealApp, path: string): Promise<void> => {
  expect({ path, status: (await app.ask({ method: 'HEAD', path })).status }).toEqual({ path, status: 404 })
}

interface Written {
  readonly path: string
  readonly bytes: Bytes
  readonly etag: string
}

async function putAll(app: RealApp): Promise<Written[]> {
  const written: Written[] = []
  for (const [size, way] of [...sizes, largeStreamBytes].flatMap((each) =>
    ways.map((w) => [each, w] as const),
  )) {
    if (size === largeStreamBytes && way.chunkBytes === 0) continue
    const bytes = content(size)
    const path = pathOf(nameOf(size, way))
    const { headers, ...body } = bodyOf(bytes, way)
    const ask = { method: 'PUT', path, ...body, headers: { ...headers, 'Content-Type': contentType } }
    const answer = await app.ask(ask)
    expect({ path, status: answer.status }).toEqual({ path, status: 201 })
    written.push({ path, bytes, etag: answer.headers.get('ETag')! })
  }
  return written
}

/** Every way to ask for a part of one file, at one door. */
async function readAllOf(door: (request: Request) => Promise<Response>, query: string, file: Written) {
  const { bytes, etag } = file
  const size = bytes.length
  const url = `http://test${file.path}${query}`
  const ask = (headers: Record<string, string>, method = 'GET') => door(new Request(url, { method, headers }))
  const where = (what: string) => `${url} ${what}`

  const whole = await ask({})
  await expectBytes(whole, bytes, where('whole'))
  const head = await ask({}, 'HEAD')
  for (const answer of [whole, head]) {
    const { status, headers } = answer
    const seen = [headers.get('ETag'), headers.get('Content-Type'), headers.get('Accept-Ranges')]
    expect([status, ...seen]).toEqual([200, etag, contentType, 'bytes'])
  }
  expect(head.headers.get('Content-Length')).toBe(String(size))
  for (const name of ['Last-Modified', 'Stillpoint-Modified', 'Stillpoint-Mode', 'Stillpoint-CP'])
    expect(head.headers.get(name)).toBe(whole.headers.get(name))

  for (const { header, part } of rangesOf(size)) {
    const answer = await ask({ Range: header })
    const range = part && `bytes ${part[0]}-${part[1] - 1}/${size}`
    expect([where(header), answer.status, answer.headers.get('Content-Range')]).toEqual([
      where(header),
      part ? 206 : 416,
      range ?? `bytes */${size}`,
    ])
    if (part) await expectBytes(answer, bytes.subarray(...part), where(header))
  }

  for (const method of ['GET', 'HEAD']) {
    const statusOf = async (headers: Record<string, string>) => {
      const answer = await ask(headers, method)
      await answer.body?.cancel()
      return answer.status
    }
    expect(await statusOf({ 'If-None-Match': etag })).toBe(304)
    expect(await statusOf({ 'If-None-Match': '"other"' })).toBe(200)
    expect(await statusOf({ 'If-Match': '"other"' })).toBe(412)
    expect(await statusOf({ 'If-Match': etag })).toBe(200)
    expect(await statusOf({ 'If-Unmodified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT' })).toBe(412)
    expect(await statusOf({ 'If-Modified-Since': whole.headers.get('Last-Modified')! })).toBe(304)
  }
  if (size === 0) return
  const first = { Range: 'bytes=0-0' }
  const part = await ask({ ...first, 'If-Range': etag })
  expect(part.status).toBe(206)
  await expectBytes(part, bytes.subarray(0, 1), where('If-Range'))
  const all = await ask({ ...first, 'If-Range': '"other"' })
  expect(all.status).toBe(200)
  await expectBytes(all, bytes, where('If-Range of another'))
}

describe.each(Object.entries(volumes))('on a volume of %s', (_name, options) => {
  test('a file of any size is read back in all its parts, at every door', async () => {
    const app = await RealApp.create({ mebibytes, ...options })
    const written = await putAll(app)
    const mirror: App = await app.mirror()
    const atPrimary = (request: Request) => app.fetch(request)
    const atMirror = async (request: Request) => mirror.fetch(request)
    const query = `?cp=${app.engine.current().root.cp}`
    for (const [index, file] of written.entries()) {
      await expectFile(app, file.path, file.bytes)
      // How the body came makes no difference from here on.
      if (index % ways.length !== Math.floor(index / ways.length) % ways.length) continue
      for (const at of ['', query]) {
        await readAllOf(atPrimary, at, file)
        await readAllOf(atMirror, at, file)
      }
    }
    await app.quiet()
  }, 240_000)

  test('a body of any size is refused for its digest or its length, and nothing is left of it', async () => {
    const app = await RealApp.create({ mebibytes, ...options })
    for (const size of sizes)
      for (const way of ways) {
        const bytes = content(size)
        const path = pathOf(nameOf(size, way))
        const put = async (more: Record<string, string>, length?: number) => {
          const { headers, ...body } = bodyOf(bytes, way, length)
          return codeOf(await app.ask({ method: 'PUT', path, ...body, headers: { ...headers, ...more } }))
        }
        const found: Record<string, string | null> = {}
        const wanted: Record<string, string | null> = {}
        // Each header, and what is refused first: then the file is still not there.
        for (const field of ['Content-Digest', 'Repr-Digest'])
          for (const { name, value, code } of digests.toReversed()) {
            wanted[`${field}: ${name}`] = code
            found[`${field}: ${name}`] = await put({ [field]: value(bytes) })
            if (code === null) continue
            if (field === 'Content-Digest') await expectNone(app, path)
          }
        if (way.isDeclared)
          for (const length of [size + 1, size - 1].filter((each) => each >= 0)) {
            wanted[`a length of ${length}`] = 'bad-parameter'
            found[`a length of ${length}`] = await put({}, length)
          }
        wanted['nothing at all is there'] = 'precondition-failed'
        found['nothing at all is there'] = await put({ 'If-None-Match': '*' })
        wanted['another version'] = 'precondition-failed'
        found['another version'] = await put({ 'If-Match': '"other"' })
        wanted['a coding'] = 'unsupported-media-type'
        found['a coding'] = await put({ 'Content-Encoding': 'gzip' })
        expect({ path, ...found }).toEqual({ path, ...wanted })
        await expectFile(app, path, bytes)
      }
    await app.quiet()
  }, 240_000)

  test('a part of any size is written at every edge, and one that is refused changes nothing', async () => {
    const app = await RealApp.create({ mebibytes, ...options })
    const path = pathOf('patched')
    let seed = 0
    for (const [index, size] of sizes.entries())
      for (const [at, length] of patchOffsets(size).flatMap((o) =>
        patchLengths.map((l) => [o, l] as const),
      )) {
        // All of a size are tried over all ways; not every pair with each.
        const way = ways[(index + ++seed) % ways.length]!
        if (size > 300_000 && seed % 5 !== 0) continue
        const before = content(size)
        await app.ask({ method: 'PUT', path, ...bodyOf(before, ways[0]!) })
        const part = content(length, seed)
        const patch = async (digest: string) => {
          const { headers, ...body } = bodyOf(part, way)
          const more = { ...headers, 'Content-Digest': digest }
          return codeOf(
            await app.ask({ method: 'PATCH', path: `${path}?offset=${at}`, ...body, headers: more }),
          )
        }
        const wrong = digests.filter(({ code }) => code === 'digest-mismatch')[seed % 3]!
        expect([at, length, await patch(wrong.value(part))]).toEqual([at, length, wrong.code])
        await expectFile(app, path, before)
        expect([at, length, await patch(digests[seed % 2]!.value(part))]).toEqual([at, length, null])
        const after = new Uint8Array(length === 0 ? size : Math.max(size, at + length))
        after.set(before)
        after.set(part, length === 0 ? 0 : at)
        await expectFile(app, path, after)
      }
    await app.quiet()
  }, 240_000)
})
