/** Names, link targets and contents with odd characters, through the door over a real volume and through the command line. */
import { expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { encodePath } from '../../sdk/src/paths.ts'
import { nameProblem } from '../../src/fs/paths.ts'
import { encodeUtf8 } from '../../src/lib/bytes.ts'
import { servers } from '../cli/cli-harness.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'
import { around, byteOrderMark, oddOnes } from '../odd-characters.ts'
import { expectProblem, readJson } from './harness.ts'
import { RealApp } from './real-app.ts'
import { get, jsonAsk, put } from './usual.ts'

/** In the order of a listing. */
const namesOf = (characters: readonly string[]): string[] =>
  [...new Set(characters.flatMap(around))]
    .filter((name) => nameProblem(name) === null)
    .toSorted((a, b) => Buffer.compare(encodeUtf8(a), encodeUtf8(b)))
const few = [byteOrderMark, '\u200b', '\u00a0', '\u2028', '\ufffd', '\uffff', '\u{10ffff}', ' ', 'e\u0301']

async function filled(names: readonly string[]): Promise<RealApp> {
  const app = await RealApp.create()
  for (let at = 0; at < names.length; at += 200) {
    const operations = names
      .slice(at, at + 200)
      .flatMap((name) => [{ op: 'put', path: `d/${name}`, text: name }])
    expect((await app.ask(jsonAsk('/v1/batch', { operations }))).status).toBe(200)
  }
  return app
}

interface Listed {
  readonly entries: { path: string }[]
  readonly next: string | null
}
async function pages(app: RealApp, path: string, query: string): Promise<string[]> {
  const found: string[] = []
  for (let next: string | null = ''; next !== null;) {
    const page = (await readJson(
      app.ask(get(`${path}?${query}${next && `&cursor=${next}`}`)),
    )) as unknown as Listed
    found.push(...page.entries.map((entry) => entry.path))
    // A cursor that points before its entry would repeat for ever.
    expect(found.length).toBeLessThan(10_000)
    next = page.next
  }
  return found
}

test('every odd name is listed as it was given, in any pages, and leads to its content', async () => {
  const names = namesOf(oddOnes)
  const app = await filled(names)
  for (const reopened of [false, true]) {
    if (reopened) await app.reopen()
    for (const query of [
      'limit=1000',
      'limit=7',
      'limit=1',
      'limit=7&content=10',
      'limit=500&recursive=true',
    ])
      expect(await pages(app, '/v1/dirs/d', query)).toEqual(names)
    expect(await pages(app, '/v1/dirs', 'limit=3&recursive=true')).toEqual([
      'd',
      ...names.map((name) => `d/${name}`),
    ])
  }
  for (const name of names) {
    const answer = await app.fetch(new Request(`http://test/v1/files/${encodePath(`d/${name}`)}`))
    expect(Buffer.compare(await answer.bytes(), encodeUtf8(name))).toBe(0)
    expect(await readJson(app.ask(get(`/v1/stat/${encodePath(`d/${name}`)}`)))).toMatchObject({
      path: `d/${name}`,
    })
  }
}, 30_000)

test('every odd target of a link is told as it was given', async () => {
  const app = await RealApp.create()
  for (const target of namesOf(oddOnes)) {
    const made = await app.ask(put('/v1/files/l', null, { 'Stillpoint-Link': encodeURIComponent(target) }))
    expect(made.ok).toBe(true)
    expect(await readJson(app.ask(get('/v1/stat/l')))).toMatchObject({ kind: 'link', target })
  }
}, 30_000)

test('an odd directory, moved and removed, and one letter beside it', async () => {
  for (const odd of few) {
    const app = await RealApp.create()
    expect((await app.ask(put(`/v1/files/${encodePath(`${odd}d/f`)}`))).status).toBe(201)
    expect((await app.ask(put('/v1/files/d/f', 'another'))).status).toBe(201)
    expect((await app.ask(jsonAsk('/v1/move', { from: `${odd}d`, to: `m${odd}` }))).status).toBe(201)
    expect(await pages(app, '/v1/dirs', 'recursive=true')).toEqual(['d', 'd/f', `m${odd}`, `m${odd}/f`])
    const gone = { method: 'DELETE', path: `/v1/dirs/${encodePath(`m${odd}`)}?recursive=true` }
    expect((await app.ask(gone)).status).toBe(204)
    expect(await pages(app, '/v1/dirs', 'recursive=true')).toEqual(['d', 'd/f'])
  }
})

test('what takes no such characters refuses them, and drops none', async () => {
  const app = await RealApp.create()
  for (const odd of few.filter((text) => text !== ' '))
    for (const text of [`${odd}a/b`, `a/b${odd}`]) {
      const operation = { op: 'put', path: 'a', text: 'x' }
      const refused = (more: object) =>
        expectProblem(
          app.ask(jsonAsk('/v1/batch', { operations: [{ ...operation, ...more }] })),
          'bad-parameter',
        )
      await refused({ contentType: text })
      await refused({ meta: { a: text } })
      await refused({ ifMatch: `${odd}"x` })
    }
  const body = `${byteOrderMark}{"from":"a","to":"b"}`
  const ask = { ...jsonAsk('/v1/move', {}), body }
  await expectProblem(app.ask(ask), 'bad-json')
})

const serve = servers()
const folder = temporaryFolders()

test('a tree with odd names goes there and back by the command line', async () => {
  const { run, harness } = serve()
  const names = namesOf(few)
  const source = folder()
  for (const name of names) {
    fs.writeFileSync(join(source, name), name)
    fs.symlinkSync(name, join(source, `l${name}`))
  }
  expect(await run('put', '-r', source, 'd')).toMatchObject({ code: 0, err: '' })
  for (const name of names) expect(harness.content(`d/${name}`)).toBe(name)
  const target = join(folder(), 'new')
  expect(await run('get', '-r', 'd', target)).toMatchObject({ code: 0, err: '' })
  expect(fs.readdirSync(target).toSorted()).toEqual(fs.readdirSync(source).toSorted())
  for (const name of names) {
    expect(fs.readFileSync(join(target, name), 'utf8')).toBe(name)
    expect(fs.readlinkSync(join(target, `l${name}`))).toBe(name)
  }
  const listed = await run('ls', 'd', '--json')
  const { entries } = JSON.parse(listed.out) as { entries: readonly { name: string }[] }
  const shown = new Set(entries.map(({ name }) => name))
  expect([...names].filter((name) => !shown.has(name))).toEqual([])
  for (const name of [`${byteOrderMark}b`, `a${byteOrderMark}`, '\u00a0b', 'a\u200b']) {
    expect((await run('get', `d/${name}`, '-')).out).toBe(name)
    expect(await run('put', join(source, name), name)).toMatchObject({ code: 0 })
    expect(harness.content(name)).toBe(name)
    expect(await run('mv', name, `m/${name}`)).toMatchObject({ code: 0 })
    expect(await run('rm', `m/${name}`)).toMatchObject({ code: 0 })
    expect(harness.content(`d/${name}`)).toBe(name)
    expect([harness.content(name), harness.content(`m/${name}`)]).toEqual([undefined, undefined])
  }
}, 20_000)
