/** Attributes, links, moves, preconditions, batches: the rules that the model has no fields for. */
import { describe, expect, test } from 'bun:test'
import { type Listing, batchBytesMax, batchOperationsMax } from '../../../src/fs/contract.ts'
import { readPublished } from '../../../src/fs/read/read-view.ts'
import { StillpointError } from '../../../src/lib/errors.ts'
import { FakeVolume, bytesOf, codeOf, p } from '../volume.ts'

const stat = (volume: FakeVolume, path: string) => volume.with((view) => view.stat(p(path)))

describe('attributes', () => {
  test('PUT replaces them and keeps the creation time; PATCH and move keep them', async () => {
    let nowMs = 1000
    const volume = new FakeVolume({ nowMs: () => nowMs })
    const attributes = { contentType: 'text/plain', meta: { owner: 'me' }, mode: 0o600, modifiedMs: 77 }
    const first = await volume.files.putFile(p('f'), bytesOf(10), attributes)
    expect(first.stat).toMatchObject({ ...attributes, createdMs: 1000, kind: 'file', size: 10, target: null })
    expect(await stat(volume, 'f')).toEqual(first.stat)

    nowMs = 2000
    const patched = await volume.files.patchFile(p('f'), 'end', bytesOf(5))
    expect(patched.stat).toMatchObject({ ...attributes, createdMs: 1000, modifiedMs: 2000, size: 15 })
    expect(patched.stat.etag).not.toBe(first.stat.etag)
    const moved = await volume.files.move(p('f'), p('d/g'), { overwrite: false })
    expect(moved.stat).toEqual(patched.stat)

    nowMs = 3000
    const again = await volume.files.putFile(p('d/g'), bytesOf(1), {})
    expect(again).toMatchObject({ created: false })
    expect(again.stat).toMatchObject({
      contentType: null,
      meta: {},
      mode: 0o644,
      createdMs: 1000,
      modifiedMs: 3000,
    })
    await volume.close()
  })

  test('times have nanoseconds, from the year 0 to the year 9999', async () => {
    const nowMs = 1000
    const volume = new FakeVolume({ nowMs: () => nowMs })
    const ends = [Date.parse('0000-01-01T00:00:00.000Z'), Date.parse('9999-12-31T23:59:59.999Z')] as const
    for (const modifiedMs of [ends[0], -62_135_596_800_001, -1001, -1, 0, 77, ends[1]])
      for (const modifiedNanos of [0, 1, 999_999]) {
        const { stat: put } = await volume.files.putFile(p('d/f'), bytesOf(1), { modifiedMs, modifiedNanos })
        expect(put).toMatchObject({ modifiedMs, modifiedNanos, createdMs: 1000, createdNanos: 0 })
        await volume.files.makeDirectory(p('d'), { modifiedMs, modifiedNanos })
        expect(await stat(volume, 'd/f')).toEqual(put)
        const { stat: made } = await volume.files.makeDirectory(p('d'), { mode: 0o700 })
        expect(made).toMatchObject({ modifiedMs, modifiedNanos })
      }
    expect((await volume.files.move(p('d/f'), p('g'), { overwrite: false })).stat.modifiedNanos).toBe(999_999)
    const patched = await volume.files.patchFile(p('g'), 0, bytesOf(2))
    expect(patched.stat).toMatchObject({ modifiedMs: 1000, modifiedNanos: 0 })
    await volume.files.putFile(p('g'), bytesOf(1), { modifiedMs: 5, modifiedNanos: 5 })
    expect((await volume.files.resizeFile(p('g'), 9)).stat).toMatchObject({
      modifiedMs: 1000,
      modifiedNanos: 0,
    })
    const put = (attributes: Parameters<typeof volume.files.putFile>[2]) =>
      codeOf(volume.files.putFile(p('x'), bytesOf(1), attributes))
    expect(await put({ modifiedMs: ends[0] - 1 })).toBe('bad-parameter')
    expect(await put({ modifiedMs: ends[1] + 1 })).toBe('bad-parameter')
    expect(await put({ modifiedMs: Number.NaN })).toBe('bad-parameter')
    for (const modifiedNanos of [-1, 1_000_000, Number.NaN])
      expect(await put({ modifiedMs: 0, modifiedNanos })).toBe('bad-parameter')
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('long metadata lies in a record, moves with its entry, and goes with it', async () => {
    const volume = new FakeVolume()
    const meta = { a: 'x'.repeat(1000), b: 'ü'.repeat(500) }
    await volume.files.putFile(p('f'), bytesOf(10), { meta })
    await volume.files.move(p('f'), p('n'.repeat(255)), { overwrite: false })
    const patched = await volume.files.patchFile(p('n'.repeat(255)), 0, bytesOf(300_000))
    expect(patched.stat.meta).toEqual(meta)
    expect((await stat(volume, 'n'.repeat(255))).meta).toEqual(meta)
    await volume.files.makeDirectory(p('d'), { meta })
    const made = await volume.files.makeDirectory(p('d'), { mode: 0o700 })
    expect(made).toMatchObject({ created: false, stat: { mode: 0o700, meta } })
    await volume.with(async (view) => {
      const { entries } = await view.list(p(''), { after: null, limit: 10, recursive: true })
      expect(entries.map((entry) => entry.stat.meta)).toEqual([meta, meta])
    })
    await volume.files.deleteFile(p('n'.repeat(255)))
    await volume.files.deleteDirectory(p('d'), { recursive: false })
    expect(await volume.check()).toEqual([])
    expect(volume.engine.items).toEqual([])
    await volume.close()
  })

  test('a directory that must be new is made once, and who comes later changes nothing of it', async () => {
    const volume = new FakeVolume()
    const make = (mode: number) => volume.files.makeDirectory(p('d/e'), { mode }, { ifNoneMatch: '*' })
    const made = await Promise.allSettled([make(0o700), make(0o711), make(0o722)])
    const winner = made.find((each) => each.status === 'fulfilled')
    expect(made.filter((each) => each.status === 'fulfilled')).toHaveLength(1)
    expect(winner?.value).toMatchObject({ created: true })
    expect(await codeOf(make(0o733))).toBe('precondition-failed')
    expect(await stat(volume, 'd/e')).toEqual(winner!.value.stat)
    await volume.files.putFile(p('f'), bytesOf(1), {})
    const over = volume.files.makeDirectory(p('f'), {}, { ifNoneMatch: '*' })
    expect(await codeOf(over)).toBe('not-a-directory')
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('too much is refused before anything is applied', async () => {
    const volume = new FakeVolume()
    const put = (attributes: Parameters<typeof volume.files.putFile>[2]) =>
      codeOf(volume.files.putFile(p('a/b'), bytesOf(1), attributes))
    expect(await put({ meta: { a: 'x'.repeat(2048) } })).toBe('metadata-too-large')
    expect(await put({ meta: { a: 'x'.repeat(2047) } })).toBe('ok')
    expect(await put({ meta: { ['n'.repeat(65)]: '' } })).toBe('metadata-too-large')
    expect(await put({ contentType: 'x'.repeat(256) })).toBe('metadata-too-large')
    expect(await put({ meta: { 'Not-Lower': '' } })).toBe('bad-parameter')
    expect(await put({ meta: { a: 'line\nfeed' } })).toBe('bad-parameter')
    expect(await put({ mode: 0o10000 })).toBe('bad-parameter')
    expect(await put({ modifiedMs: 1e18 })).toBe('bad-parameter')
    expect(await codeOf(volume.files.putLink(p('l'), 'x'.repeat(4096), {}))).toBe('metadata-too-large')
    expect(await codeOf(volume.files.putLink(p('l'), '', {}))).toBe('bad-parameter')
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('a target of any length that a system has comes back, also beside metadata', async () => {
    const volume = new FakeVolume({ cutPercent: 0 })
    const targets = [4080, 4088, 4089, 4090, 4091, 4094, 4095].map((length) => 'x'.repeat(length))
    targets.push('ä'.repeat(2047), '文'.repeat(1365))
    for (const meta of [{}, { owner: 'x'.repeat(2000) }])
      for (const [at, target] of targets.entries()) {
        const { stat: put } = await volume.files.putLink(p(`l${at}`), target, { meta })
        expect([put.target === target, put.meta]).toEqual([true, meta])
        expect(await stat(volume, `l${at}`)).toEqual(put)
      }
    await volume.files.move(p('l6'), p('d/moved'), { overwrite: false })
    expect((await stat(volume, 'd/moved')).target).toBe('x'.repeat(4095))
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('where no two free blocks lie side by side, a target that needs two is refused, and nothing is lost', async () => {
    const volume = new FakeVolume({ cutPercent: 100 })
    expect(await codeOf(volume.files.putLink(p('l'), 'x'.repeat(4090), {}))).toBe('ok')
    expect(await codeOf(volume.files.putLink(p('l'), 'y'.repeat(4095), {}))).toBe('disk-full')
    expect((await stat(volume, 'l')).target).toBe('x'.repeat(4090))
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('the root has some, too', async () => {
    const volume = new FakeVolume()
    expect(await stat(volume, '')).toMatchObject({ kind: 'directory', mode: 0o755, size: 0 })
    const made = await volume.files.makeDirectory(p(''), { mode: 0o711, meta: { x: 'y' } })
    expect(made).toMatchObject({ created: false, stat: { mode: 0o711, meta: { x: 'y' } } })
    await volume.files.putFile(p('f'), bytesOf(3), {})
    expect(await stat(volume, '')).toEqual(made.stat)
    expect(await volume.check()).toEqual([])
    await volume.close()
  })
})

test('links are entries: they are read as such, replaced by PUT, and nothing is below them', async () => {
  const volume = new FakeVolume()
  const link = await volume.files.putLink(p('l'), '../ä', {})
  expect(link.stat).toMatchObject({ kind: 'link', target: '../ä', size: 5, mode: 0o777 })
  expect(await codeOf(volume.read('l'))).toBe('is-a-link')
  expect(await codeOf(volume.files.patchFile(p('l'), 0, bytesOf(1)))).toBe('is-a-link')
  expect(await codeOf(volume.files.putFile(p('l/f'), bytesOf(1), {}))).toBe('not-a-directory')
  expect(
    await codeOf(volume.with((view) => view.list(p('l'), { after: null, limit: 1, recursive: false }))),
  ).toBe('not-a-directory')
  expect((await volume.files.putFile(p('l'), bytesOf(2), {})).created).toBe(false)
  expect(await volume.read('l')).toEqual(bytesOf(2))
  await volume.files.putLink(p('l'), 'x', {})
  await volume.files.deleteFile(p('l'))
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('a precondition that fails names the ETag that there is as answers do, in quotes', async () => {
  const volume = new FakeVolume()
  const { stat: made } = await volume.files.putFile(p('f'), bytesOf(1), {})
  const refused = (path: string, options: { ifMatch?: string[]; ifNoneMatch?: '*' }) =>
    volume.files.putFile(p(path), bytesOf(1), {}, options).catch((error: unknown) => error)
  expect(await refused('f', { ifNoneMatch: '*' })).toMatchObject({ help: { etag: `"${made.etag}"` } })
  expect(await refused('f', { ifMatch: ['x'] })).toMatchObject({ help: { etag: `"${made.etag}"` } })
  expect(await refused('g', { ifMatch: ['x'] })).toMatchObject({ help: { etag: null } })
  await volume.close()
})

test('a precondition is ignored where the answer would be another error', async () => {
  const volume = new FakeVolume()
  await volume.files.makeDirectory(p('d'), {})
  const { stat: made } = await volume.files.putFile(p('f'), bytesOf(1), {})
  const ifMatch = ['0-0-zzz']
  expect(await codeOf(volume.files.deleteFile(p('missing'), { ifMatch }))).toBe('not-found')
  expect(await codeOf(volume.files.patchFile(p('missing'), 0, bytesOf(1), { ifMatch }))).toBe('not-found')
  expect(await codeOf(volume.files.putFile(p('d'), bytesOf(1), {}, { ifMatch }))).toBe('is-a-directory')
  expect(await codeOf(volume.files.move(p('f'), p('d'), { overwrite: true, ifMatch }))).toBe('is-a-directory')
  expect(await codeOf(volume.files.putFile(p('missing'), bytesOf(1), {}, { ifMatch: '*' }))).toBe(
    'precondition-failed',
  )
  expect(await codeOf(volume.files.putFile(p('f'), bytesOf(1), {}, { ifNoneMatch: [made.etag] }))).toBe(
    'precondition-failed',
  )
  expect(await codeOf(volume.files.putFile(p('f'), bytesOf(1), {}, { ifNoneMatch: ifMatch }))).toBe('ok')
  expect(await codeOf(volume.files.deleteFile(p('f'), { ifMatch: [made.etag] }))).toBe('precondition-failed')
  await volume.close()
})

describe('moves', () => {
  test('may bury something deeper than a path can name: it is listed, dug out and deleted', async () => {
    const volume = new FakeVolume({ missPercent: 0 })
    const names = (name: string, count: number) => Array.from({ length: count }, () => name).join('/')
    await volume.files.putFile(p(`${names('a', 200)}/f`), bytesOf(5), {})
    await volume.files.makeDirectory(p(names('b', 200)), {})
    await volume.files.move(p('a'), p(`${names('b', 200)}/a`), { overwrite: false })
    let after: readonly string[] | null = null
    let listed = 0
    do {
      const options = { after, limit: 1, recursive: true }
      const page: Listing = await volume.with((view) => view.list(p(''), options))
      listed += page.entries.length
      after = page.next
    } while (after)
    expect(listed).toBe(401)
    // Half of it, and the rest can be named again.
    await volume.files.move(p(names('b', 150)), p('c'), { overwrite: false })
    await volume.files.move(p(`c/${names('b', 50)}/${names('a', 100)}`), p('d'), { overwrite: false })
    expect(await volume.read(`d/${names('a', 100)}/f`)).toEqual(bytesOf(5))
    await volume.files.move(p('d'), p(`c/${names('b', 50)}/${names('a', 99)}/d`), { overwrite: false })
    for (const directory of ['b', 'c']) await volume.files.deleteDirectory(p(directory), { recursive: true })
    expect(await volume.check()).toEqual([])
    expect(volume.engine.items.length).toBe(0)
    await volume.close()
  })

  test('of a directory is its entry and its own item, whatever is below', async () => {
    const volume = new FakeVolume()
    for (let i = 0; i < 50; i++) await volume.files.putFile(p(`a/b/${i}`), bytesOf(10), {})
    volume.engine.largestOperation = 0
    await volume.files.move(p('a/b'), p('c'), { overwrite: false })
    expect(volume.engine.largestOperation).toBe(3)
    expect(await volume.read('c/49')).toEqual(bytesOf(10))
    await volume.close()
  })

  test('the root cannot be moved, overwritten or deleted', async () => {
    const volume = new FakeVolume()
    await volume.files.putFile(p('d/f'), bytesOf(1), {})
    expect(await codeOf(volume.files.move(p(''), p('x'), { overwrite: true }))).toBe('into-itself')
    expect(await codeOf(volume.files.move(p('d'), p(''), { overwrite: false }))).toBe('exists')
    expect(await codeOf(volume.files.move(p('d'), p(''), { overwrite: true }))).toBe('directory-not-empty')
    expect(await codeOf(volume.files.move(p('d/f'), p(''), { overwrite: true }))).toBe('is-a-directory')
    expect(await codeOf(volume.files.deleteDirectory(p(''), { recursive: true }))).toBe('forbidden')
    await volume.close()
  })
})

describe('batches', () => {
  test('later operations see earlier ones, and what an earlier one made may go again', async () => {
    const volume = new FakeVolume()
    const { result } = await volume.files.batch([
      { op: 'put', path: p('a'), content: bytesOf(100), meta: { long: 'x'.repeat(1500) } },
      { op: 'put', path: p('a'), content: bytesOf(200), ifMatch: '*' },
      { op: 'move', from: p('a'), to: p('d/b') },
      { op: 'mkdir', path: p('d') },
      { op: 'put', path: p('big'), content: bytesOf(400_000) },
      { op: 'delete', path: p('big') },
      { op: 'put', path: p('d/c'), content: bytesOf(0) },
      { op: 'delete', path: p('d/c') },
      { op: 'put', path: p('e/f'), content: bytesOf(5) },
      { op: 'delete', path: p('e'), recursive: true },
    ])
    expect(result.map(({ status }) => status)).toEqual([201, 200, 201, 200, 201, 204, 201, 204, 201, 204])
    expect(await volume.read('d/b')).toEqual(bytesOf(200))
    expect(await volume.check()).toEqual([])
    expect(volume.engine.items.length).toBe(3)
    await volume.close()
  })

  test('the first that fails is named, and nothing is applied', async () => {
    const volume = new FakeVolume()
    await volume.files.putFile(p('f'), bytesOf(1), {})
    const before = volume.engine.items.length
    for (const last of [
      { op: 'delete', path: p('missing') } as const,
      { op: 'put', path: p('x'), content: bytesOf(1), meta: { a: 'x'.repeat(3000) } } as const,
    ]) {
      const work = volume.files.batch([
        { op: 'put', path: p('a'), content: bytesOf(300_000) },
        { op: 'delete', path: p('f') },
        last,
      ])
      const error = await work.catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(StillpointError)
      expect((error as StillpointError).help.index).toBe(2)
      expect(volume.engine.items.length).toBe(before)
    }
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('limits', async () => {
    const volume = new FakeVolume()
    const mkdir = (i: number) => ({ op: 'mkdir', path: p(`${i}`) }) as const
    const many = Array.from({ length: batchOperationsMax + 1 }, (_, i) => mkdir(i))
    expect(await codeOf(volume.files.batch(many))).toBe('too-large')
    expect(await codeOf(volume.files.batch(many.slice(1)))).toBe('ok')
    const content = new Uint8Array(batchBytesMax / 2)
    const put = (name: string, bytes: Uint8Array) => ({ op: 'put', path: p(name), content: bytes }) as const
    expect(await codeOf(volume.files.batch([put('a', content), put('b', content)]))).toBe('ok')
    expect(
      await codeOf(volume.files.batch([put('a', content), put('b', content), put('c', bytesOf(1))])),
    ).toBe('too-large')
    expect((await volume.files.batch([])).result).toEqual([])
    expect(await volume.check()).toEqual([])
    await volume.close()
  })
})

describe('listings', () => {
  test('pages of a large directory, in the order of bytes', async () => {
    const volume = new FakeVolume({ missPercent: 1 })
    const names = Array.from(
      { length: 900 },
      (_, i) => `${'ZaäÄ~é'[i % 6]}${i % 7 === 0 ? '' : ' '}${i * 7919}`,
    )
    await volume.files.batch(names.map((name) => ({ op: 'put', path: p(`d/${name}`), content: bytesOf(1) })))
    await volume.files.batch([{ op: 'put', path: p('e'), content: bytesOf(1) }])
    const published = await volume.engine.requestCp('requested')
    const expected = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (const view of [volume.files.view(), readPublished(volume.engine, published)]) {
      const listed: string[] = []
      let after: readonly string[] | null = null
      do {
        const page: Awaited<ReturnType<typeof view.list>> = await view.list(p('d'), {
          after,
          limit: 271,
          recursive: false,
        })
        listed.push(...page.entries.map((entry) => entry.path[0]!))
        after = page.next
      } while (after)
      expect(listed).toEqual(expected)
      const whole = await view.list(p('d'), { after: null, limit: 1000, recursive: true })
      expect(whole).toMatchObject({ next: null })
      expect(whole.entries.length).toBe(900)
      expect((await view.list(p('d'), { after: null, limit: 900, recursive: true })).next).toBeNull()
      // A position that is gone is still a position.
      const behind = await view.list(p('d'), { after: ['b', 'gone'], limit: 1, recursive: true })
      expect(behind.entries[0]!.path[0]! > 'b').toBe(true)
      view.release()
    }
    expect(await volume.check()).toEqual([])
    await volume.close()
  })
})
