/** The bench's own parts: what is made of samples, what a run says, and a generator that believes nothing. */
import { afterAll, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orAbsent } from '../../bench/harness/contestants.ts'
import type { Bench, Metric, Row, Scenario } from '../../bench/harness/contract.ts'
import { metrics } from '../../bench/harness/contract.ts'
import { describeMachine, projectRoot } from '../../bench/harness/machine.ts'
import { parseOptions } from '../../bench/harness/options.ts'
import {
  compare,
  differences,
  readReport,
  type Report,
  reportFormat,
  verdictsOf,
  writeReport,
} from '../../bench/harness/report.ts'
import { hasFailed, type RowResult, runScenarios } from '../../bench/harness/runner.ts'
import { scales } from '../../bench/harness/scale.ts'
import { stateHash } from '../../bench/harness/state.ts'
import { advantage, spreadOf } from '../../bench/harness/statistics.ts'
import { showChanges, showRow, showSummary } from '../../bench/harness/table.ts'
import { Workspace } from '../../bench/harness/workspace.ts'
import { Connection } from '../../bench/load/connection.ts'
import { contentOf, largeContent, pieceBytes } from '../../bench/load/content.ts'
import { Histogram } from '../../bench/load/histogram.ts'
import { runRequests } from '../../bench/load/requests.ts'
import { scenarios } from '../../bench/rows/scenarios.ts'
import { judge, targets } from '../../bench/targets.ts'
import { tempFolder } from '../blockdev/temp-folder.ts'

const rate: Metric = metrics.rate
const row: Row = {
  id: 'put-4k-64',
  title: 'a row',
  metrics: [rate, metrics.p99],
  subject: 'stillpoint logged',
}

test('medians, spreads and advantages', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
  expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 })
  expect(advantage(rate, 30, 10)).toBe(3)
  expect(advantage(metrics.time, 30, 10)).toBeCloseTo(1 / 3)
})

test('percentiles are within a bucket of the truth', () => {
  const histogram = new Histogram()
  for (let i = 1; i <= 1000; i++) histogram.add(i)
  expect(histogram.percentile(0.5) / 500).toBeCloseTo(1, 1)
  expect(histogram.percentile(0.99) / 990).toBeCloseTo(1, 1)
  expect(histogram.max).toBe(1000)
})

test('every target speaks of a row, a metric and contestants that exist', () => {
  const rows = new Map(
    scenarios.flatMap((scenario) => scenario.rows(scales.full)).map((each) => [each.id, each]),
  )
  expect(targets.length).toBeGreaterThan(15)
  for (const target of targets) {
    const names = rows.get(target.row)?.metrics.map(({ name }) => name) ?? []
    expect([target.row, names.includes(target.metric)]).toEqual([target.row, true])
  }
  const ids = scenarios.flatMap((scenario) => scenario.rows(scales.full)).map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
})

const values = (samples: readonly number[]) => ({ rate: { ...spreadOf(samples), samples } })
const result = (own: readonly number[], bare: readonly number[]): RowResult => {
  const contestants = [
    { name: 'stillpoint logged', role: 'stillpoint', values: values(own), state: 'a' },
    { name: 'bare', role: 'limit', values: values(bare), state: 'a' },
    { name: 'nginx', role: 'rival', values: {}, state: null, absent: 'not installed' },
  ] as const
  return {
    ...row,
    scenario: 'puts',
    contestants,
    targets: judge(row, contestants),
    statesAgree: true,
    seconds: 1,
  }
}

test('targets hold, are lost, or cannot be said', () => {
  expect(result([80], [100]).targets.map(({ holds }) => holds)).toEqual([true, null])
  expect(result([60], [100]).targets[0]).toMatchObject({ holds: false, reached: 0.6 })
  const shown = showRow(result([60], [100]))
  expect(shown).toContain('LOST')
  expect(shown).toContain('absent: not installed')
  expect(showSummary([result([60], [100])], 'quick')).toContain('absent: nginx (not installed)')
})

test('a comparison tells a change from noise', () => {
  const machine = describeMachine(projectRoot)
  const report = (own: readonly number[]): Report => ({
    format: reportFormat,
    takenAt: '2026-01-01T00:00:00.000Z',
    scale: 'quick',
    rounds: 3,
    machine,
    isComplete: true,
    seconds: 1,
    verdicts: verdictsOf([]),
    rows: [result(own, [100, 101])],
  })
  const [change, bare] = compare(report([10, 11, 12]), report([20, 22, 24]))
  expect(change).toMatchObject({ contestant: 'stillpoint logged', gain: 2, isClear: true })
  expect(bare).toMatchObject({ contestant: 'bare', gain: 1, isClear: false })
  expect(showChanges(compare(report([20, 22]), report([10, 11])))).toContain('WORSE')
  expect(differences(report([1]), { ...report([1]), scale: 'full' })).toEqual(['scale quick → full'])
})

