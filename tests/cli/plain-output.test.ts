/** Words of a server come to a terminal in every place of an answer; none of them is obeyed. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { plainText } from '../../src/cli/command/plain-output.ts'
import { oneLine, servers } from './cli-harness.ts'
import { temporaryFolders } from './temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()
/** Clear the screen, the 8-bit form of it, a title, turned text, a tag that nobody sees. */
const bad = '\u001b[2J\u009b2J\u001b]0;title\u0007\u202e\u2066\u200f\ufeff\u{e0041}\r\b'
const obeyed =
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\u{e0041}/u

test('plain text stays, and what is obeyed is shown; for JSON it is the same text', () => {
  const kept = 'ünï — 文件 👩‍👩‍👧 می‌خواهم\ta\nb,c\r\n \\ "'
  expect(plainText(kept)).toBe(kept)
  expect(plainText(bad)).not.toMatch(obeyed)
  expect(JSON.parse(plainText(JSON.stringify(bad + kept)))).toBe(bad + kept)
})

test('a failure is one line, also with the end of a line in a name', async () => {
  const { code, err } = await serve().run('put', join(folder(), 'a\nb'), 'a')
  expect(code).toBe(1)
  expect(err).toMatch(oneLine)
})

const entry = (name: string, more: Record<string, unknown> = {}) => ({
  path: name,
  name,
  kind: 'file',
  size: 1,
  etag: '"e"',
  contentType: null,
  mode: '0644',
  created: '2024-01-01T00:00:00.000Z',
  modified: '2024-01-01T00:00:00.000Z',
  cp: 1,
  meta: {},
  ...more,
})

describe('every command, with the words in every place', () => {
  const answers: Record<string, () => Response> = {
    'a refusal': () =>
      Response.json({ code: 'internal', detail: bad, title: bad, waysOut: [bad] }, { status: 500 }),
    'a code': () => Response.json({ code: bad, detail: bad }, { status: 500 }),
    'an entry': () =>
      Response.json({
        cp: 1,
        path: '',
        next: null,
        entries: [
          entry(`a${bad}`),
          entry(`b${bad}`, { kind: 'link', target: bad }),
          entry('c', { contentType: bad, meta: { x: bad } }),
        ],
      }),
    'a mode': () => Response.json({ cp: 1, path: '', next: null, entries: [entry('a', { mode: bad })] }),
    'a header': () =>
      new Response('x', { headers: { ETag: '"e"', 'Stillpoint-CP': '1', 'Stillpoint-Mode': '\u009b2J' } }),
  }
  const commands = [
    ['ls'],
    ['ls', '-l'],
    ['ls', '--json'],
    ['get', 'a', 'TARGET/a'],
    ['get', '-r', '/', 'TARGET/in'],
    ['get', '-r', '/', 'TARGET/in', '--json'],
    ['put', '-r', 'TARGET', 'd'],
    ['rm', 'a'],
    ['mv', 'a', 'b'],
    ['status'],
    ['status', '--json'],
    ['mirrors', 'list'],
    ['token', 'list'],
  ]
  test.each(Object.entries(answers))('%s', async (_where, answer) => {
    for (const command of commands) {
      const { run } = serve((request) => (request.url.endsWith('/v1/stat') ? null : answer()))
      const target = folder()
      const { out, err } = await run(...command.map((text) => text.replace('TARGET', target)))
      expect([command, out, err]).toEqual([command, plainText(out), plainText(err)])
      expect(out + err).not.toMatch(obeyed)
      if (command.includes('--json') && out !== '') JSON.parse(out)
    }
  })
})
