import { describe, expect, test } from 'bun:test'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { oneLine, runCommand, servers } from './cli-harness.ts'
import { temporaryFolders } from './temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()

const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>

describe('the command line', () => {
  test.each([
    [['bogus']],
    [['put', 'a']],
    [['mv', 'a', 'b', 'c']],
    [['ls', '--cp', 'x']],
    [['serve', '--bad']],
  ])('%p is wrong', async (inputs) => {
    const { code, out, err } = await runCommand(inputs)
    expect(code).toBe(2)
    expect(out).toBe('')
    expect(err).not.toContain('    at ')
  })

  test('help is on stdout', async () => {
    const { code, out } = await runCommand(['--help'])
    expect(code).toBe(0)
    for (const verb of [
      'serve',
      'mirror',
      'status',
      'put',
      'get',
      'ls',
      'rm',
      'mv',
      'check',
      'sql',
      'openapi',
    ])
      expect(out).toContain(`\n  ${verb} `)
  })

  test.each([
    [['ls']],
    [['rm', 'a']],
    [['mv', 'a', 'b']],
    [['status']],
    [['get', 'a', '-']],
    [['get', '-r', 'a', 'b']],
    [['put', '-', 'a']],
    [['put', '-r', '.', 'a']],
  ])('%p: an unreachable server is one line', async (inputs) => {
    const { code, err } = await runCommand([...inputs, '--url', 'http://127.0.0.1:9'])
    expect(code).toBe(1)
    expect(err).toMatch(oneLine)
    expect(err).toContain('cannot reach http://127.0.0.1:9')
  })

  test.each([
    [[], ['put']],
    [['SOURCE', 'TARGET'], ['put']],
    [
      ['FROM', 'TO'],
      ['mv', '--nix'],
    ],
    [['nix'], ['nix']],
    [['one of'], ['put', 'a', 'b', '--durability', 'x']],
  ])('a wrong command line is one line that names %p: %p', async (named, inputs) => {
    const { code, out, err } = await runCommand(inputs)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(oneLine)
    for (const name of named) if (inputs.length === 1) expect(err).toContain(name)
  })

  test('a URL that is none, and a server that is something else', async () => {
    expect((await runCommand(['ls', '--url', 'ftp://x'])).err).toMatch(oneLine)
    const { url } = serve(() => new Response('<html>'))
    for (const verb of ['ls', 'status']) {
      const { code, err } = await runCommand([verb, '--url', url])
      expect(code).toBe(1)
      expect(err).toMatch(oneLine)
    }
  })

  test('the URL may come from the environment', async () => {
    const { url } = serve()
    expect((await runCommand(['ls'], { env: { STILLPOINT_URL: url } })).code).toBe(0)
  })
})

