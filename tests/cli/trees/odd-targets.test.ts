/** The local end of a get: what is in the way stays, what comes is private until it is complete, and nothing is left behind. */
import { describe, expect, spyOn, test } from 'bun:test'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { BlindNames } from '../../../src/cli/trees/case-blindness.ts'
import { writtenParts } from '../../../src/cli/trees/holes.ts'
import type { TreeReport } from '../../../src/cli/trees/tree-report.ts'
import { runCommand, type Served, servers } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()
const modeOf = (path: string): number => fs.lstatSync(path).mode & 0o7777
const isRoot = process.getuid?.() === 0

async function filled(served: Served, files: Readonly<Record<string, string>> = { f: 'got' }): Promise<void> {
  for (const [name, body] of Object.entries(files))
    await served.harness.request('PUT', `/v1/files/d/${name}`, { body })
  served.harness.publish()
}

describe('what is in the way', () => {
  const ways: Record<string, (path: string) => void> = {
    pipe: (path) => void Bun.spawnSync(['mkfifo', path]),
    'link to a file': (path) => {
      fs.writeFileSync(`${path}.of`, 'of somebody')
      fs.symlinkSync(`${path}.of`, path)
    },
    'link to nothing': (path) => fs.symlinkSync('nothing', path),
    'link to a folder': (path) => fs.symlinkSync(folder(), path),
    folder: (path) => fs.mkdirSync(path),
    ...(isRoot ? { device: (path: string) => void Bun.spawnSync(['mknod', path, 'c', '1', '3']) } : {}),
  }

  test.each(Object.entries(ways))('a %s in the place of a file stays, and is named', async (_what, make) => {
    for (const body of ['small', 'x'.repeat(2 ** 20)]) {
      const served = serve()
      await filled(served, { f: body, other: 'other' })
      const target = folder()
      make(join(target, 'f'))
      const before = fs.lstatSync(join(target, 'f'))
      const { code, err } = await served.run('get', '-r', 'd', target)
      expect(code).toBe(1)
      expect(err).toMatch(/^d\/f: [^\n]*f: is a [^\n]+ here[^\n]*\nstillpoint: 1 entry failed\n$/)
      const after = fs.lstatSync(join(target, 'f'))
      expect([after.ino, after.mode]).toEqual([before.ino, before.mode])
      expect(fs.readFileSync(join(target, 'other'), 'utf8')).toBe('other')
    }
  })

  test('a file or a link in the place of a directory stays, and so does what it leads to', async () => {
    const outside = folder()
    const served = serve()
    await filled(served, { 'sub/f': 'got', 'l/f': 'got', other: 'other' })
    const target = folder()
    fs.writeFileSync(join(target, 'sub'), 'of somebody')
    fs.symlinkSync(outside, join(target, 'l'))
    const { code, out } = await served.run('get', '-r', 'd', target, '--json')
    expect(code).toBe(1)
    const { failures } = JSON.parse(out) as TreeReport
    expect(failures.map(({ path }) => path).toSorted()).toEqual(['d/l', 'd/l/f', 'd/sub', 'd/sub/f'])
    expect(fs.readdirSync(outside)).toEqual([])
    expect(fs.readFileSync(join(target, 'sub'), 'utf8')).toBe('of somebody')
  })

  test('one file to a pipe is refused; to a link, the file that the link leads to is replaced', async () => {
    const served = serve()
    await filled(served)
    const target = folder()
    Bun.spawnSync(['mkfifo', join(target, 'pipe')])
    expect(await served.run('get', 'd/f', join(target, 'pipe'))).toMatchObject({ code: 1 })
    expect(fs.lstatSync(join(target, 'pipe')).isFIFO()).toBe(true)
    fs.writeFileSync(join(target, 'real'), 'before')
    fs.symlinkSync('real', join(target, 'link'))
    expect(await served.run('get', 'd/f', join(target, 'link'))).toMatchObject({ code: 0 })
    expect(fs.readlinkSync(join(target, 'link'))).toBe('real')
    expect(fs.readFileSync(join(target, 'real'), 'utf8')).toBe('got')
    expect(fs.readdirSync(target).toSorted()).toEqual(['link', 'pipe', 'real'])
  })

  test.each(['', '/', '//'])(
    'a target that is a link to a folder is that folder (%p behind it)',
    async (end) => {
      const served = serve()
      await filled(served)
      const around = folder()
      fs.mkdirSync(join(around, 'real'))
      fs.symlinkSync('real', join(around, 'link'))
      expect(await served.run('get', '-r', 'd', join(around, 'link') + end)).toMatchObject({ code: 0 })
      expect(fs.readFileSync(join(around, 'real/f'), 'utf8')).toBe('got')
      expect(fs.lstatSync(join(around, 'link')).isSymbolicLink()).toBe(true)
    },
  )
})

