/** Content types come from names alone: a table says them, and no charset is claimed of a content that nobody has read. */
import { expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { contentTypeOf } from '../../src/cli/trees/local-stat.ts'
import { servers } from './cli-harness.ts'
import { temporaryFolders } from './temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()

test.each([
  ['p.html', 'text/html'],
  ['P.HTM', 'text/html'],
  ['n.txt', 'text/plain'],
  ['a.css', 'text/css'],
  ['a.js', 'text/javascript'],
  ['a.json', 'application/json'],
  ['a.xml', 'application/xml'],
  ['a.csv', 'text/csv'],
  ['a.md', 'text/markdown'],
  ['a.svg', 'image/svg+xml'],
  ['a.tar.gz', 'application/gzip'],
  ['a.woff2', 'font/woff2'],
  ['a.wasm', 'application/wasm'],
  ['a.ts', undefined],
  ['a.mts', undefined],
  ['html', undefined],
  ['.html', undefined],
  ['README', undefined],
  ['a.', undefined],
  ['a.html.none-such', undefined],
  ['html.d/README', undefined],
])('%s is %s', (name, type) => {
  expect(contentTypeOf(name)).toBe(type)
  expect(contentTypeOf(join('/some/folder', name))).toBe(type)
})

test('no name has a charset', () => {
  for (const extension of [
    'txt',
    'html',
    'xhtml',
    'css',
    'js',
    'mjs',
    'json',
    'xml',
    'csv',
    'md',
    'svg',
    'yaml',
    'ics',
  ])
    expect(contentTypeOf(`a.${extension}`)).not.toContain('charset')
})

test('put and put -r store what was found, and the default where nothing was', async () => {
  const source = folder()
  for (const name of ['p.html', 'n.txt', 'plain']) fs.writeFileSync(join(source, name), 'caf\xe9', 'latin1')
  const { run, harness } = serve()
  expect((await run('put', '-r', source, 't')).code).toBe(0)
  expect((await run('put', join(source, 'p.html'), 'one')).code).toBe(0)
  const typeOf = async (path: string) =>
    (await harness.request('GET', `/v1/files/${path}`)).headers.get('Content-Type')
  expect(await typeOf('t/p.html')).toBe('text/html')
  expect(await typeOf('t/n.txt')).toBe('text/plain')
  expect(await typeOf('t/plain')).toBe('application/octet-stream')
  expect(await typeOf('one')).toBe('text/html')
})
