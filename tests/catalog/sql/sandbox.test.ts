/** The process behind the questions: what ends it, what takes its place, and that none is left. */
import { afterEach, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Sandbox } from '../../../src/catalog/sql/sandbox.ts'
import { parseHead, type Question } from '../../../src/catalog/sql/question.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { hasCode, type ErrorCode } from '../../../src/lib/errors.ts'
import { sqlBoundsOffline } from '../../../src/server/configuration/server-options.ts'
import { temporaryFolders } from '../../cli/temporary-folder.ts'
import { VirtualClock } from '../../simulated/clock.ts'
import { allViews } from '../ask-catalog.ts'
import { cpRow, open } from '../rows.ts'

const folder = temporaryFolders()
const isLinux = process.platform === 'linux'

const made: Sandbox[] = []
afterEach(async () => {
  for (const sandbox of made.splice(0)) await sandbox.close()
})

function filled(): string {
  const path = join(folder(), 'catalog.db')
  const { catalog } = open(path)
  for (let cp = 1; cp <= 4; cp++) catalog.recordCp(cpRow(cp))
  catalog.close()
  return path
}

function sandboxed(bounds: Partial<typeof sqlBoundsOffline> | object = {}, clock = systemClock): Sandbox {
  const path = filled()
  const sandbox = new Sandbox({ path, bounds: { ...sqlBoundsOffline, ...bounds } }, clock)
  made.push(sandbox)
  return sandbox
}

test('a path that is relative is one from here', async () => {
  const path = relative(process.cwd(), filled())
  const sandbox = new Sandbox({ path, bounds: sqlBoundsOffline }, systemClock)
  made.push(sandbox)
  expect(await text(sandbox, question('SELECT count(*) FROM cps'))).toBe('[[4]]')
})

const question = (query: string): Question => ({
  query,
  params: [],
  rowsMax: 1000,
  format: 'json',
  views: allViews,
})
const endless = question(
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n',
)
const one = question('SELECT 1')
const text = async (sandbox: Sandbox, asked: Question): Promise<string> =>
  Buffer.from((await sandbox.ask(asked)).body).toString()
async function codeOf(work: Promise<unknown>): Promise<ErrorCode | 'answered'> {
  try {
    await work
    return 'answered'
  } catch (error) {
    for (const code of ['sql-limit', 'catalog-unready', 'bad-sql'] as const)
      if (hasCode(error, code)) return code
    throw error
  }
}
/** The kernel has no such process, or one that has ended. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return true
  }
  return isLinux && /^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}
/** Time of a processor that the process has taken; a tick of the kernel is 10 ms. */
const processorMs = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[11]) * 10

async function gone(pid: number): Promise<void> {
  while (!isGone(pid)) await systemClock.sleep(5)
}

test('one process answers question after question, and there is none before the first', async () => {
  const sandbox = sandboxed()
  expect(sandbox.pid).toBeNull()
  expect(await text(sandbox, one)).toBe('[[1]]')
  const { pid } = sandbox
  expect(await text(sandbox, question('SELECT cp FROM cps'))).toBe('[[1],[2],[3],[4]]')
  expect(await codeOf(sandbox.ask(question('DROP TABLE meta')))).toBe('bad-sql')
  expect(await text(sandbox, one)).toBe('[[1]]')
  expect(sandbox.pid).toBe(pid)
  await sandbox.close()
  await gone(pid!)
  expect(sandbox.pid).toBeNull()
  expect(await codeOf(sandbox.ask(one))).toBe('catalog-unready')
})

test('time ends the process with its question, and the next process is there at once', async () => {
  const clock = new VirtualClock()
  const sandbox = sandboxed({ msMax: 1000 }, clock)
  expect(await text(sandbox, one)).toBe('[[1]]')
  const pid = sandbox.pid!
  const late = codeOf(sandbox.ask(endless))
  await systemClock.sleep(0)
  clock.jump(999)
  expect(sandbox.pid).toBe(pid)
  clock.jump(1)
  expect(await late).toBe('sql-limit')
  await gone(pid)
  expect(sandbox.pid).not.toBeNull()
  expect(sandbox.pid).not.toBe(pid)
  expect(await text(sandbox, one)).toBe('[[1]]')
})

test('a client that leaves ends its question, also before it has begun', async () => {
  const sandbox = sandboxed()
  await sandbox.ask(one)
  const pid = sandbox.pid!
  const leaving = new AbortController()
  const left = codeOf(sandbox.ask(endless, leaving.signal))
  await systemClock.sleep(0)
  leaving.abort()
  expect(await left).toBe('catalog-unready')
  await gone(pid)
  expect(await codeOf(sandbox.ask(one, AbortSignal.abort()))).toBe('catalog-unready')
  expect(await text(sandbox, one)).toBe('[[1]]')
})