test('a result is whole whenever it is read, and says what was held and what was lost', () => {
  const folder = tempFolder()
  try {
    const path = join(folder.path, 'result.json')
    const rows = [result([80], [100]), { ...result([60], [100]), id: 'another' }]
    const report: Report = {
      format: reportFormat,
      takenAt: '2026-01-01T00:00:00.000Z',
      scale: 'quick',
      rounds: 1,
      machine: describeMachine(projectRoot),
      isComplete: false,
      seconds: 2,
      verdicts: verdictsOf(rows),
      rows: rows.slice(0, 1),
    }
    writeReport(path, report)
    writeReport(path, { ...report, isComplete: true, rows })
    expect(readReport(path)).toEqual({ ...report, isComplete: true, rows })
    expect(report.verdicts.held).toEqual(['PUT 4 KiB logged: 0.7 × bare'])
    expect(report.verdicts.lost).toEqual(['PUT 4 KiB logged: 0.7 × bare'])
    expect(report.verdicts.undecided.length).toBe(2)
  } finally {
    folder.remove()
  }
})

test('options are checked', () => {
  expect(parseOptions(['--quick', '--rows', '^put-', '--rounds', '3'])).toMatchObject({
    rounds: 3,
    rivals: true,
  })
  expect(() => parseOptions(['--rounds', '0'])).toThrow('--rounds')
  expect(() => parseOptions(['--fast'])).toThrow()
  expect(() => parseOptions(['--minutes', 'soon'])).toThrow('--minutes')
  const { scale } = parseOptions(['--files', '50000', '--upload-gib', '3'])
  expect(scale.growthFiles).toEqual([10_000, 50_000])
  expect(scale.uploadBytes).toBe(3 * 2 ** 30)
})

test('content is told apart by file and by version, in pieces too', async () => {
  expect(contentOf(4096, 1, 1)).not.toEqual(contentOf(4096, 1, 2))
  expect(contentOf(4096, 1, 1)).not.toEqual(contentOf(4096, 2, 1))
  const pieces = [...largeContent(pieceBytes + 10, 3)]
  expect(pieces.map(({ length }) => length)).toEqual([pieceBytes, 10])
  const files = [
    { path: 'b', content: contentOf(10, 1, 1) },
    { path: 'a', content: contentOf(10, 2, 1) },
  ]
  const hash = await stateHash(files)
  expect(await stateHash(files.toReversed())).toBe(hash)
  expect(await stateHash([files[0]!, { path: 'a', content: contentOf(10, 2, 2) }])).not.toBe(hash)
})

const servers: Bun.Server<undefined>[] = []
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop(true)))
})
const serve = (fetch: (request: Request) => Response | Promise<Response>): number => {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch })
  servers.push(server)
  return server.port!
}

