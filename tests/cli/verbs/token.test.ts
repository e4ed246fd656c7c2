/** The verbs for tokens, and how a command shows its own token. */
import { describe, expect, test } from 'bun:test'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseToken } from '../../../src/access/token.ts'
import { bearer, issue } from '../../access/issued.ts'
import { awayMirror } from '../../routes/harness.ts'
import { type Ended, oneLine, runCommand, servers } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()

const fileWith = (content: string, mode = 0o600): string => {
  const path = join(folder(), 'token')
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

function refusedInOneLine({ code, err }: Pick<Ended, 'code' | 'err'>): void {
  expect(code).toBe(1)
  expect(err).toMatch(oneLine)
}

describe('token', () => {
  test('create shows the token once, list does not, revoke ends it', async () => {
    const { run, url } = serve()
    const first = await run('token', 'create', 'the boss', '--role', 'admin')
    expect(first.code).toBe(0)
    const admin = first.out.trim()
    expect(parseToken(admin)).not.toBeNull()
    expect(first.err).not.toContain(admin)
    const file = fileWith(`${admin}\n`)
    const as = (...inputs: string[]) => run(...inputs, '--token-file', file)
    expect((await run('token', 'list')).err).toContain('(unauthorized)')
    const reader = await as(
      'token',
      'create',
      'a reader',
      '--role',
      'reader',
      '--prefix',
      '/a/b/',
      '--expires',
      '2126-01-01T00:00:00Z',
      '--json',
    )
    const made = JSON.parse(reader.out) as { id: string; token: string }
    expect(made).toMatchObject({ role: 'reader', prefix: 'a/b', expiresAt: '2126-01-01T00:00:00.000Z' })
    const listed = await as('token', 'list')
    expect(listed.out).toContain('/a/b')
    expect(listed.out).toContain('a reader')
    expect(listed.out).not.toContain(made.token.slice(-43))
    const whoami = () => fetch(`${url}/v1/whoami`, { headers: bearer(made.token) })
    expect((await whoami()).status).toBe(200)
    expect((await as('token', 'revoke', made.id)).code).toBe(0)
    expect((await whoami()).status).toBe(401)
    const again = await as('token', 'revoke', made.id)
    refusedInOneLine(again)
  })

  test('revoke fails when a mirror has not confirmed', async () => {
    const { run, harness } = serve()
    const { id } = JSON.parse((await run('token', 'create', 'a', '--role', 'admin', '--json')).out) as {
      id: string
    }
    harness.known.replace([], false)
    harness.mirrors.push(awayMirror('far-away', 'http://a'))
    const { code, err } = await run('token', 'revoke', id)
    expect(code).toBe(1)
    expect(err).toMatch(oneLine)
    expect(err).toContain('far-away')
  })

  test('new makes a file of its owner alone, and never another time', async () => {
    const path = join(folder(), 'admin')
    const { code, out } = await runCommand(['token', 'new', path])
    expect(code).toBe(0)
    const content = readFileSync(path, 'utf8')
    expect(parseToken(content.trim())).not.toBeNull()
    expect(out).not.toContain(content.trim())
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const again = await runCommand(['token', 'new', path])
    refusedInOneLine(again)
    expect(readFileSync(path, 'utf8')).toBe(content)
  })
})

describe('a command shows its token', () => {
  const { text, token } = issue('admin')
  const closed = () => {
    const server = serve()
    server.harness.known.replace([token], true)
    return server
  }
  test.each([
    ['a file', () => ({ inputs: ['--token-file', fileWith(`${text}\n`)] })],
    ['standard input', () => ({ inputs: ['--token-file', '-'], input: `${text}\n` })],
    ['a file of the environment', () => ({ env: { STILLPOINT_TOKEN_FILE: fileWith(text) } })],
    ['the environment', () => ({ env: { STILLPOINT_TOKEN: text } })],
    [
      'a flag before the environment',
      () => ({ inputs: ['--token-file', fileWith(text)], env: { STILLPOINT_TOKEN: 'x' } }),
    ],
  ] as [string, () => { inputs?: string[]; input?: string; env?: Record<string, string> }][])(
    'from %s',
    async (_, given) => {
      const { url } = closed()
      const { inputs = [], ...options } = given()
      for (const verb of [
        ['ls'],
        ['status'],
        ['rm', '-r', 'none'],
        ['mv', 'none', 'b'],
        ['get', 'none', '-'],
      ]) {
        const { err } = await runCommand([...verb, '--url', url, ...inputs], options)
        expect(err).not.toContain('unauthorized')
      }
    },
  )
  test('and without one says what is needed, whatever the verb', async () => {
    const { url } = closed()
    for (const verb of [
      ['ls'],
      ['status'],
      ['rm', 'a'],
      ['mv', 'a', 'b'],
      ['get', 'a', '-'],
      ['put', '-', 'a'],
      ['token', 'list'],
    ]) {
      const { code, err } = await runCommand([...verb, '--url', url])
      refusedInOneLine({ code, err })
      expect(err).toContain('needs a valid token')
    }
  })
  test.each([
    ['that is none', () => fileWith('nonsense')],
    ['that others may read', () => fileWith(text, 0o644)],
    ['that is not there', () => join(folder(), 'none')],
  ])('but not from a file %s, nor says what is in it', async (_, path) => {
    const { url } = closed()
    const { code, err } = await runCommand(['ls', '--url', url, '--token-file', path()])
    refusedInOneLine({ code, err })
    expect(err).not.toContain('nonsense')
    expect(err).not.toContain(text.slice(-43))
  })
  test('but not from standard input that has the content', async () => {
    const { url, harness } = closed()
    const { code } = await runCommand(['put', '-', 'a', '--url', url, '--token-file', '-'], { input: text })
    expect(code).toBe(2)
    expect(harness.content('a')).toBeUndefined()
  })
})