describe('put and get of a file', () => {
  test.each([
    ['mirrored', 'committed', 1],
    ['committed', 'buffered', 1],
    ['committed', 'mirrored', 0],
    ['logged', 'logged', 0],
  ] as const)('%s was asked for, and %s is reached: the exit is %p', async (asked, reached, exit) => {
    const { run, harness } = serve()
    harness.reached = reached
    const { code, out, err } = await run('put', '-', 'a', '--durability', asked)
    expect([code, harness.content('a')]).toEqual([exit, ''])
    expect(out).toContain(reached)
    expect(err).toMatch(exit === 0 ? /^$/ : oneLine)
    if (exit === 1) expect(err).toContain(`only ${reached}`)
  })

  test('keep bytes, mode and time', async () => {
    const { run, harness } = serve()
    const local = folder()
    const source = join(local, 'a.txt')
    writeFileSync(source, 'hello', { mode: 0o640 })
    utimesSync(source, new Date(1_700_000_000_123), new Date(1_700_000_000_123))
    const put = await run('put', source, '/docs/a b%.txt', '--json')
    expect(put).toMatchObject({ code: 0, err: '' })
    expect(json(put.out)).toMatchObject({ path: 'docs/a b%.txt', size: 5, cp: 2 })
    expect(harness.content('docs/a b%.txt')).toBe('hello')
    const got = await run('get', 'docs/a b%.txt', join(local, 'b.txt'), '--json')
    expect(json(got.out)).toMatchObject({ path: 'docs/a b%.txt', size: 5 })
    const found = lstatSync(join(local, 'b.txt'))
    expect([readFileSync(join(local, 'b.txt'), 'utf8'), found.mode & 0o777, found.mtimeMs]).toEqual([
      'hello',
      0o640,
      1_700_000_000_123,
    ])
    expect(readdirSync(local).toSorted()).toEqual(['a.txt', 'b.txt'])
  })

  test('standard input and output, and names that come from the other side', async () => {
    const { run, url, harness } = serve()
    const local = folder()
    expect((await runCommand(['put', '-', 'x/in', '--url', url], { input: 'from stdin' })).code).toBe(0)
    expect((await run('get', 'x/in', '-')).out).toBe('from stdin')
    expect((await run('get', 'x/in', local)).code).toBe(0)
    expect(readFileSync(join(local, 'in'), 'utf8')).toBe('from stdin')
    expect((await run('put', join(local, 'in'), 'y/')).code).toBe(0)
    expect(harness.content('y/in')).toBe('from stdin')
  })

  test('a large file streams', async () => {
    const { run } = serve()
    const local = folder()
    const bytes = new Uint8Array(5 * 2 ** 20).map((_, at) => (at * 31) % 251)
    writeFileSync(join(local, 'large'), bytes)
    expect((await run('put', join(local, 'large'), 'large')).code).toBe(0)
    expect((await run('get', 'large', join(local, 'back'))).code).toBe(0)
    expect(readFileSync(join(local, 'back')).equals(bytes)).toBe(true)
  })

  test('an answer that ends early leaves nothing behind', async () => {
    const { run } = serve((request) =>
      request.method === 'GET'
        ? new Response(
            new ReadableStream({
              start(controller) {
                controller.enqueue(new Uint8Array(10))
              },
              async pull(controller) {
                await Bun.sleep(5)
                controller.error(new Error('cut'))
              },
            }),
          )
        : null,
    )
    const local = folder()
    const { code, err } = await run('get', 'a', join(local, 'a'))
    expect(code).toBe(1)
    expect(err).toMatch(oneLine)
    expect(readdirSync(local)).toEqual([])
  })

  test.each([
    [['put', '/nowhere/at/all', 'x'], 'no such file'],
    [['put', '.', 'x'], 'is a directory (use -r)'],
    [['put', '-r', '/nowhere/at/all', 'x'], 'no such file'],
    [['put', '-r', 'package.json', 'x'], 'is not a directory'],
    [['put', 'package.json', 'a/../b'], 'bad-path'],
    [['put', 'package.json', 'a//b'], 'bad-path'],
    [['get', 'nothing', '-'], 'not-found'],
    [['get', '-r', 'nothing', '/tmp/x'], 'not-found'],
  ])('%p fails in one line', async (inputs, reason) => {
    const { run } = serve()
    const { code, err } = await run(...inputs)
    expect(code).toBe(1)
    expect(err).toMatch(oneLine)
    expect(err).toContain(reason)
  })
})