describe('modes', () => {
  const putMode = async (served: Served, path: string, mode: string, isDirectory = false) =>
    served.harness.request('PUT', `/v1/${isDirectory ? 'dirs' : 'files'}/${path}`, {
      headers: { 'Stillpoint-Mode': mode },
      ...(isDirectory ? {} : { body: 'x' }),
    })

  test('no entry becomes set-user-ID or set-group-ID; the rest of its mode is kept', async () => {
    const served = serve()
    for (const bits of ['4755', '2755', '6711', '0666', '0000', '1777']) {
      await putMode(served, `d/f${bits}`, bits)
      await putMode(served, `d/d${bits}`, bits, true)
    }
    await served.harness.request('PUT', '/v1/files/d/large', {
      headers: { 'Stillpoint-Mode': '4711' },
      body: 'x'.repeat(2 ** 20 + 1),
    })
    served.harness.publish()
    const target = join(folder(), 'new')
    expect(await served.run('get', '-r', 'd', target)).toMatchObject({ code: 0, err: '' })
    for (const name of fs.readdirSync(target)) {
      const bits = name === 'large' ? '4711' : name.slice(1)
      expect([name, modeOf(join(target, name))]).toEqual([name, Number.parseInt(bits, 8) & 0o1777])
    }
    expect(await served.run('get', 'd/f6711', join(target, 'alone'))).toMatchObject({ code: 0 })
    expect(modeOf(join(target, 'alone'))).toBe(0o711)
  })

  test("a folder is its owner's alone until all of it is there, whatever the mask of the process", async () => {
    for (const mask of [0, 0o777]) {
      const target = join(folder(), 'new')
      const seen: (readonly number[])[] = []
      const served = serve((request) => {
        if (request.url.includes('/v1/files/d/') && request.method === 'GET')
          seen.push(['', 'a', 'a/b'].map((name) => modeOf(join(target, name))))
        return null
      })
      for (const name of ['a', 'a/b']) await putMode(served, `d/${name}`, '0777', true)
      await served.harness.request('PUT', '/v1/dirs/d', { headers: { 'Stillpoint-Mode': '0755' } })
      await filled(served, { 'a/b/one': 'x'.repeat(70_000), 'z/two': 'x'.repeat(70_000) })
      const before = process.umask(mask)
      const { code } = await served.run('get', '-r', 'd', target).finally(() => process.umask(before))
      expect([mask, code]).toEqual([mask, 0])
      expect(seen.length).toBe(2)
      for (const modes of seen) expect(modes[0]).toBe(0o700)
      expect(seen[0]).toEqual([0o700, 0o700, 0o700])
      expect(['a', 'a/b', 'a/b/one'].map((name) => modeOf(join(target, name)))).toEqual([0o777, 0o777, 0o644])
    }
  })

  test('a folder that was open and is to be private is private before its first file comes', async () => {
    const target = folder()
    fs.mkdirSync(join(target, 'a'), { mode: 0o755 })
    const seen: number[] = []
    const served = serve((request) => {
      if (request.url.includes('/v1/files/d/a/secret') && request.method === 'GET')
        seen.push(modeOf(join(target, 'a')))
      return null
    })
    await putMode(served, 'd/a', '0700', true)
    await filled(served, { 'a/secret': 'x'.repeat(70_000) })
    expect(await served.run('get', '-r', 'd', target)).toMatchObject({ code: 0 })
    expect(seen).toEqual([0o700])
  })

  test('a second get into folders that are read-only is as good as the first', async () => {
    const served = serve()
    for (const [name, bits] of [
      ['a', '0555'],
      ['a/b', '0000'],
      ['a/b/c', '0311'],
    ] as const)
      await putMode(served, `d/${name}`, bits, true)
    await filled(served, { 'a/f': 'one', 'a/b/f': 'two', 'a/b/c/f': 'three' })
    const target = join(folder(), 'new')
    const run = async () => {
      // Without the rights of the administrator, which would hide a mode.
      const child = Bun.spawn(
        [
          ...(isRoot
            ? ['setpriv', '--securebits', '+noroot', '--bounding-set', '-all', '--inh-caps', '-all']
            : []),
          process.execPath,
          join(import.meta.dir, '../../../src/cli/main.ts'),
          'get',
          '-r',
          'd',
          target,
          '--url',
          served.url,
        ],
        { stderr: 'pipe', stdout: 'pipe', env: { ...process.env, HOME: '/nonexistent' } },
      )
      return { err: await child.stderr.text(), code: await child.exited }
    }
    for (let at = 0; at < 2; at++) {
      expect(await run()).toEqual({ err: '', code: 0 })
      expect(['a', 'a/b'].map((name) => modeOf(join(target, name)))).toEqual([0o555, 0])
    }
    for (const name of ['a', 'a/b', 'a/b/c']) fs.chmodSync(join(target, name), 0o755)
  })

  test('a target that was there keeps its mode and its group bit', async () => {
    const served = serve()
    await filled(served)
    const target = folder()
    for (const mode of [0o2775, 0o555, 0o700]) {
      fs.chmodSync(target, mode)
      expect(await served.run('get', '-r', 'd', target)).toMatchObject({ code: 0 })
      expect(modeOf(target)).toBe(mode)
    }
  })
})

