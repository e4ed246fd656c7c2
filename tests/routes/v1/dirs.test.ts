import { describe, expect, test } from 'bun:test'
import { Harness, expectProblem, readJson } from '../harness.ts'

interface Listing {
  readonly cp: number
  readonly path: string
  readonly entries: readonly {
    readonly name: string
    readonly path: string
    readonly kind: string
    readonly content?: string
  }[]
  readonly next: string | null
}
const list = async (h: Harness, path: string): Promise<Listing> =>
  (await readJson(h.request('GET', path))) as unknown as Listing
const put = (h: Harness, path: string, body = 'x') => h.request('PUT', `/v1/files/${path}`, { body })

describe('directories', () => {
  test('made, made again, deleted', async () => {
    const h = new Harness()
    const made = await h.request('PUT', '/v1/dirs/a/b', { headers: { 'Stillpoint-Mode': '700' } })
    expect(made.status).toBe(201)
    expect(await made.json()).toMatchObject({ path: 'a/b', size: 0, cp: 2, durability: 'logged' })
    expect((await h.request('PUT', '/v1/dirs/a/b')).status).toBe(200)
    expect(await readJson(h.request('GET', '/v1/stat/a/b'))).toMatchObject({
      kind: 'directory',
      mode: '0700',
    })
    const only = { headers: { 'If-None-Match': '*' } }
    await expectProblem(h.request('PUT', '/v1/dirs/a', only), 'precondition-failed')
    expect((await h.request('PUT', '/v1/dirs/c', only)).status).toBe(201)
    await expectProblem(h.request('DELETE', '/v1/dirs/a'), 'directory-not-empty')
    const gone = await h.request('DELETE', '/v1/dirs/a?recursive')
    expect(gone.status).toBe(204)
    expect(gone.headers.get('Stillpoint-CP')).toBe('2')
    expect(h.files.keys()).toEqual(['c'])
    expect(h.files.openViews).toBe(0)
  })

  test('deleted only as it was looked at', async () => {
    const h = new Harness()
    await h.request('PUT', '/v1/dirs/d')
    const remove = (headers: Record<string, string>) => h.request('DELETE', '/v1/dirs/d', { headers })
    for (const headers of [
      { 'If-Match': '"other"' },
      { 'If-None-Match': '*' },
      { 'If-Unmodified-Since': new Date(0).toUTCString() },
    ])
      await expectProblem(remove(headers), 'precondition-failed')
    expect((await remove({ 'If-Unmodified-Since': new Date(2 ** 42).toUTCString() })).status).toBe(204)
  })

  test('what is refused', async () => {
    const h = new Harness()
    await put(h, 'f')
    await expectProblem(h.request('PUT', '/v1/dirs/f'), 'not-a-directory')
    await expectProblem(h.request('PUT', '/v1/dirs/d', { body: 'x' }), 'bad-parameter')
    const lost = { 'If-Match': '*', 'If-None-Match': '"x"', 'If-Unmodified-Since': new Date(0).toUTCString() }
    for (const [name, value] of Object.entries(lost))
      await expectProblem(h.request('PUT', '/v1/dirs/d', { headers: { [name]: value } }), 'bad-parameter')
    await expectProblem(h.request('GET', '/v1/dirs/f'), 'not-a-directory')
    await expectProblem(h.request('GET', '/v1/dirs/none'), 'not-found')
    await expectProblem(h.request('DELETE', '/v1/dirs/none'), 'not-found')
    await expectProblem(h.request('DELETE', '/v1/dirs/f'), 'not-a-directory')
    await expectProblem(h.request('DELETE', '/v1/dirs/f?recursive=yes'), 'bad-parameter')
    await expectProblem(h.request('DELETE', '/v1/dirs'), 'method-not-allowed')
    for (const query of ['limit=0', 'limit=1001', 'limit=ten', 'recursive=1', 'depth=2']) {
      await expectProblem(h.request('GET', `/v1/dirs?${query}`), 'bad-parameter')
    }
    expect(h.files.keys()).toEqual(['f'])
  })
})