describe('ls, rm, mv', () => {
  test('a listing of several pages is of one CP', async () => {
    const { run, harness, requests } = serve()
    for (let i = 0; i < 1205; i++)
      await harness.request('PUT', `/v1/files/d/f${String(i).padStart(4, '0')}`, { body: 'x' })
    const { code, out } = await run('ls', 'd', '--json')
    expect(code).toBe(0)
    const listing = json(out) as { cp: number; path: string; entries: { name: string }[] }
    expect(listing.path).toBe('d')
    expect(listing.entries.map((entry) => entry.name)).toEqual(
      Array.from({ length: 1205 }, (_, i) => `f${String(i).padStart(4, '0')}`),
    )
    expect(requests.filter((request) => request.startsWith('GET /v1/dirs')).length).toBe(2)
    expect((await run('ls', 'd')).out.split('\n').length).toBe(1206)
  })

  test('entries of every kind, long and recursive', async () => {
    const { run, harness } = serve()
    await harness.request('PUT', '/v1/files/d/sub/f', { body: 'abc', headers: { 'Stillpoint-Mode': '0600' } })
    await harness.request('PUT', '/v1/files/d/link', { headers: { 'Stillpoint-Link': 'sub/f' } })
    expect((await run('ls', '/d/')).out).toBe('link\nsub/\n')
    const long = (await run('ls', '-r', '-l', 'd')).out
    expect(long).toMatch(/link -> sub\/f\n/)
    expect(long).toMatch(/0600 +3 \S+Z sub\/f\n/)
    expect((await run('ls', 'd/sub/f')).out).toBe('f\n')
    expect(json((await run('ls', 'nothing-here', '--json')).err.replace(/.*/s, '{}'))).toEqual({})
  })

  test('what a terminal would obey is shown', async () => {
    const { run, harness } = serve()
    harness.files.image.set('evil\u001b[2J', harness.files.image.get('')!)
    expect((await run('ls')).out).toBe('evil\\x1b[2J/\n')
  })

  test('rm', async () => {
    const { run, harness } = serve()
    for (const path of ['a', 'b', 'd/x']) await harness.request('PUT', `/v1/files/${path}`, { body: 'x' })
    expect(json((await run('rm', 'a', '/b', '--json')).out)).toEqual({ removed: ['a', 'b'] })
    const refused = await run('rm', 'd')
    expect([refused.code, refused.err]).toEqual([1, 'stillpoint: d: is a directory (use -r)\n'])
    expect((await run('rm', '-r', 'd')).code).toBe(0)
    expect(harness.files.keys()).toEqual([])
    expect((await run('rm', 'a')).err).toMatch(oneLine)
    expect((await run('rm', '-r', '/')).err).toContain('the root cannot be removed')
  })

  test('mv', async () => {
    const { run, harness } = serve()
    await harness.request('PUT', '/v1/files/a', { body: 'one' })
    await harness.request('PUT', '/v1/files/b', { body: 'two' })
    expect((await run('mv', 'a', 'b')).err).toContain('(exists)')
    expect((await run('mv', 'a', '/b', '--overwrite')).code).toBe(0)
    expect(harness.content('b')).toBe('one')
    expect((await run('mv', 'b', 'd/')).code).toBe(0)
    expect(harness.content('d/b')).toBe('one')
  })
})

describe('status', () => {
  test('of a primary', async () => {
    const { run, harness, url } = serve()
    await harness.json('POST', '/v1/mirrors', { url: 'http://127.0.0.1:9' })
    const { code, out } = await run('status', '--json')
    expect(code).toBe(0)
    expect(json(out)).toMatchObject({
      url,
      ready: true,
      role: 'primary',
      cp: 1,
      newest: { cp: 1 },
      space: { freeBytes: 8192 },
      catalog: { state: 'current' },
      mirrors: [{ state: 'away' }],
    })
    expect((await run('status')).out).toContain('http://127.0.0.1:9')
  })

  test('of a mirror', async () => {
    const { mirrorUrl } = serve()
    const { code, out } = await runCommand(['status', '--json', '--url', mirrorUrl])
    expect(code).toBe(0)
    expect(json(out)).toMatchObject({ role: 'mirror', ready: true, mirror: { state: 'live' } })
  })

  test('one that is not ready', async () => {
    const { run, harness } = serve()
    harness.ready = { ok: false, reason: 'opening' }
    const { code, out, err } = await run('status')
    expect(code).toBe(1)
    expect(out).toContain('not ready')
    expect(err).toMatch(oneLine)
  })
})

describe('without a server', () => {
  test('openapi prints the document of the role', async () => {
    const { code, out } = await runCommand(['openapi', '--role', 'mirror'])
    expect(code).toBe(0)
    expect(json(out)['openapi']).toBe('3.1.0')
  })

  test('sql and check need a volume', async () => {
    const empty = folder()
    expect((await runCommand(['sql', '--data', empty, 'SELECT 1'])).err).toMatch(oneLine)
    mkdirSync(join(empty, 'x'))
    expect((await runCommand(['check', join(empty, 'x')])).err).toMatch(oneLine)
    expect(existsSync(join(empty, 'x', 'lock'))).toBe(false)
  })
})