describe('what is left behind', () => {
  const parts = (target: string): string[] =>
    fs.readdirSync(target, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.part'))

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'])(
    '%s in the middle of a copy: no part of a file',
    async (signal) => {
      for (const inputs of [
        ['get', '-r', 'd', 'TARGET'],
        ['get', 'd/a', 'TARGET/a'],
      ]) {
        const target = folder()
        const arrived = Promise.withResolvers<void>()
        const served = serve((request) => {
          if (!request.url.includes('/v1/files/d/') || request.method !== 'GET') return null
          // The content begins and does not end.
          const body = new ReadableStream<Uint8Array>({
            pull: (controller) => {
              controller.enqueue(new Uint8Array(70_000))
              if (parts(target).length > 0) arrived.resolve()
              return new Promise((resolve) => setTimeout(resolve, 5))
            },
          })
          return new Response(body, {
            headers: { 'Stillpoint-CP': String(served.harness.files.published), ETag: etag },
          })
        })
        await filled(served, { a: 'x'.repeat(2 ** 20) })
        const stat = (await (await served.harness.request('GET', '/v1/stat/d/a')).json()) as { etag: string }
        const { etag } = stat
        const exits: number[] = []
        const ended = Promise.withResolvers<void>()
        const running = runCommand(
          [...inputs.map((text) => text.replace('TARGET', target)), '--url', served.url],
          {
            signal: () => arrived.promise.then(() => signal),
            onExit: (code) => {
              exits.push(code)
              expect(parts(target)).toEqual([])
              ended.resolve()
            },
          },
        )
        await Promise.race([ended.promise, running])
        expect(exits).toEqual([{ SIGTERM: 143, SIGINT: 130, SIGHUP: 129 }[signal]])
      }
    },
  )

  test('parts of a run that was killed are removed by the next run, and those of one that runs are not', async () => {
    const served = serve()
    await filled(served, { 'sub/f': 'got' })
    const target = folder()
    fs.mkdirSync(join(target, 'sub'))
    const dead = Bun.spawn(['true'])
    await dead.exited
    const uuid = '0b0e7c3a-6d55-4a5e-9b6f-0123456789ab'
    const name = (id: number) => `.stillpoint-${id}-${uuid}-0.part`
    for (const place of ['', 'sub']) {
      fs.writeFileSync(join(target, place, name(dead.pid)), 'part')
      fs.writeFileSync(join(target, place, name(process.ppid)), 'part')
    }
    fs.writeFileSync(join(target, '.stillpoint-mine.part'), 'of somebody')
    expect(await served.run('get', '-r', 'd', target)).toMatchObject({ code: 0 })
    expect(parts(target).toSorted()).toEqual(
      ['.stillpoint-mine.part', name(process.ppid), `sub/${name(process.ppid)}`].toSorted(),
    )
  })
})