describe('listings', () => {
  test('of one page are of the open tree', async () => {
    const h = new Harness()
    await put(h, 'b/c')
    await put(h, 'a')
    const root = await list(h, '/v1/dirs')
    expect(root).toMatchObject({ cp: 2, path: '', next: null })
    expect(root.entries.map(({ name, kind }) => [name, kind])).toEqual([
      ['a', 'file'],
      ['b', 'directory'],
    ])
    expect(root.entries[0]).toMatchObject({ path: 'a', size: 1, cp: 2, meta: {}, mode: '0644' })
    expect(h.files.dirty).toBe(true)
    const deep = await list(h, '/v1/dirs?recursive=true')
    expect(deep.entries.map(({ path }) => path)).toEqual(['a', 'b', 'b/c'])
    expect(deep.entries[2]!.name).toBe('c')
  })

  test('of several pages are of one CP that has all that was written before', async () => {
    const h = new Harness()
    for (const name of ['e', 'd', 'c', 'b', 'a']) await put(h, `dir/${name}`)
    const names: string[] = []
    const cps = new Set<number>()
    let query = '?limit=2'
    for (;;) {
      const page = await list(h, `/v1/dirs/dir${query}`)
      names.push(...page.entries.map(({ name }) => name))
      cps.add(page.cp)
      if (page.next === null) break
      query = `?limit=2&cursor=${page.next}`
      await put(h, `dir/${names.length}new`)
    }
    expect(names).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect([...cps]).toEqual([2])
    expect(h.files.openViews).toBe(0)
  })

  test('goes on where a move has left something deeper than a path can name', async () => {
    const h = new Harness()
    const names = (name: string) => Array.from({ length: 200 }, () => name).join('/')
    await put(h, `${names('a')}/f`)
    await h.request('PUT', `/v1/dirs/${names('b')}`)
    expect((await h.json('POST', '/v1/move', { from: 'a', to: `${names('b')}/a` })).status).toBe(201)
    let deepest = 0
    let next: string | null = ''
    while (next !== null) {
      const page = await list(h, `/v1/dirs?recursive=true&limit=150${next && `&cursor=${next}`}`)
      deepest = Math.max(deepest, ...page.entries.map(({ path }) => path.split('/').length))
      next = page.next
    }
    expect(deepest).toBe(401)
    await expectProblem(h.request('GET', `/v1/stat/${names('b')}/${names('a')}`), 'bad-path')
  })

  test('a cursor belongs to its listing', async () => {
    const h = new Harness()
    for (const name of ['a', 'b', 'c']) await put(h, `dir/${name}`)
    const { next, cp } = await list(h, '/v1/dirs/dir?limit=1')
    const cursor = next!
    const flipped = (cursor[3] === 'A' ? 'B' : 'A') + cursor.slice(1)
    const bad = [
      `/v1/dirs/dir?cursor=${flipped}`,
      `/v1/dirs/dir?cursor=${cursor.slice(0, -2)}`,
      '/v1/dirs/dir?cursor=',
      '/v1/dirs/dir?cursor=AAAA',
      '/v1/dirs/dir?cursor=***',
      `/v1/dirs?cursor=${cursor}`,
      `/v1/dirs/dir?recursive=true&cursor=${cursor}`,
      `/v1/dirs/dir?cp=${cp - 1}&cursor=${cursor}`,
      `/v1/cps?cursor=${cursor}`,
    ]
    for (const path of bad) await expectProblem(h.request('GET', path), 'bad-cursor')
    await expectProblem(h.request('GET', `/v1/dirs/dir?minCp=1&cursor=${cursor}`), 'bad-parameter')
    expect((await list(h, `/v1/dirs/dir?cp=${cp}&limit=5&cursor=${cursor}`)).entries).toHaveLength(2)
    h.images.clear()
    await expectProblem(h.request('GET', `/v1/dirs/dir?cursor=${cursor}`), 'cp-gone')
  })

  test('bring small contents where that is asked for', async () => {
    const h = new Harness()
    await put(h, 'a', 'small')
    await put(h, 'b/empty', '')
    await put(h, 'b/large', 'x'.repeat(100))
    const contents = async (query: string) =>
      (await list(h, `/v1/dirs?recursive=true${query}`)).entries.map(({ content }) => content ?? null)
    expect(await contents('&content=99')).toEqual(['c21hbGw=', null, '', null])
    expect(await contents('&content=100')).toEqual(['c21hbGw=', null, '', btoa('x'.repeat(100))])
    expect(await contents('')).toEqual([null, null, null, null])
    // Like the limit, it may differ from page to page.
    const { next } = await list(h, '/v1/dirs?recursive=true&limit=1&content=9')
    expect(await contents(`&content=9&cursor=${next}`)).toEqual([null, '', null])
    h.publish()
    const mirror = (await readJson(h.onMirror('GET', '/v1/dirs?content=9'))) as unknown as Listing
    expect(mirror.entries[0]).toMatchObject({ name: 'a', content: 'c21hbGw=' })
    for (const content of ['65537', '0', '-1', 'true', ''])
      await expectProblem(h.request('GET', `/v1/dirs?content=${content}`), 'bad-parameter')
  })

  test('let others have their turn as soon as they take long', async () => {
    const h = new Harness()
    for (const name of ['a', 'b', 'c', 'd']) await put(h, name)
    let turns = 0
    h.clock.yield = async () => void turns++
    await list(h, '/v1/dirs')
    expect(turns).toBe(0)
    let now = 0
    h.clock.monotonic = () => (now += 2)
    await list(h, '/v1/dirs')
    expect(turns).toBeGreaterThan(0)
    expect(turns).toBeLessThan(4)
  })

  test('of a given CP, and on a mirror', async () => {
    const h = new Harness()
    await put(h, 'a')
    await put(h, 'b')
    const cp = h.publish()
    await put(h, 'c')
    const first = await list(h, `/v1/dirs?cp=${cp}&limit=1`)
    expect(first.cp).toBe(cp)
    const second = await list(h, `/v1/dirs?cursor=${first.next}`)
    expect(second.entries.map(({ name }) => name)).toEqual(['b'])
    expect(h.files.dirty).toBe(true)
    const mirror = (await readJson(h.onMirror('GET', '/v1/dirs?limit=1'))) as unknown as Listing
    expect(mirror.cp).toBe(cp)
    const rest = (await readJson(h.onMirror('GET', `/v1/dirs?cursor=${mirror.next}`))) as unknown as Listing
    expect(rest.entries.map(({ name }) => name)).toEqual(['b'])
  })
})
