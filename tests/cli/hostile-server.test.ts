/**
 * Every command against every fault of an answer, at each request that the command makes: one clear sentence, exit code
 * 1, no half file, no success, no stack, no waiting for ever.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verbs } from '../../src/cli/application.ts'
import { Harness } from '../routes/harness.ts'
import { VirtualClock } from '../simulated/clock.ts'
import { type Ended, runCommand } from './cli-harness.ts'
import {
  asJson,
  attributeFaults,
  changedMembers,
  contentFaults,
  faults,
  hugeFaults,
  jsonOf,
  knownFaults,
  redirects,
} from './hostile-answers.ts'
import { type HonestAnswer, HostileServer, type Spoil } from './hostile-server.ts'
import { bearer } from '../access/issued.ts'
import { hurried } from './hurried-clock.ts'
import { temporaryFolders } from './temporary-folder.ts'

interface Case {
  readonly inputs: readonly string[]
  readonly input?: string
  /** The command writes local files, which have to be whole. */
  readonly writes?: 'file' | 'tree'
  /** The command reads more than one page. */
  readonly isLong?: boolean
  /** The server knows tokens, and the command shows the one of an administrator. */
  readonly isClosed?: boolean
}

const large = 'x'.repeat(70_000)

/** A new verb has to say here how the verb talks to a server, or that no server is asked. */
const cases: Record<keyof typeof verbs, readonly Case[] | 'asks no server'> = {
  serve: 'asks no server',
  mirror: 'asks no server',
  check: 'asks no server',
  sql: [
    { inputs: ['sql', 'SELECT 1'] },
    { inputs: ['sql', '--json', 'SELECT 1'] },
    { inputs: ['sql', '--csv', 'SELECT 1'] },
    { inputs: ['sql', '--ndjson', 'SELECT 1'] },
    { inputs: ['sql', '.schema'] },
  ],
  openapi: 'asks no server',
  certificate: 'asks no server',
  completion: 'asks no server',
  mirrors: [
    { inputs: ['mirrors', 'list'] },
    { inputs: ['mirrors', 'add', 'http://127.0.0.1:8'] },
    { inputs: ['mirrors', 'rm', 'm0'] },
  ],
  token: [
    { inputs: ['token', 'create', 'a name', '--role', 'reader', '--json'], isClosed: true },
    { inputs: ['token', 'create', 'a name', '--role', 'writer', '--prefix', 'd', '--json'], isClosed: true },
    { inputs: ['token', 'list'], isClosed: true },
    { inputs: ['token', 'revoke', 'READER'], isClosed: true },
  ],
  status: [{ inputs: ['status'] }],
  put: [
    { inputs: ['put', 'SOURCE/a', 'new/a'] },
    { inputs: ['put', 'SOURCE/large', 'new/large', '--json'] },
    { inputs: ['put', '-', 'new/input'], input: 'from standard input' },
    { inputs: ['put', '-r', 'SOURCE', 'new/tree'] },
  ],
  get: [
    { inputs: ['get', 'd/a', 'TARGET/old'], writes: 'file' },
    { inputs: ['get', 'd/large', 'TARGET/new', '--json'], writes: 'file' },
    { inputs: ['get', 'd/a', '-'] },
    { inputs: ['get', '-r', 'd', 'TARGET'], writes: 'tree' },
  ],
  ls: [
    { inputs: ['ls', 'd'] },
    { inputs: ['ls', '-r', '-l', 'many', '--json'], isLong: true },
    { inputs: ['ls', '-l', 'd/a'] },
  ],
  rm: [{ inputs: ['rm', 'd/a'] }, { inputs: ['rm', '-r', 'd', 'odd/file'] }],
  mv: [{ inputs: ['mv', 'd/a', 'new/a', '--json'] }],
  cat: [{ inputs: ['cat', 'd/a'] }, { inputs: ['cat', 'd/a', 'd/large'] }],
  stat: [{ inputs: ['stat', 'd/a'] }, { inputs: ['stat', '--json', 'd'] }],
  mkdir: [{ inputs: ['mkdir', 'new/one', 'new/two'] }],
}
const asking = Object.values(cases).flatMap((of) => (of === 'asks no server' ? [] : of))
const nameOf = ({ inputs }: Case): string => inputs.join(' ')

const folder = temporaryFolders()
/** A page has 1000 entries. */
const manyCount = 1001

/** What the tokens of a closed server are. */
let tokens = { admin: '', reader: '' }