describe('folders that take two names for one', () => {
  test.each([
    ['README', 'readme'],
    ['straße', 'STRASSE'],
    ['é', 'e\u0301'],
    ['a', 'a.'],
    ['a', 'a '],
    ['ſ', 's'],
  ])('%p and %p', (one, other) => {
    const names = new BlindNames([])
    names.take(one)
    names.take(one)
    expect(() => names.take(other)).toThrow('the same name')
    expect(() => new BlindNames([one]).take(other)).toThrow('the same name')
    names.take(`${other}x`)
  })

  test('two names of the server are one file here: the second is refused by its name', async () => {
    const served = serve()
    await filled(served, {
      A: 'first',
      a: 'second',
      'Sub/f': 'third',
      'sub/f': 'fourth',
      b: 'fifth',
      'new/N': 'sixth',
      'new/n': 'seventh',
    })
    const target = folder()
    // Stands for a file system that finds a file by its name in capitals.
    const real = fs.lstatSync
    const spy = spyOn(fs, 'lstatSync').mockImplementation(((path: string, options: object) => {
      const name = path.split('/').at(-1)!
      const folded = name.startsWith('.STILLPOINT-')
      return real(folded ? path.slice(0, -name.length) + name.toLowerCase() : path, options)
    }) as never)
    const { code, out } = await served.run('get', '-r', 'd', target, '--json')
    spy.mockRestore()
    expect(code).toBe(1)
    const { failures, files } = JSON.parse(out) as TreeReport
    expect(failures.map(({ path }) => path)).toEqual(['d/a', 'd/new/n', 'd/sub', 'd/sub/f'])
    expect(files).toBe(4)
  })
})

describe('holes', () => {
  test('what is not written is zeros, and what is written is the rest', () => {
    for (const [position, length] of [
      [0, 20_000],
      [100, 20_000],
      [4096, 8192],
      [5000, 3],
    ] as const) {
      const piece = new Uint8Array(length)
      for (const at of [0, 1, 7_000, 12_287, 12_288, length - 1]) if (at < length) piece[at] = 1
      const whole = new Uint8Array(length)
      for (const [from, to] of writtenParts(piece, position)) whole.set(piece.subarray(from, to), from)
      expect(whole).toEqual(piece)
    }
    expect([...writtenParts(new Uint8Array(12_288), 0)]).toEqual([])
    expect([...writtenParts(new Uint8Array(12_288), 1)]).toEqual([])
    expect([...writtenParts(new Uint8Array(8192).fill(1, 4096), 0)]).toEqual([[4096, 8192]])
  })

  test('a file with holes comes back with holes, of the same size, by both ways', async () => {
    const served = serve()
    const source = folder()
    const size = 32 * 2 ** 20
    for (const [name, at] of [
      ['end', size - 10],
      ['middle', size / 2],
      ['nothing', -1],
    ] as const) {
      const descriptor = fs.openSync(join(source, name), 'w')
      if (at >= 0) fs.writeSync(descriptor, 'data', at)
      fs.ftruncateSync(descriptor, size)
      fs.closeSync(descriptor)
    }
    expect(await served.run('put', '-r', source, 'd')).toMatchObject({ code: 0 })
    served.harness.publish()
    const target = join(folder(), 'new')
    expect(await served.run('get', '-r', 'd', target)).toMatchObject({ code: 0 })
    expect(await served.run('get', 'd/end', join(target, 'alone'))).toMatchObject({ code: 0 })
    for (const [name, of] of [
      ['end', 'end'],
      ['middle', 'middle'],
      ['nothing', 'nothing'],
      ['alone', 'end'],
    ] as const) {
      const stat = fs.statSync(join(target, name))
      expect([name, stat.size, stat.blocks * 512 < 2 ** 20]).toEqual([name, size, true])
      expect(fs.readFileSync(join(target, name)).equals(fs.readFileSync(join(source, of)))).toBe(true)
    }
  })
})
