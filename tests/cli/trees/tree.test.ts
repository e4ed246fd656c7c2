import { describe, expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { join } from 'node:path'
import type { TreeReport } from '../../../src/cli/trees/tree-report.ts'
import { oneLine, servers } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()

/** Everything that a copy has to keep, by path. */
function describeTree(root: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const path = join(root, name)
    const stat = fs.lstatSync(path)
    const content = stat.isSymbolicLink()
      ? `-> ${fs.readlinkSync(path)}`
      : stat.isFile()
        ? `${(stat.mode & 0o777).toString(8)} ${Bun.hash(fs.readFileSync(path))}`
        : `${(stat.mode & 0o777).toString(8)} directory`
    found[name] = `${content} ${stat.mtimeMs}`
  }
  return found
}

/** Files of several sizes, empty directories, links that lead somewhere and nowhere, odd names and modes. */
function makeTree(): string {
  const root = folder()
  const file = (name: string, bytes: Uint8Array | string, mode = 0o644) => {
    fs.mkdirSync(join(root, name, '..'), { recursive: true })
    fs.writeFileSync(join(root, name), bytes, { mode })
  }
  file('empty', '')
  file('run.sh', '#!/bin/sh\n', 0o755)
  file('secret', 'x', 0o400)
  file('deep/er/and/deeper/f', 'deep')
  file('names/a b+c%20d?e#f&g', 'odd')
  file('names/ünï — 文件', 'unicode')
  file('names/back\\slash', 'legal')
  file('names/-r', 'looks like a flag')
  file('names/%2F', 'looks encoded')
  file(
    'large',
    new Uint8Array(3 * 2 ** 20 + 17).map((_, at) => (at * 7) % 253),
  )
  for (let i = 0; i < 150; i++) file(`many/${i % 7}/f${i}`, `content ${i}`)
  fs.mkdirSync(join(root, 'nothing/inside'), { recursive: true })
  fs.symlinkSync('../run.sh', join(root, 'names/link'))
  fs.symlinkSync('/no where/ü%', join(root, 'dangling'))
  fs.symlinkSync('deep', join(root, 'link-to-directory'))
  const when = (at: number) => new Date(1_600_000_000_000 + at * 86_400_123)
  const all = fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted().toReversed()
  all.forEach((name, at) => fs.lutimesSync(join(root, name), when(at), when(at)))
  fs.chmodSync(join(root, 'nothing'), 0o700)
  fs.chmodSync(join(root, 'deep/er'), 0o555)
  return root
}

const large = new Uint8Array(2 ** 20 + 1)
const openAgain = (root: string): void => fs.chmodSync(join(root, 'deep/er'), 0o755)
const report = (out: string): TreeReport => JSON.parse(out) as TreeReport

