/**
 * Local entries that cannot be stored as they are, or that change while they are read: each is refused by its name, the
 * exit is 1, the rest is there, and nothing is stored that never was.
 */
import { describe, expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { LocalFile } from '../../../src/cli/trees/local-file.ts'
import { LocalFolder } from '../../../src/cli/trees/local-folder.ts'
import type { TreeReport } from '../../../src/cli/trees/tree-report.ts'
import { type Served, servers } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()

const bytes = (...parts: readonly (string | number)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))))

/** The tree under test, and two good files beside what is odd. */
function makeSource(): string {
  const root = folder()
  fs.mkdirSync(join(root, 'sub'))
  fs.writeFileSync(join(root, 'good'), 'good')
  fs.writeFileSync(join(root, 'sub/too'), 'good too')
  return root
}

async function putBeside(served: Served, root: string): Promise<TreeReport> {
  const { code, out, err } = await served.run('put', '-r', root, 't', '--json')
  expect(code).toBe(1)
  expect(err).toMatch(/^\{"error":\{"code":"failed","message":"[^\n]+ failed"\}\}\n$/)
  expect([served.harness.content('t/good'), served.harness.content('t/sub/too')]).toEqual([
    'good',
    'good too',
  ])
  return JSON.parse(out) as TreeReport
}
const failed = ({ failures }: TreeReport) => failures.map(({ path, reason }) => [path, reason])

describe('bytes that are no text', () => {
  test.each([
    ['one byte', bytes('a', 0xff), 'a\\xff'],
    ['half of a character', bytes('b', 0xe2, 0x82), 'b\\xe2\\x82'],
    ['half of a surrogate', bytes('c', 0xed, 0xa0, 0x80), 'c\\xed\\xa0\\x80'],
    ['overlong', bytes('d', 0xc0, 0xaf), 'd\\xc0\\xaf'],
    ['Latin-1, as old systems have', bytes('caf', 0xe9), 'caf\\xe9'],
  ])('in a name, of a file, a folder, and a link: %s', async (_why, name, shown) => {
    for (const kind of ['file', 'folder', 'link']) {
      const served = serve()
      const root = makeSource()
      const path = bytes(`${root}/sub/`, ...name)
      if (kind === 'file') fs.writeFileSync(path, 'odd')
      else if (kind === 'folder') fs.mkdirSync(path)
      else fs.symlinkSync('good', path)
      // The name that the bytes decode to is another entry.
      fs.writeFileSync(join(root, 'sub', name.toString()), 'beside')
      const report = await putBeside(served, root)
      expect(failed(report)).toEqual([[`t/sub/${shown}`, 'the name is no UTF-8']])
      expect(served.harness.files.keys()).toEqual(
        ['t', 't/good', 't/sub', 't/sub/too', `t/sub/${name.toString()}`].toSorted(),
      )
    }
  })

  test('in the target of a link', async () => {
    const served = serve()
    const root = makeSource()
    fs.symlinkSync(bytes('to/', 0xff), join(root, 'sub/l'))
    fs.symlinkSync('to/ü', join(root, 'sub/text'))
    const report = await putBeside(served, root)
    expect(failed(report)).toEqual([['t/sub/l', 'the target of the link is no UTF-8: to/\\xff']])
    expect(served.harness.files.keys()).toContain('t/sub/text')
    expect(served.harness.files.keys()).not.toContain('t/sub/l')
  })
})

test('times that the server cannot say: the content is there, and the entry is named', async () => {
  const root = fs.mkdtempSync('/dev/shm/stillpoint-test-')
  try {
    for (const name of ['good', 'late', 'large']) fs.writeFileSync(join(root, name), 'good')
    fs.writeFileSync(join(root, 'large'), new Uint8Array(100_000))
    fs.mkdirSync(join(root, 'sub'))
    fs.writeFileSync(join(root, 'sub/too'), 'good too')
    fs.symlinkSync('good', join(root, 'l'))
    for (const name of ['late', 'large', 'l', 'sub'])
      Bun.spawnSync(['touch', '-h', '-d', '@8640000000001', join(root, name)])
    const served = serve()
    const report = await putBeside(served, root)
    expect(report.failures.map(({ path }) => path).toSorted()).toEqual(['t/l', 't/large', 't/late', 't/sub'])
    expect(report).toMatchObject({ files: 4, links: 1 })
    expect(served.harness.content('t/late')).toBe('good')
  } finally {
    fs.rmSync(root, { recursive: true })
  }
})