test('a process that is killed fails the question that it has, and no other one', async () => {
  const sandbox = sandboxed()
  await sandbox.ask(one)
  const pid = sandbox.pid!
  const killed = codeOf(sandbox.ask(endless))
  await systemClock.sleep(0)
  process.kill(pid, 'SIGKILL')
  expect(await killed).toBe('catalog-unready')
  expect(await text(sandbox, one)).toBe('[[1]]')
  // While nobody asks.
  const second = sandbox.pid!
  process.kill(second, 'SIGKILL')
  while (sandbox.pid === second) await systemClock.sleep(1)
  expect(await text(sandbox, one)).toBe('[[1]]')
})

test('a close ends a question in the middle, and leaves no process', async () => {
  const sandbox = sandboxed()
  await sandbox.ask(one)
  const pid = sandbox.pid!
  const cut = codeOf(sandbox.ask(endless))
  await systemClock.sleep(0)
  await sandbox.close()
  expect(await cut).toBe('catalog-unready')
  await gone(pid)
  expect(sandbox.pid).toBeNull()
})

test.skipIf(!isLinux)('memory ends the question; the process has the bound of the kernel', async () => {
  const sandbox = sandboxed({ memoryBytesMax: 64 * 2 ** 20 })
  const large = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    SELECT count(*) FROM (SELECT printf('%200000d', i) AS t FROM n ORDER BY t DESC LIMIT 900)`
  expect(await codeOf(sandbox.ask(question(large)))).toBe('sql-limit')
  expect(await text(sandbox, one)).toBe('[[1]]')
  const limits = readFileSync(`/proc/${sandbox.pid!}/limits`, 'utf8')
  expect(limits).toMatch(/^Max file size +0 +0 /m)
  expect(limits).toMatch(/^Max core file size +0 +0 /m)
  expect(limits).toMatch(/^Max address space +\d+ /m)
  // Nothing of the environment of the server.
  const names = readFileSync(`/proc/${sandbox.pid!}/environ`, 'utf8').split('\0').filter(Boolean)
  expect(new Set(names.map((entry) => entry.split('=')[0]))).toEqual(
    new Set(['MIMALLOC_ARENA_RESERVE', 'MIMALLOC_PURGE_DELAY']),
  )
})

test.skipIf(!isLinux)('a process ends with its server, also in the middle of a question', async () => {
  const path = filled()
  const source = (name: string): string => JSON.stringify(join(import.meta.dir, '../../../src', name))
  const program = (last: string): string => `
    import { Sandbox } from ${source('catalog/sql/sandbox.ts')}
    import { systemClock } from ${source('lib/clock.ts')}
    const sandbox = new Sandbox(${JSON.stringify({ path, bounds: sqlBoundsOffline })}, systemClock)
    await sandbox.ask(${JSON.stringify(one)})
    console.log(sandbox.pid)
    ${last}
  `
  const idle = 'await new Promise(() => setInterval(() => {}, 1000))'
  for (const last of [`await sandbox.ask(${JSON.stringify(endless)})`, idle]) {
    const server = Bun.spawn([process.execPath, '-e', program(last)], { stdout: 'pipe', stderr: 'ignore' })
    const { value } = await server.stdout.getReader().read()
    const pid = Number(Buffer.from(value!).toString())
    expect(isGone(pid)).toBe(false)
    // The start takes a tenth of that.
    const untilMs = last === idle ? 0 : 500
    while (processorMs(pid) < untilMs) await systemClock.sleep(5)
    server.kill('SIGKILL')
    await server.exited
    await gone(pid)
  }
})

describe('what a process says is not believed', () => {
  const head = { kind: 'answer', cp: 1, columns: [], rows: 0, truncated: false, bytes: 0 }
  test('but for heads of this shape', () => {
    expect(parseHead(JSON.stringify(head))).toEqual(head as never)
    expect(parseHead('{"kind":"ready","isConfined":true}')).not.toBeNull()
    for (const change of [
      { cp: '1' },
      { cp: -1 },
      { columns: [{ name: 'a', type: 'nonsense' }] },
      { columns: [{ name: 1, type: null }] },
      { bytes: 1.5 },
      { bytes: -1 },
      { truncated: 'no' },
      { kind: 'other' },
      { further: 1 },
    ])
      expect(parseHead(JSON.stringify({ ...head, ...change }))).toBeNull()
    for (const line of ['', '[]', 'null', '{', '{"kind":"answer"}']) expect(parseHead(line)).toBeNull()
  })
})