describe('a tree there and back', () => {
  test.each(['backup/of it', '/'])('is the same, under %p', async (target) => {
    const { run, requests, harness } = serve()
    const source = makeTree()
    const put = await run('put', '-r', source, target, '--json')
    expect(put).toMatchObject({ code: 0, err: '' })
    expect(report(put.out)).toMatchObject({ links: 3, failures: [], cp: harness.files.published })
    expect(requests.at(-1)).toBe('POST /v1/cps?opening=run-0')
    expect(
      requests
        .filter((request) => request.startsWith('PUT '))
        .every((request) => request.endsWith('?durability=buffered')),
    ).toBe(true)

    requests.length = 0
    const back = join(folder(), 'made', 'here')
    const got = await run('get', '-r', target, back, '--json')
    expect(got).toMatchObject({ code: 0, err: '' })
    expect(describeTree(back)).toEqual(describeTree(source))
    const { cp, ...counts } = report(got.out)
    expect(report(put.out)).toMatchObject(
      counts.directories === report(put.out).directories
        ? counts
        : { ...counts, directories: report(put.out).directories },
    )
    const reads = requests.filter((request) => request.startsWith('GET /v1/files'))
    // What is small comes with the listing.
    expect(reads).toEqual([`GET /v1/files/${target === '/' ? '' : `${encodeURI(target)}/`}large?cp=${cp}`])
    const pages = requests.filter((request) => request.startsWith('GET /v1/dirs'))
    expect(pages.every((request) => request.includes('content=65536'))).toBe(true)
    openAgain(source)
    openAgain(back)
  })

  test('times keep their microseconds, and what is finer as far as it can be set', async () => {
    const { run, harness } = serve()
    const source = folder()
    for (const name of ['small', 'large'])
      fs.writeFileSync(join(source, name), name === 'small' ? 'x' : large)
    fs.mkdirSync(join(source, 'd'))
    fs.symlinkSync('small', join(source, 'l'))
    for (const name of ['small', 'large', 'd', 'l'])
      fs.lutimesSync(join(source, name), 1e9, 1234567890.123457)
    const nanosOf = (path: string) => fs.lstatSync(path, { bigint: true }).mtimeNs
    expect((await run('put', '-r', source, 't')).code).toBe(0)
    const { modified } = (await (await harness.request('GET', '/v1/stat/t/d')).json()) as { modified: string }
    expect(modified).toMatch(/^2009-02-13T23:31:30\.12345[67]\d{0,3}Z$/)
    const target = join(folder(), 'back')
    expect((await run('get', '-r', 't', target)).code).toBe(0)
    expect((await run('get', 't/small', join(target, 'alone'))).code).toBe(0)
    for (const name of ['small', 'large', 'd', 'l', 'alone']) {
      const wanted = nanosOf(join(source, name === 'alone' ? 'small' : name))
      const late = nanosOf(join(target, name)) - wanted
      expect(late >= 0n && late < 480n).toBe(true)
    }
  })

  test('a second get replaces what is there and leaves no temporary names', async () => {
    const { run } = serve()
    const source = folder()
    fs.writeFileSync(join(source, 'f'), 'new')
    fs.symlinkSync('new', join(source, 'l'))
    await run('put', '-r', source, 'd')
    const target = folder()
    fs.writeFileSync(join(target, 'f'), 'old')
    fs.symlinkSync('old', join(target, 'l'))
    fs.writeFileSync(join(target, 'mine'), 'stays')
    expect((await run('get', '-r', 'd', target)).code).toBe(0)
    expect(fs.readdirSync(target).toSorted()).toEqual(['f', 'l', 'mine'])
    expect([fs.readFileSync(join(target, 'f'), 'utf8'), fs.readlinkSync(join(target, 'l'))]).toEqual([
      'new',
      'new',
    ])
  })

  test('writes that go on meanwhile are not seen', async () => {
    const writes: Promise<Response>[] = []
    const changing = serve((request) => {
      if (request.method === 'GET' && request.url.includes('/v1/files/')) {
        writes.push(changing.harness.request('PUT', '/v1/files/d/b', { body: 'later' }))
        changing.harness.publish()
      }
      return null
    })
    const first = 'first'.repeat(20_000)
    await changing.harness.request('PUT', '/v1/files/d/a', { body: first })
    await changing.harness.request('PUT', '/v1/files/d/b', { body: first })
    const target = folder()
    expect((await changing.run('get', '-r', 'd', target)).code).toBe(0)
    expect(fs.readFileSync(join(target, 'a'), 'utf8')).toBe(first)
    expect(fs.readFileSync(join(target, 'b'), 'utf8')).toBe(first)
    await Promise.all(writes)
    expect(changing.harness.content('d/b')).toBe('later')
  })
})

test('what was just written is got, after its CP has come', async () => {
  const { run, harness, requests } = serve()
  await harness.request('PUT', '/v1/files/d/a', { body: 'x' })
  expect(harness.files.dirty).toBe(true)
  const target = folder()
  const { code, out } = await run('get', '-r', 'd', target, '--json')
  expect([code, report(out).cp]).toEqual([0, harness.files.published])
  expect(fs.readdirSync(target)).toEqual(['a'])
  expect(requests.find((request) => request.includes('/v1/dirs'))).toContain('cp=2&wait=60')
})