describe('what changes while it is read', () => {
  const large = 3 * 2 ** 20

  test.each([
    ['truncated', (path: string) => fs.truncateSync(path, 1000), 'has become shorter'],
    ['emptied', (path: string) => fs.truncateSync(path, 0), 'has become shorter'],
    [
      'written over',
      (path: string) => {
        const descriptor = fs.openSync(path, 'r+')
        fs.writeSync(descriptor, 'other', 0)
        fs.closeSync(descriptor)
        fs.utimesSync(path, 1, 2)
      },
      'was changed',
    ],
  ])('a file that is %s is no file, and is named', async (_how, change, reason) => {
    const root = makeSource()
    fs.writeFileSync(join(root, 'log'), new Uint8Array(large))
    const file = LocalFile.open(join(root, 'log'), 'log', { follow: false })
    const reader = file.stream().getReader()
    await reader.read()
    change(join(root, 'log'))
    let thrown: unknown = null
    try {
      while (!(await reader.read()).done);
    } catch (error) {
      thrown = error
    }
    file.close()
    expect(String(thrown)).toContain(reason)
  })

  test('a file that is truncated on its way to the server: the server keeps what it had', async () => {
    const served = serve((request) => {
      if (request.url.includes('/t/log') && request.method === 'PUT') fs.truncateSync(join(root, 'log'), 10)
      return null
    })
    const root = makeSource()
    // More than what is on its way when the request is seen.
    fs.writeFileSync(join(root, 'log'), '')
    fs.truncateSync(join(root, 'log'), 256 * 2 ** 20)
    await served.harness.request('PUT', '/v1/files/t/log', { body: 'before' })
    const report = await putBeside(served, root)
    expect(report.failures.map(({ path }) => path)).toEqual(['t/log'])
    expect(report.failures[0]!.reason).toContain('has become shorter while it was read')
    expect(served.harness.content('t/log')).toBe('before')
  })

  test('a file that grows is sent as it was counted', async () => {
    const path = join(folder(), 'log')
    fs.writeFileSync(path, 'x'.repeat(1_000_000))
    const file = LocalFile.open(path, path, { follow: false })
    const pieces: Uint8Array[] = []
    for await (const piece of file.stream() as unknown as AsyncIterable<Uint8Array>) {
      if (pieces.length === 0) fs.appendFileSync(path, 'more')
      pieces.push(piece)
    }
    file.close()
    expect(Buffer.concat(pieces).toString()).toBe('x'.repeat(1_000_000))
  })

  test('a file that another one replaces is sent as it was', () => {
    const path = join(folder(), 'f')
    fs.writeFileSync(path, 'first')
    const file = LocalFile.open(path, path, { follow: false })
    fs.writeFileSync(`${path}.new`, 'second, and longer')
    fs.renameSync(`${path}.new`, path)
    expect(Buffer.from(file.whole()).toString()).toBe('first')
    file.close()
  })

  test('a small file that is written over at once is read again', () => {
    const path = join(folder(), 'f')
    fs.writeFileSync(path, 'first')
    const file = LocalFile.open(path, path, { follow: false })
    fs.writeFileSync(path, 'new')
    expect(Buffer.from(file.whole()).toString()).toBe('new')
    expect(file.stat.size).toBe(3)
    file.close()
  })

  test('a link, a pipe or a folder that took the place of a file is not read', () => {
    const root = folder()
    const secret = join(root, 'secret')
    fs.writeFileSync(secret, 'secret')
    fs.symlinkSync(secret, join(root, 'link'))
    Bun.spawnSync(['mkfifo', join(root, 'pipe')])
    fs.mkdirSync(join(root, 'folder'))
    for (const name of ['link', 'pipe', 'folder'])
      expect(() => LocalFile.open(join(root, name), name, { follow: false })).toThrow()
  })

  test('a folder that a link replaces while it is walked leads nowhere else', async () => {
    const outside = folder()
    fs.writeFileSync(join(outside, 'secret'), 'secret')
    const root = makeSource()
    for (const name of ['a', 'b', 'c']) {
      fs.mkdirSync(join(root, name))
      fs.writeFileSync(join(root, name, 'f'), 'f')
    }
    const swapped: string[] = []
    const served = serve((request) => {
      const name = /\/v1\/dirs\/t\/([abc])\?/.exec(request.url)?.[1]
      if (name !== undefined && request.method === 'PUT') {
        // The folder is open by now: its path leads elsewhere.
        fs.renameSync(join(root, name), join(folder(), 'moved'))
        fs.symlinkSync(outside, join(root, name))
        swapped.push(name)
      }
      return null
    })
    const { code } = await served.run('put', '-r', root, 't')
    expect(code).toBe(0)
    expect(swapped.toSorted()).toEqual(['a', 'b', 'c'])
    expect(served.harness.files.keys().filter((key) => key.endsWith('secret'))).toEqual([])
    for (const name of swapped) expect(served.harness.content(`t/${name}/f`)).toBe('f')
  })
})

test('a tree that is deeper than the longest path', async () => {
  const root = folder()
  const name = 'n'.repeat(200)
  const depth = 18
  // A path of more than 4,096 bytes is refused by the server, and 3,600 together with the root are too many here.
  const base = join(root, 'b'.repeat(250), 'b'.repeat(250), 'b'.repeat(250))
  fs.mkdirSync(base, { recursive: true })
  const names = Array.from({ length: depth }, () => name)
  let at = LocalFolder.open(base, base, { follow: false })
  for (const each of names) {
    fs.mkdirSync(at.at(each))
    at = at.descend([each])
  }
  fs.writeFileSync(at.at('f'), 'deep')
  const served = serve()
  expect(await served.run('put', '-r', base, 't')).toMatchObject({ code: 0, err: '' })
  expect(served.harness.content(`t/${names.join('/')}/f`)).toBe('deep')
  served.harness.publish()
  const back = join(root, 'c'.repeat(250), 'c'.repeat(250), 'c'.repeat(250))
  expect(await served.run('get', '-r', 't', back)).toMatchObject({ code: 0, err: '' })
  const end = LocalFolder.open(back, back, { follow: false }).descend(names)
  expect(fs.readFileSync(end.at('f'), 'utf8')).toBe('deep')
  Bun.spawnSync(['rm', '-rf', root])
})