async function filled({ isLong = false, isClosed = false }: Partial<Case> = {}): Promise<Harness> {
  const harness = new Harness()
  const put = (path: string, body: string) => harness.request('PUT', `/v1/files/${path}`, { body })
  await put('d/a', 'content of a')
  await put('d/large', large)
  await put('odd/file', 'odd')
  for (let i = 0; i < (isLong ? manyCount : 0); i++) await put(`many/f${i}`, '')
  if (!isClosed) await harness.json('POST', '/v1/mirrors', { url: 'http://127.0.0.1:9' })
  harness.publish()
  if (isClosed) {
    const make = async (role: string, headers: Record<string, string> = {}) => {
      const body = JSON.stringify({ name: role, role })
      const type = { 'Content-Type': 'application/json' }
      const made = await harness.request('POST', '/v1/tokens', { body, headers: { ...type, ...headers } })
      return (await made.json()) as { readonly id: string; readonly token: string }
    }
    const admin = await make('admin')
    const reader = await make('reader', bearer(admin.token))
    tokens = { admin: admin.token, reader: reader.id }
  }
  return harness
}

const source = fs.mkdtempSync(join(tmpdir(), 'stillpoint-'))
fs.writeFileSync(join(source, 'a'), 'of the source')
fs.writeFileSync(join(source, 'b'), 'of the source, too')
fs.writeFileSync(join(source, 'large'), large)
fs.symlinkSync('a', join(source, 'link'))
afterAll(() => fs.rmSync(source, { recursive: true }))

interface Ran extends Ended {
  readonly files: Readonly<Record<string, string>>
  readonly requests: readonly string[]
  /** How often an answer was spoiled. */
  readonly spoiled: number
  readonly answers: readonly HonestAnswer[]
  readonly wasReadWithoutEnd: boolean
}

const contentsOf = (root: string): Record<string, string> =>
  Object.fromEntries(fs.readdirSync(root).map((name) => [name, fs.readFileSync(join(root, name), 'utf8')]))

/** Runs one command on a server of its own; virtual time goes by only while that server is silent. */
async function runCase({ inputs, input, isClosed }: Case, spoil: Spoil | null, at = 0): Promise<Ran> {
  const target = folder()
  fs.writeFileSync(join(target, 'old'), 'old')
  const server = new HostileServer((request) => harness.primary.fetch(request), spoil && { spoil, at })
  const clock = new VirtualClock()
  const named = inputs.map((text) =>
    text.replace('SOURCE', source).replace('TARGET', target).replace('READER', tokens.reader),
  )
  const state = { hasEnded: false }
  const ended = runCommand([...named, '--url', server.url], {
    clock: hurried(clock),
    ...(input ? { input } : {}),
    ...(isClosed ? { env: { STILLPOINT_TOKEN: tokens.admin } } : {}),
  }).finally(() => {
    state.hasEnded = true
  })
  await Promise.race([ended, server.stalled])
  while (!state.hasEnded) await clock.advance(10_000)
  const { code, out, err } = await ended
  server.stop()
  const unnamed = (text: string) => text.replaceAll(source, 'SOURCE').replaceAll(target, 'TARGET')
  const { requests, answers, spoiled, wasReadWithoutEnd } = server
  const files = contentsOf(target)
  return { code, out: unnamed(out), err: unnamed(err), files, requests, answers, spoiled, wasReadWithoutEnd }
}

/** Some lines for entries of a tree, and one sentence at the end; with `--json` that is JSON. */
const clearSentence =
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  /^(?:[^\n\x00-\x1f\x7f-\x9f]{1,4000}\n){0,8}(?:stillpoint: [^\n\x00-\x1f\x7f-\x9f]{1,800}|\{"error":\{"code":"[a-z-]+","message":"[^\n\x00-\x1f\x7f-\x9f]{1,800}"\}\})\n$/

function expectFailure(ran: Ran, honest: Ran): void {
  expect(ran.err).toMatch(clearSentence)
  expect(ran.err).not.toContain('internal error')
  expect(ran.code).toBe(1)
  expectWholeFiles(ran, honest)
}

/** True when a batch was refused, and each of its files was then sent alone, and is there. */
function isStoredAlone({ code, requests }: Ran): boolean {
  const isThere = ['a', 'b'].every((name) => harness.content(`new/tree/${name}`)?.startsWith('of the source'))
  return (
    code === 0 && isThere && requests.filter((request) => /^PUT .*tree\/[ab]\?/.test(request)).length === 2
  )
}

/** The answer to the removal was another one, and the list that the command asks for then has no such mirror. */
const isRemoved = ({ inputs }: Case, { code, requests }: Ran): boolean =>
  inputs.join(' ') === 'mirrors rm m0' &&
  code === 0 &&
  requests.at(-1) === 'GET /v1/mirrors' &&
  harness.mirrors.length === 0

/** A content that was cut was asked for from where it was cut, and all of it came. */
const isResumed = ({ writes }: Case, { code, files, requests }: Ran, honest: Ran): boolean =>
  writes === 'tree' &&
  code === 0 &&
  requests.length > honest.requests.length &&
  Bun.deepEquals(files, honest.files)