describe('what goes wrong', () => {
  test('entries that the server refuses are listed, the rest is there, the exit is not 0', async () => {
    const { run, harness } = serve((request) =>
      request.url.includes('/v1/batch') || (request.method === 'PUT' && request.url.includes('/bad'))
        ? Response.json({ code: 'too-large', detail: 'too large' }, { status: 413 })
        : null,
    )
    const source = folder()
    for (const name of ['good', 'bad', 'also good']) fs.writeFileSync(join(source, name), name)
    const { code, out, err } = await run('put', '-r', source, 'd')
    expect(code).toBe(1)
    expect(err).toBe('d/bad: too large (too-large)\nstillpoint: 1 entry failed\n')
    expect(out).toContain('2 files')
    expect([harness.content('d/good'), harness.content('d/also good')]).toEqual(['good', 'also good'])
    expect(harness.files.dirty).toBe(false)
  })

  test('small files travel together, and one that cannot be there does not keep the others away', async () => {
    const { run, harness, requests } = serve()
    const source = folder()
    for (let i = 0; i < 500; i++) fs.writeFileSync(join(source, `f${i}`), `content ${i}`)
    await run('put', '-r', source, 'd')
    expect(requests.length).toBeLessThan(10)
    expect(harness.content('d/f499')).toBe('content 499')
    // In the place of f7 there is a directory now.
    await run('rm', 'd/f7')
    await run('put', '-r', source, 'd/f7')
    for (let i = 0; i < 500; i++) fs.writeFileSync(join(source, `f${i}`), `new ${i}`)
    const { code, err, out } = await run('put', '-r', source, 'd', '--json')
    expect(code).toBe(1)
    expect(report(out)).toMatchObject({ files: 499, failuresTotal: 1 })
    expect(err).toContain('1 entry failed')
    expect([harness.content('d/f6'), harness.content('d/f8')]).toEqual(['new 6', 'new 8'])
  })

  test('what is neither file nor directory nor link is listed', async () => {
    const { run } = serve()
    const source = folder()
    Bun.spawnSync(['mkfifo', join(source, 'pipe')])
    if (!fs.existsSync(join(source, 'pipe'))) return
    const { code, out } = await run('put', '-r', source, 'd', '--json')
    expect(code).toBe(1)
    expect(report(out).failures.map((failure) => failure.path)).toEqual(['d/pipe'])
  })

  test('a server that refuses everything ends the copy in one line', async () => {
    let count = 0
    const { run } = serve((request) => {
      if (request.method !== 'PUT' && !request.url.includes('/v1/batch')) return null
      count++
      return Response.json({ code: 'disk-full', detail: 'there is no space left' }, { status: 507 })
    })
    const source = folder()
    for (let i = 0; i < 500; i++) fs.writeFileSync(join(source, `f${i}`), 'x')
    const { code, out, err } = await run('put', '-r', source, '/')
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(oneLine)
    expect(count).toBeLessThanOrEqual(64)
  })

  test('a CP that is gone ends a get', async () => {
    const { run, harness } = serve((request) =>
      request.url.includes('/v1/files/d/') && request.method === 'GET'
        ? Response.json({ code: 'cp-gone', detail: 'gone' }, { status: 410 })
        : null,
    )
    await harness.request('PUT', '/v1/files/d/a', { body: 'x'.repeat(100_000) })
    const target = folder()
    const { code, err } = await run('get', '-r', 'd', target)
    expect(code).toBe(1)
    expect(err).toMatch(oneLine)
    expect(fs.readdirSync(target)).toEqual([])
  })

  test('a file of the wrong length is no file', async () => {
    const { run, harness } = serve((request) =>
      request.url.includes('/v1/files/d/a') && request.method === 'GET' ? new Response('xxx') : null,
    )
    await harness.request('PUT', '/v1/files/d/a', { body: 'x'.repeat(100_000) })
    await harness.request('PUT', '/v1/files/d/b', { body: 'y' })
    const target = folder()
    const { code, err } = await run('get', '-r', 'd', target)
    expect(code).toBe(1)
    expect(err).toContain('d/a: ')
    expect(fs.readdirSync(target)).toEqual(['b'])
  })

  test('a listed content of the wrong length is no file, and none that is listed is asked for', async () => {
    const { run } = serve(
      listed([
        { path: 'a', name: 'a', kind: 'file', size: 3, content: 'eHh4eA==' },
        { path: 'b', name: 'b', kind: 'file', size: 4, content: 'eHh4eA==' },
        { path: 'c', name: 'c', kind: 'file', size: 0, content: '' },
        { path: 'd', name: 'd', kind: 'file' },
      ]),
    )
    const target = folder()
    const { code, err } = await run('get', '-r', '/', target)
    expect(code).toBe(1)
    expect(err).toContain('a: got 4 bytes instead of 3')
    expect(fs.readdirSync(target).toSorted()).toEqual(['b', 'c', 'd'])
    expect(['b', 'c', 'd'].map((name) => fs.readFileSync(join(target, name), 'utf8'))).toEqual([
      'xxxx',
      '',
      'x',
    ])
  })

  const listed = (entries: readonly Record<string, unknown>[]) => (request: Request) =>
    request.url.includes('/v1/dirs')
      ? Response.json({
          cp: 1,
          path: '',
          next: null,
          entries: entries.map((entry) => ({
            size: 1,
            etag: '"e"',
            contentType: null,
            mode: '0644',
            created: '2024-01-01T00:00:00.000Z',
            modified: '2024-01-01T00:00:00.000Z',
            cp: 1,
            meta: {},
            ...entry,
          })),
        })
      : request.url.includes('/v1/files')
        ? new Response('x', { headers: { 'Stillpoint-CP': '1', ETag: '"e"' } })
        : null

  test.each(['../out', 'a/../../out', '/out', '..', 'a//b'])(
    'a listed name %p goes nowhere',
    async (path) => {
      const { run } = serve(listed([{ path, name: 'out', kind: 'file' }]))
      const around = folder()
      const { code, err } = await run('get', '-r', '/', join(around, 'in'))
      expect(code).toBe(1)
      expect(err).toMatch(oneLine)
      expect(fs.readdirSync(around)).toEqual(['in'])
    },
  )

  test('nothing is written through a link', async () => {
    const outside = folder()
    const { run } = serve(
      listed([
        { path: 'l', name: 'l', kind: 'link', target: outside },
        { path: 'l/f', name: 'f', kind: 'file' },
      ]),
    )
    const { code } = await run('get', '-r', '/', join(folder(), 'in'))
    expect(code).toBe(1)
    expect(fs.readdirSync(outside)).toEqual([])
  })

  test('a folder in the place of a file stays', async () => {
    const { run, harness } = serve()
    await harness.request('PUT', '/v1/files/d/a', { body: 'x' })
    const target = folder()
    fs.mkdirSync(join(target, 'a'))
    const { code, err } = await run('get', '-r', 'd', target)
    expect(code).toBe(1)
    expect(err).toContain('is a directory here')
  })
})