test('the client reads bodies of every form, also in small parts', async () => {
  const body = contentOf(100_000, 1, 1)
  const parts = () =>
    new ReadableStream<Uint8Array>({
      async start(controller) {
        for (let at = 0; at < body.length; at += 9999) {
          controller.enqueue(body.subarray(at, at + 9999))
          await Bun.sleep(0)
        }
        controller.close()
      },
    })
  const port = serve((request) => {
    if (request.url.endsWith('/stream')) return new Response(parts())
    if (request.url.endsWith('/empty')) return new Response(null, { status: 204 })
    return new Response(body)
  })
  const connection = await Connection.open(port, (error) => {
    throw error
  })
  const ask = (method: string, path: string): Promise<readonly [number, number, boolean]> =>
    new Promise((resolve) => {
      const received: Uint8Array[] = []
      connection.send(new TextEncoder().encode(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`), {
        method,
        onBody: (part) => received.push(part.slice()),
        onAnswer: (status, bytes) => resolve([status, bytes, Buffer.concat(received).equals(body)]),
      })
    })
  for (let i = 0; i < 3; i++) {
    expect(await ask('GET', '/stream')).toEqual([200, 100_000, true])
    expect(await ask('HEAD', '/whole')).toEqual([200, 0, false])
    expect(await ask('GET', '/whole')).toEqual([200, 100_000, true])
    expect(await ask('GET', '/empty')).toEqual([204, 0, false])
  }
  connection.close()
})

test('the generator refuses answers that are not what was asked for', async () => {
  const job = {
    kind: 'requests',
    connections: 2,
    method: 'GET',
    prefix: '/',
    query: '',
    keys: 4,
    bytes: 64,
    seconds: 5,
    warmupSeconds: 0,
    requestsMax: 100,
  } as const
  const rejects = async (port: number, why: RegExp): Promise<void> => {
    await expect(runRequests({ ...job, port })).rejects.toThrow(why)
  }
  await rejects(
    serve(() => new Response('no', { status: 500 })),
    /unexpected answer/,
  )
  await rejects(
    serve(() => new Response(contentOf(63, 0, 1))),
    /63 bytes instead of 64|not the content/,
  )
  await rejects(
    serve(() => new Response(contentOf(64, 9, 1))),
    /not the content/,
  )
})

/** What a scenario is given, in a folder of its own. */
function newBench(): AsyncDisposable & { readonly parts: Bench } {
  const folder = tempFolder()
  const workspace = new Workspace(folder.path)
  return {
    parts: { scale: scales.test, workspace, rivals: true, profileFolder: null, note: () => undefined },
    async [Symbol.asyncDispose]() {
      await workspace.close()
      folder.remove()
    },
  }
}

test('who fails is out of the row with a reason, and what differs is found', async () => {
  await using bench = newBench()
  const order: string[] = []
  const contestant = (name: string, state: string) => ({
    name,
    role: 'stillpoint' as const,
    async measure(_row: Row, round: number) {
      order.push(name)
      if (name === 'c' && round === 1) throw new Error('out of luck')
      return { rate: 1 + round }
    },
    state: async () => state,
  })
  const scenario: Scenario = {
    name: 'made up',
    rows: () => [{ id: 'a-row', title: 'a row', metrics: [rate] }],
    open: async () => [contestant('a', 'x'), contestant('b', 'y'), contestant('c', 'x')],
  }
  const options = { rounds: 3, wanted: () => true, takesPart: () => true, onRow: () => undefined }
  const [outcome] = await runScenarios(bench.parts, [scenario], options)
  expect(order.join('')).toBe('abcbcaab')
  expect(outcome!.statesAgree).toBe(false)
  expect(hasFailed(outcome!)).toBe(true)
  expect(outcome!.contestants[2]).toMatchObject({ failed: 'out of luck' })
  expect(outcome!.contestants[0]!.values['rate']).toMatchObject({ median: 2, min: 1, max: 3 })
  const broken: Scenario = {
    ...scenario,
    open: () => Promise.reject(new Error('it does not start')),
  }
  const [failed] = await runScenarios(bench.parts, [broken], options)
  expect(failed!.contestants[0]).toMatchObject({ failed: 'it does not start' })
})

test('rows behind one that has failed get a fresh start, without the rivals that have failed', async () => {
  await using bench = newBench()
  const seen: string[] = []
  let starts = 0
  const scenario: Scenario = {
    name: 'made up',
    rows: () => ['one', 'two', 'three'].map((id) => ({ id, title: id, metrics: [rate] })),
    async open(_bench, rows) {
      const start = ++starts
      await Bun.write(join(bench.parts.workspace.folder('left'), 'behind'), 'x')
      seen.push(`start ${start} for ${rows.length}`)
      const own = {
        name: 'stillpoint',
        role: 'stillpoint' as const,
        async measure({ id }: Row) {
          if (id === 'one') throw new Error('it died')
          return { rate: start }
        },
      }
      const rival = {
        name: 'rival',
        role: 'rival' as const,
        async measure({ id }: Row) {
          seen.push(`rival in ${id}`)
          throw new Error('no luck')
        },
      }
      return [own, rival]
    },
  }
  const run = (deadlineMs: number) =>
    runScenarios(bench.parts, [scenario], {
      rounds: 2,
      wanted: () => true,
      takesPart: () => true,
      onRow: ({ id }) => seen.push(id),
      deadlineMs,
    })
  const rows = await run(Number.POSITIVE_INFINITY)
  expect(seen).toEqual(['start 1 for 3', 'rival in one', 'one', 'start 2 for 2', 'two', 'three'])
  expect(rows.map(hasFailed)).toEqual([true, false, false])
  expect(rows[2]!.contestants).toMatchObject([
    { values: { rate: { median: 2 } } },
    { failed: 'it failed before: no luck' },
  ])
  expect(readdirSync(bench.parts.workspace.path)).toEqual([])
  expect(showSummary(rows, 'full')).toContain('failed: one, stillpoint: it died')
  const late = await run(performance.now() - 1)
  expect(late.map(({ contestants }) => contestants[0]!.failed)).toEqual(
    Array<string>(3).fill('not begun: the run is out of time'),
  )
  expect(starts).toBe(2)
})

test('who does not start is absent, with the reason', async () => {
  const start = () => Promise.reject(new Error('no such port'))
  expect(await orAbsent({ name: 'nginx', role: 'rival' }, start)).toEqual({
    name: 'nginx',
    role: 'rival',
    absent: 'it does not start: no such port',
  })
})

test('processes end by their pid, and a start that fails says why', async () => {
  const folder = tempFolder()
  const workspace = new Workspace(folder.path)
  try {
    const { child } = await workspace.processes.start({ command: ['sleep', '60'] })
    expect(child.isRunning).toBe(true)
    await child.stop()
    expect(child.isRunning).toBe(false)
    const dies = workspace.processes.start({ command: ['bash', '-c', 'echo no >&2; exit 3'], ready: /ready/ })
    await expect(dies).rejects.toThrow('no')
    await expect(workspace.processes.run(['false'])).rejects.toThrow('false ended with 1')
    expect(await workspace.processes.run(['echo', 'yes'])).toBe('yes\n')
    const path = workspace.folder('some')
    await workspace.close()
    expect(await Bun.file(join(path, 'a')).exists()).toBe(false)
  } finally {
    folder.remove()
  }
})
