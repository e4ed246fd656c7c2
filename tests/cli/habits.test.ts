/** What people expect of a command line: help, the version, exit codes, JSON, pipes, variables and completion. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verbs } from '../../src/cli/application.ts'
import { examples } from '../../src/cli/help/examples.ts'
import { unknownVariables } from '../../src/cli/help/variables.ts'
import { serverOptions, environmentName, flagName } from '../../src/server/configuration/server-options.ts'
import { formatAge } from '../../src/cli/command/output.ts'
import { oneLine, runCommand, servers } from './cli-harness.ts'
import { temporaryFolders } from './temporary-folder.ts'

const serve = servers()
const folder = temporaryFolders()
const main = join(import.meta.dir, '../../src/cli/main.ts')

const names = Object.entries(verbs).flatMap(([name, verb]) =>
  'getAllEntries' in verb
    ? [name, ...verb.getAllEntries().map((entry) => `${name} ${entry.name.original}`)]
    : [name],
)

describe('help', () => {
  test.each(names)('%s: every way to ask gives one page of 80 columns, on stdout', async (name) => {
    const path = name.split(' ')
    const { code, out, err } = await runCommand([...path, '--help'])
    expect([code, err]).toEqual([0, ''])
    for (const line of out.split('\n')) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(80)
    expect(out).toStartWith(`USAGE\n  stillpoint ${name}`)
    for (const asked of [
      [...path, '-h'],
      ['help', ...path],
      ['--json', ...path, '--help'],
      ['--help', ...path],
    ])
      expect(await runCommand(asked)).toEqual({ code: 0, out, err: '' })
    expect((await runCommand([...path, '--', '--help'])).out).not.toBe(out)
  })

  test('flags are named with what they take, their default, and their variable', async () => {
    const { out } = await runCommand(['serve', '--help'])
    const text = out.replaceAll(/\s+/g, ' ')
    for (const option of serverOptions) {
      expect(text).toContain(`--${flagName(option)} ${option.placeholder}`)
      expect(text).toContain(`[${environmentName(option.name)}]`)
      if ('default' in option && option.default !== null) expect(text).toContain(`default ${option.default}`)
    }
    expect((await runCommand(['certificate', '--help'])).out).toContain('default 365')
    expect((await runCommand(['token', 'create', '--help'])).out).toContain('--role WORD [FLAGS] NAME')
  })

  test('names every verb, and every example is a command line', async () => {
    const { out } = await runCommand(['help'])
    for (const verb of Object.keys(verbs)) expect(out).toMatch(new RegExp(`^  ${verb} +\\S`, 'm'))
    expect((await runCommand(['--help'])).out).toBe(out)
    for (const [of, lines] of Object.entries(examples))
      for (const line of lines) {
        const words = line.split(' ')
        const verb = words[words.indexOf('stillpoint') + 1]!
        expect(Object.keys(verbs)).toContain(verb)
        if (of !== '') expect(of.split(' ')[0]).toBe(verb)
        const flags = [...line.matchAll(/ (--[a-z-]+)/g)].map(([, flag]) => flag!)
        const within = ['token', 'mirrors'].includes(verb) ? [verb, words[words.indexOf(verb) + 1]!] : [verb]
        const page = (await runCommand([...within, '--help'])).out
        for (const flag of flags) expect(page).toContain(flag)
      }
  })

  test.each([
    ['main', ['--help']],
    ['put', ['put', '--help']],
    ['token', ['token', '--help']],
    ['wrong', ['mirrors']],
  ])('the screen %s is as it is kept', async (screen, inputs) => {
    const { out, err } = await runCommand(inputs)
    const path = join(import.meta.dir, 'screens', `${screen}.txt`)
    if (process.env['KEEP_SCREENS'] === '1') writeFileSync(path, out + err)
    expect(out + err).toBe(readFileSync(path, 'utf8'))
  })
})

describe('the version', () => {
  test.each([[['version']], [['-V']], [['--version']]])(
    '%p says commit, format and runtime',
    async (inputs) => {
      const { code, out } = await runCommand(inputs)
      expect(code).toBe(0)
      expect(out).toMatch(/^stillpoint \d+\.\d+\.\d+ \(commit \w+, format \d+, Bun \d+\.\d+\.\d+\)\n$/)
    },
  )
  test('as JSON, wherever the flag stands', async () => {
    for (const inputs of [
      ['version', '--json'],
      ['--json', 'version'],
      ['--json', '-V'],
    ])
      expect(Object.keys(JSON.parse((await runCommand(inputs)).out) as object)).toEqual([
        'version',
        'commit',
        'format',
        'runtime',
      ])
  })
})

describe('a wrong command line', () => {
  const wrong: readonly (readonly string[])[] = [
    [],
    ['bogus'],
    ['help', 'bogus'],
    ['help', 'token', 'bogus'],
    ['token'],
    ['mirrors'],
    ['ls', '--bogus'],
    ['ls', '--cp', 'x'],
    ['ls', '--url', 'ftp://x'],
    ['ls', '--url', 'nonsense'],
    ['put', 'a'],
    ['put', '-', 'a/'],
    ['put', '-r', '.', 'a', '--durability', 'logged'],
    ['get', '-r', 'a'],
    ['get', '/'],
    ['cat'],
    ['stat'],
    ['mkdir'],
    ['rm', '/'],
    ['completion', 'tcsh'],
    ['certificate', '--days', '0'],
    ['certificate', '--name', 'a b'],
    ['serve', '--listen', 'nonsense'],
    ['serve', '--data', '/nowhere', '--log-bytes', 'many'],
    ['serve'],
    ['mirror', '--mirror', 'http://127.0.0.1:1'],
  ]
  test.each(wrong.map((inputs) => [inputs]))('%p is 2 and one line', async (inputs) => {
    const { code, out, err } = await runCommand(inputs)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(oneLine)
    const asJson = await runCommand(['--json', ...inputs])
    expect([asJson.code, asJson.out]).toEqual([2, ''])
    expect(JSON.parse(asJson.err)).toMatchObject({ error: { code: 'usage' } })
    expect(asJson.err).toMatch(/^[^\n]+\n$/)
  })
})

test('--json and a content on standard output do not go together', async () => {
  for (const inputs of [
    ['get', 'a', '-', '--json'],
    ['cat', '--json', 'a'],
    ['--json', 'cat', 'a'],
  ]) {
    const { code, out, err } = await runCommand(inputs)
    expect([code, out]).toEqual([2, ''])
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'usage' } })
  }
})

describe('--json', () => {
  test('before and after the verb, between the words of a verb, and twice, is the same', async () => {
    const { url, run } = serve()
    const { out } = await run('ls', '--json')
    expect(JSON.parse(out)).toMatchObject({ path: '', entries: [] })
    expect((await runCommand(['--json', 'ls', '--url', url])).out).toBe(out)
    expect((await runCommand(['--json', 'ls', '--url', url, '--json'])).out).toBe(out)
    const list = await run('mirrors', 'list', '--json')
    expect((await runCommand(['mirrors', '--json', 'list', '--url', url])).out).toBe(list.out)
    // Behind `--` it is a name.
    expect((await run('stat', '--', '--json')).err).toMatch(oneLine)
  })

  test.each([
    ['not-found', ['stat', 'none']],
    ['not-found', ['cat', 'none']],
    ['bad-path', ['stat', 'a//b']],
    ['failed', ['put', '/none/of/it', 'a']],
  ])('a failure is JSON too: %s', async (code, inputs) => {
    const { run } = serve()
    const plain = await run(...inputs)
    expect([plain.code, plain.out]).toEqual([1, ''])
    expect(plain.err).toMatch(oneLine)
    const asked = inputs[0] === 'cat' ? ['stat', 'none'] : inputs
    const { code: exit, out, err } = await run(...asked, '--json')
    expect([exit, out]).toEqual([1, ''])
    const { error } = JSON.parse(err) as { error: { code: string; message: string } }
    expect(error.code).toBe(code)
    expect(error.message).not.toBe('')
  })
})

describe('verbs for one entry', () => {
  test('cat writes the contents, one after the other', async () => {
    const { run, harness } = serve()
    await harness.request('PUT', '/v1/files/a', { body: 'of a, ' })
    await harness.request('PUT', '/v1/files/b', { body: 'of b' })
    expect(await run('cat', 'a', '/b', 'a')).toEqual({ code: 0, out: 'of a, of bof a, ', err: '' })
    expect((await run('cat', 'a', 'none')).code).toBe(1)
  })
  test('stat says everything about an entry, and nothing that a terminal obeys', async () => {
    const { run, harness } = serve()
    const headers = { 'Stillpoint-Mode': '0640', 'Stillpoint-Meta-Owner': '%1B[31mred' }
    await harness.request('PUT', '/v1/files/d/a', { body: 'four', headers })
    const { code, out } = await run('stat', '/d/a')
    expect(code).toBe(0)
    for (const part of ['/d/a', 'file', '4', '0640', 'owner', '\\x1b[31mred']) expect(out).toContain(part)
    expect(out).not.toContain('\x1b')
    const json = JSON.parse((await run('stat', 'd/a', '--json')).out) as object
    expect(json).toMatchObject({ path: 'd/a', kind: 'file', size: 4, meta: { owner: '\x1b[31mred' } })
    expect((await run('stat', '/')).out).toContain('directory')
  })
  test('mkdir makes directories with their parents, and leaves those that exist', async () => {
    const { run, harness } = serve()
    expect(await run('mkdir', 'a/b', '/c')).toEqual({ code: 0, out: '', err: '' })
    expect(harness.files.keys()).toEqual(['a', 'a/b', 'c'])
    expect((await run('mkdir', 'a')).code).toBe(0)
    await harness.request('PUT', '/v1/files/f', { body: '' })
    expect((await run('mkdir', 'f/x')).code).toBe(1)
  })
})

test.each([
  [0, '0 s'],
  [999, '0 s'],
  [12_345, '12 s'],
  [60_000, '1 min'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [3_659_000, '1 h'],
  [2 * 3_600_000 + 300_000, '2 h 5 min'],
  [3 * 86_400_000 + 4 * 3_600_000, '3 d 4 h'],
])('an age of %p ms is %p', (ms, text) => {
  expect(formatAge(ms)).toBe(text)
})

test('status says role, age, version, commit, format and space', async () => {
  const { run } = serve()
  const { code, out } = await run('status')
  expect(code).toBe(0)
  expect(out).toMatch(/ primary {2}ready {2}up \d+ \w+/)
  expect(out).toMatch(/^version \S+ \(commit \S+, format \d+\)$/m)
  expect(out).toMatch(/^space .* used, .* free, at most /m)
})

describe('variables', () => {
  test('one that is misspelled is named, once, and changes nothing', async () => {
    const { url } = serve()
    const { code, err } = await runCommand(['ls'], { env: { STILLPOINT_URL: url, STILLPOINT_URI: 'x' } })
    expect(code).toBe(0)
    expect(err).toMatch(oneLine)
    expect(err).toContain('STILLPOINT_URI')
  })
  test('those that are read are known', () => {
    const known = Object.fromEntries(serverOptions.map(({ name }) => [environmentName(name), 'x']))
    expect(unknownVariables({ ...known, STILLPOINT_TOKEN: '', STILLPOINT_CONFIG: '', HOME: '' })).toEqual([])
    expect(unknownVariables({ stillpoint_url: '', STILLPOINT_LISTENS: '' })).toEqual([
      'stillpoint_url',
      'STILLPOINT_LISTENS',
    ])
  })
})

test('errors of the system are words', async () => {
  const refused = await runCommand(['ls', '--url', 'http://127.0.0.1:9'])
  expect(refused.err).toContain(
    'cannot reach http://127.0.0.1:9: nothing listens there; is a server running?',
  )
  const made = await runCommand(['token', 'new', '/none/of/it'])
  expect(made.err).toContain('no such file or directory (ENOENT)')
})

describe('standard output', () => {
  let harness: ReturnType<typeof Bun.serve>
  beforeAll(() => {
    const entry = (name: string) => ({
      name,
      path: name,
      kind: 'file',
      size: 0,
      etag: '"1-2-3"',
      contentType: null,
      created: '2026-01-31T12:00:00.000Z',
      modified: '2026-01-31T12:00:00.000Z',
      mode: '0644',
      cp: 1,
      meta: {},
    })
    harness = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: ({ url }) => {
        if (url.includes('/v1/stat')) return Response.json({ ...entry(''), kind: 'directory' })
        const page = Number(new URL(url).searchParams.get('cursor') ?? 100)
        const entries = Array.from({ length: 1000 }, (_, at) => entry(`f${page * 1000 + at}`))
        return Response.json({ cp: 1, path: '', entries, next: page < 300 ? String(page + 1) : null })
      },
    })
  })
  afterAll(() => harness.stop(true))
  const shell = async (line: string) => {
    const child = Bun.spawn(['bash', '-c', line], {
      env: { ...process.env, BUN: process.execPath, MAIN: main, URL: harness.url.origin },
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
    return { code: await child.exited, out, err }
  }
  const ls = '"$BUN" "$MAIN" ls --url "$URL"'
  test('`ls | head` ends quietly, before all is listed', async () => {
    const { code, out, err } = await shell(`set -o pipefail; ${ls} | head -1`)
    expect({ code, out, err }).toEqual({ code: 0, out: 'f100000\n', err: '' })
  })
  test.skipIf(!existsSync('/dev/full'))('a full one is one line, and 1', async () => {
    for (const line of [
      `${ls} > /dev/full`,
      `${ls} --json > /dev/full`,
      '"$BUN" "$MAIN" --help > /dev/full',
      // A command that hears signals is no server.
      `"$BUN" "$MAIN" put - a --url ${serve().url} < /dev/null > /dev/full`,
    ]) {
      const { code, err } = await shell(line)
      expect(code).toBe(1)
      expect(err).toMatch(oneLine)
      expect(err).toContain('no space left on device')
    }
  })
})

describe('completion', () => {
  test.each([
    [['pu'], ['put']],
    [['token', 'cr'], ['create']],
    [['put', '--dur'], ['--durability']],
    [['put', '--durability', 'm'], ['mirrored']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['none', ''], []],
  ])('of %p is %p', async (words, expected) => {
    const { code, out } = await runCommand(['__complete', ...words])
    expect(code).toBe(0)
    expect(
      out
        .split('\n')
        .slice(0, -1)
        .map((line) => line.split('\t')[0]!),
    ).toEqual(expected)
  })

  const program = mkdtempSync(join(tmpdir(), 'stillpoint-bin-'))
  writeFileSync(join(program, 'stillpoint'), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, {
    mode: 0o755,
  })
  afterAll(() => rmSync(program, { recursive: true }))
  const inShell = async (shell: string, text: string) => {
    const script = join(folder(), 'script')
    writeFileSync(script, (await runCommand(['completion', shell])).out + text)
    const child = Bun.spawn([shell, script], {
      env: { ...process.env, PATH: `${program}:${process.env['PATH']}` },
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
    return { out, err }
  }
  test.skipIf(Bun.which('bash') === null)('in bash', async () => {
    const ask =
      'COMP_WORDS=(stillpoint token re); COMP_CWORD=2; _stillpoint stillpoint; echo "${COMPREPLY[@]}"\n'
    expect(await inShell('bash', ask)).toEqual({ out: 'revoke\n', err: '' })
  })
  test.skipIf(Bun.which('fish') === null)('in fish', async () => {
    const { out, err } = await inShell('fish', 'complete -C "stillpoint token re"\n')
    expect(err).toBe('')
    expect(out).toMatch(/^revoke\t/m)
  })
  test.skipIf(Bun.which('zsh') === null)('in zsh', async () => {
    const ask =
      '_describe() { print -r -- "${(P@)2}" }\nwords=(stillpoint token re); CURRENT=3; _stillpoint\n'
    const { out } = await inShell('zsh', `compdef() { :; }\n${ask}`)
    expect(out).toContain('revoke:')
  })
})