/** What lies in the target is what lay there before, or what the server has; and under no other name. */
function expectWholeFiles({ files }: Ran, honest: Ran): void {
  for (const [name, content] of Object.entries(files))
    if (!(name === 'old' && content === 'old')) expect([name, content]).toEqual([name, honest.files[name]!])
}

let harness: Harness

/** The outcome with an honest server, which is where a fault is put in. */
async function runHonest(of: Case): Promise<Ran> {
  harness = await filled(of)
  const honest = await runCase(of, null)
  expect([honest.code, honest.err]).toEqual([0, ''])
  return honest
}

/** Runs the command with the fault at one of its requests; false when this answer cannot be spoiled so. */
async function runAt(of: Case, spoil: Spoil, at: number, look: (ran: Ran) => void): Promise<boolean> {
  if (of.isLong !== true) harness = await filled(of)
  const ran = await runCase(of, spoil, at)
  if (ran.spoiled === 0) return false
  try {
    look(ran)
    expect(ran.wasReadWithoutEnd).toBe(false)
  } catch (error) {
    throw new Error(`spoiled request ${at}: ${JSON.stringify(ran.requests)}`, { cause: error })
  }
  return true
}

/** Runs the command with the fault at each of its requests, or at the first; gives how often the fault could be made. */
async function runEach(
  of: Case,
  honest: Ran,
  spoil: Spoil,
  look: (ran: Ran) => void,
  onlyFirst = false,
): Promise<number> {
  let made = 0
  const end = onlyFirst ? 1 : honest.requests.length
  // Of a long listing the last page matters; the rest is as short ones are.
  for (let at = of.isLong === true ? honest.requests.length - 1 : 0; at < end; at++)
    if (await runAt(of, spoil, at, look)) made++
  return made
}

const timeLimitMs = 120_000

test('verbs that ask no server make no request', async () => {
  harness = await filled()
  const empty = folder()
  for (const inputs of [['check', empty], ['sql', '--data', empty, 'SELECT 1'], ['openapi']]) {
    const server = new HostileServer((request) => harness.primary.fetch(request), null)
    await runCommand(inputs, { env: { STILLPOINT_URL: server.url } })
    server.stop()
    expect(server.requests).toEqual([])
  }
})

describe.each(asking.map((of) => [nameOf(of), of] as const))('%s', (_name, of) => {
  test(
    'fails with one sentence, whatever happens to an answer',
    async () => {
      const honest = await runHonest(of)
      const beyond: string[] = []
      const elsewhere = Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        fetch(request) {
          beyond.push(request.url)
          return new Response('elsewhere')
        },
      })
      const all = {
        ...faults,
        ...hugeFaults,
        ...redirects(elsewhere.url.href),
        ...(of.writes === undefined ? {} : contentFaults),
        ...(of.writes === 'file' ? attributeFaults : {}),
      }
      if (of.writes === 'tree') Object.assign(all, knownFaults)
      for (const [name, spoil] of Object.entries(all)) {
        try {
          const made = await runEach(
            of,
            honest,
            spoil,
            (ran) => {
              if (!isStoredAlone(ran) && !isRemoved(of, ran) && !isResumed(of, ran, honest))
                expectFailure(ran, honest)
            },
            name in hugeFaults && !of.inputs.includes('ls'),
          )
          if (name in contentFaults || name in knownFaults) expect(made).toBeGreaterThan(0)
        } catch (error) {
          throw new Error(name, { cause: error })
        }
      }
      await elsewhere.stop(true)
      expect(beyond).toEqual([])
    },
    timeLimitMs,
  )

  if (of.isLong === true) return
  test(
    'prints no stack and writes no wrong file, whatever a member of an answer is',
    async () => {
      const honest = await runHonest(of)
      const values = [undefined, null, {}, -1, '\u001b[2J\n', '../../up', 'x'.repeat(300)]
      const changesOf = (answer: HonestAnswer): unknown[] => {
        const changed: unknown[] = []
        for (const value of values) changedMembers(jsonOf(answer), value, (json) => changed.push(json))
        return changed
      }
      for (const [at, answer] of honest.answers.entries())
        for (const index of changesOf(answer).keys()) {
          const spoil: Spoil = (found) => {
            const changed = changesOf(found)
            return index < changed.length ? asJson(found, changed[index]) : null
          }
          await runAt(of, spoil, at, (ran) => {
            if (ran.code !== 0) expectFailure(ran, honest)
            expect(ran.err).toMatch(ran.code === 0 ? /^$/ : clearSentence)
            if (!of.inputs.includes('--json'))
              // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
              expect(ran.out).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
            if (of.writes === 'tree')
              for (const content of Object.values(ran.files))
                expect([...Object.values(honest.files), 'old']).toContain(content)
          })
        }
    },
    timeLimitMs,
  )
})
