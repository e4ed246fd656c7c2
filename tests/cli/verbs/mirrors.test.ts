/** How a pairing code reaches a command: from a private file or standard input, and never in an argument. */
import { afterEach, expect, test } from 'bun:test'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { oneLine, runCommand } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const folder = temporaryFolders()
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** Says what it was asked, and knows nothing. */
function listener() {
  const asked: unknown[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      asked.push(await request.json())
      return new Response(null, { status: 500 })
    },
  })
  ends.push(() => server.stop(true))
  return { asked, url: `http://127.0.0.1:${server.port}` }
}
const mirror = 'http://10.0.0.2:7071'
const code = '01234-56789-ABCDE-FGHJK-MNPQR-0'
const fileWith = (content: string, mode = 0o600): string => {
  const path = join(folder(), 'code')
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

test('the code comes from a file or from standard input', async () => {
  const { asked, url } = listener()
  const add = (...more: string[]) => ['mirrors', 'add', mirror, '--url', url, ...more]
  await runCommand(add('--code-file', fileWith(` ${code}\n`)))
  await runCommand(add('--code-file', '-'), { input: `${code}\n` })
  await runCommand(add())
  expect(asked).toEqual([{ url: mirror, code }, { url: mirror, code }, { url: mirror }])
})

test('a file that others may read, two readers of standard input, and an argument are refused in one line', async () => {
  const { asked, url } = listener()
  const refused = async (...more: string[]) => {
    const { code: exit, err } = await runCommand(['mirrors', 'add', mirror, '--url', url, ...more], {
      input: code,
    })
    expect(exit).not.toBe(0)
    return err
  }
  for (const [more, why] of [
    [['--code-file', fileWith(code, 0o644)], 'is open to other users (chmod 600'],
    [['--code-file', join(folder(), 'none')], 'cannot read the code file'],
    [['--code-file', '-', '--token-file', '-'], 'standard input has the code or the token'],
  ] as const) {
    const err = await refused(...more)
    expect(err).toMatch(oneLine)
    expect(err).toContain(why)
  }
  expect(await refused('--code', code)).toContain('--code')
  expect(asked).toEqual([])
})
