/** What a server lists, and what it then sends, is believed no further than it has announced. */
import { describe, expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { comesAfter } from '../../../sdk/src/listing-order.ts'
import { listing as shapeOfListing, shaped } from '../../../sdk/src/shapes.ts'
import type { TreeReport } from '../../../src/cli/trees/tree-report.ts'
import { oneJsonLine, oneLine, servers } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()

const entry = (path: string, more: Record<string, unknown> = {}) => ({
  path,
  name: path.split('/').at(-1)!,
  kind: 'file',
  size: 1,
  etag: '"e"',
  contentType: null,
  mode: '0644',
  created: '2024-01-01T00:00:00.000Z',
  modified: '2024-01-01T00:00:00.000Z',
  cp: 1,
  meta: {},
  content: 'eA==',
  ...more,
})
const headers = { 'Stillpoint-CP': '1', ETag: '"e"' }

/** Pages by their cursor; '' is the first. */
function listing(
  pages: Readonly<Record<string, readonly [entries: readonly unknown[], next: string | null]>>,
  file: (request: Request) => Response = () => new Response('x', { headers }),
) {
  const asked: string[] = []
  const served = serve((request) => {
    const url = new URL(request.url)
    if (url.pathname.startsWith('/v1/files')) return file(request)
    if (!url.pathname.startsWith('/v1/dirs')) return null
    const cursor = url.searchParams.get('cursor') ?? ''
    asked.push(cursor)
    if (asked.length > 50) throw new Error('listed without an end')
    const [entries, next] = pages[cursor]!
    return Response.json({ cp: 1, path: '', entries, next })
  })
  return { ...served, asked }
}

describe('a listing that does not get on ends the command', () => {
  const loops = {
    'the same page again': {
      '': [[entry('a')], 'one'],
      one: [[entry('b')], 'two'],
      two: [[entry('b')], 'one'],
    },
    'a cursor that comes back': {
      '': [[entry('a')], 'one'],
      one: [[entry('b')], 'two'],
      two: [[entry('a')], 'one'],
    },
    'an entry twice on a page': { '': [[entry('a'), entry('a')], null] },
    'entries out of order': { '': [[entry('b'), entry('a')], null] },
    'back to a directory': {
      '': [[entry('a', { kind: 'directory' }), entry('a/x'), entry('b'), entry('a/y')], null],
    },
  } as const
  for (const [name, pages] of Object.entries(loops))
    test.each([
      ['get', '-r', '/', 'TARGET'],
      ['ls', '-r'],
      ['ls', '-r', '--json'],
    ])(`${name}: %s`, async (...inputs) => {
      const { run, asked } = listing(pages)
      const { code, err } = await run(
        ...(inputs as unknown as string[])
          .flat()
          .map((text) => (text === 'TARGET' ? join(folder(), 'in') : text)),
      )
      expect(code).toBe(1)
      expect(err).toMatch(inputs.flat().includes('--json') ? oneJsonLine : oneLine)
      expect(asked.length).toBeLessThan(6)
    })

  test('the order is that of the bytes of names, a directory before its content', () => {
    const names = [
      '\u0001',
      'a',
      'a/\u0001',
      'a/b',
      'a/b/c',
      'a!',
      'a.b',
      'b',
      'z',
      'é',
      '\ue000',
      '\uffee',
      '\u{1f600}',
      '\u{1f601}',
    ]
    for (const [at, before] of names.entries())
      for (const [other, path] of names.entries())
        expect([before, path, comesAfter(before, path)]).toEqual([before, path, other > at])
    expect(comesAfter(null, '')).toBe(true)
  })
})

test('a page of millions of values that are no entries is refused without a list of what is wrong with each', async () => {
  const complained: string[] = []
  // Each entry says when somebody looks at it; only the first one is worth a look.
  const entries = Array.from({ length: 1000 }, (_, at) =>
    Object.defineProperty({}, 'path', { enumerable: true, get: () => void complained.push(String(at)) }),
  )
  expect(shaped(shapeOfListing, { cp: 1, path: '', next: null, entries })).toBeNull()
  expect(new Set(complained)).toEqual(new Set(['0']))
})

describe('an entry that this version cannot make', () => {
  test('a kind of a newer server is named, and the rest is there', async () => {
    const { run } = listing({
      '': [[entry('a'), entry('b', { kind: 'socket', content: undefined }), entry('c')], null],
    })
    const target = join(folder(), 'in')
    const { code, out } = await run('get', '-r', '/', target, '--json')
    expect(code).toBe(1)
    const { failures, files } = JSON.parse(out) as TreeReport
    expect(failures).toEqual([{ path: 'b', reason: 'is of a kind that this version does not know: socket' }])
    expect([files, fs.readdirSync(target).toSorted()]).toEqual([2, ['a', 'c']])
    expect(await run('ls')).toMatchObject({ code: 0, out: 'a\nb\nc\n' })
  })

  test.each([
    ['an empty target', ''],
    ['a NUL', 'a\0b'],
    ['half of a character', 'a\ud800'],
    ['a target of a megabyte', 'x'.repeat(2 ** 20)],
  ])('a link with %s is named', async (_what, target) => {
    const { run } = listing({
      '': [[entry('a'), entry('l', { kind: 'link', target, content: undefined })], null],
    })
    const local = join(folder(), 'in')
    const { code, err } = await run('get', '-r', '/', local)
    expect(code).toBe(1)
    expect(err).toMatch(/^l: [^\n]{1,300}\nstillpoint: 1 entry failed\n$/)
    expect(fs.readdirSync(local)).toEqual(['a'])
  })

  test.each([
    ['half of a character', 'a\ud800'],
    ['300 bytes', 'x'.repeat(300)],
    ['300 levels', Array.from({ length: 300 }, () => 'd').join('/')],
    ['5,000 bytes', Array.from({ length: 50 }, () => 'd'.repeat(100)).join('/')],
  ])('a name of %s ends the copy', async (_what, path) => {
    const { run } = listing({ '': [[entry(path)], null] })
    const { code, err } = await run('get', '-r', '/', join(folder(), 'in'))
    expect(code).toBe(1)
    expect(err).toMatch(oneLine)
    expect(err.length).toBeLessThan(2500)
  })
})

describe('contents', () => {
  /** Sends pieces until nobody takes them, and says how many bytes that were. */
  const endless = () => {
    const state = { sent: 0 }
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        state.sent += 2 ** 16
        if (state.sent > 2 ** 30) controller.close()
        else controller.enqueue(new Uint8Array(2 ** 16))
      },
    })
    return { state, stream }
  }

  test('a file of ten bytes that does not end is given up', async () => {
    const { state, stream } = endless()
    const { run } = listing(
      { '': [[entry('a', { size: 10, content: undefined })], null] },
      () => new Response(stream, { headers }),
    )
    const target = join(folder(), 'in')
    const { code, err } = await run('get', '-r', '/', target)
    expect([code, err]).toEqual([1, 'a: got more than 10 bytes\nstillpoint: 1 entry failed\n'])
    expect(state.sent).toBeLessThan(64 * 2 ** 20)
    expect(fs.readdirSync(target)).toEqual([])
  })

  test('a file that says to be longer than it was listed is not read', async () => {
    const { run } = listing(
      { '': [[entry('a', { size: 10, content: undefined })], null] },
      () => new Response(new Uint8Array(10_000_000), { headers }),
    )
    const { err } = await run('get', '-r', '/', join(folder(), 'in'))
    expect(err).toStartWith('a: got 10000000 bytes instead of 10\n')
  })

  test.each(['gzip', 'deflate', 'zstd', 'br', 'GZIP, gzip'])('nothing is unpacked: %s', async (encoding) => {
    const packed = Bun.gzipSync(new Uint8Array(32 * 2 ** 20))
    const packing = () => new Response(packed, { headers: { ...headers, 'Content-Encoding': encoding } })
    const { run } = listing({ '': [[entry('a', { size: 10, content: undefined })], null] }, () => packing())
    for (const inputs of [
      ['get', '-r', '/', join(folder(), 'in')],
      ['get', 'a', '-'],
    ]) {
      const { code, err, out } = await run(...inputs)
      expect(code).toBe(1)
      expect(err).toContain('packed')
      expect(out.length).toBeLessThan(200)
    }
  })

  test('nothing packed is asked for', async () => {
    const accepted: (string | null)[] = []
    const { run } = serve((request) => {
      accepted.push(request.headers.get('Accept-Encoding'))
      return null
    })
    await run('ls')
    expect(new Set(accepted)).toEqual(new Set(['identity']))
  })
})
