/**
 * `npm run bench`: Stillpoint beside its rivals and its limits, over real sockets, in one run on one machine.
 *
 * - Whatever the run starts is ended and whatever it wrote is removed, also when it is interrupted.
 * - It exits with 1 when a row of Stillpoint failed or a state differs; a lost target is a result, not a failure.
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Bench } from './harness/contract.ts'
import { describeMachine, projectRoot, rivalPackages } from './harness/machine.ts'
import { parseOptions, usage } from './harness/options.ts'
import {
  compare,
  differences,
  readReport,
  type Report,
  reportFormat,
  verdictsOf,
  writeReport,
} from './harness/report.ts'
import { hasFailed, type RowResult, runScenarios } from './harness/runner.ts'
import { showChanges, showMachine, showRow, showSummary } from './harness/table.ts'
import { Workspace } from './harness/workspace.ts'
import { scenarios } from './rows/scenarios.ts'

const signalExit = 130

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args)
  const began = performance.now()
  const earlier = options.compare === null ? null : readReport(options.compare)
  const { scale, rounds } = options
  const wanted = ({ id }: { readonly id: string }): boolean => options.rows.test(id)
  if (options.list) {
    for (const scenario of scenarios)
      for (const row of scenario.rows(scale))
        if (wanted(row)) console.log(`${row.id.padEnd(24)} ${row.title}`)
    return 0
  }
  if (options.install) installRivals()
  const binary = options.isBinary ? buildBinary() : null

  const workspace = new Workspace(
    options.folder === null ? join(projectRoot, '.cache') : resolve(options.folder),
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      workspace.drop()
      process.exit(signalExit)
    })
  }
  process.on('exit', () => workspace.drop())
  const isTerminal = process.stderr.isTTY
  const clear = (): unknown => isTerminal && process.stderr.write('\r\x1b[K')
  const profileFolder = options.profile === null ? null : resolve(options.profile)
  if (profileFolder !== null) mkdirSync(profileFolder, { recursive: true })
  const bench: Bench = {
    scale,
    workspace,
    rivals: options.rivals,
    profileFolder,
    ...(binary === null ? {} : { binary }),
    note(text) {
      clear()
      if (isTerminal) process.stderr.write(text.slice(0, 100))
      else if (options.verbose) process.stderr.write(`${text}\n`)
    },
  }
  try {
    const described = describeMachine(workspace.path)
    const stillpoint = binary === null ? 'sources' : 'dist/stillpoint'
    const machine = { ...described, versions: { stillpoint, ...described.versions } }
    console.log(`scale ${scale.name}, ${rounds} rounds\n${showMachine(machine)}`)
    const takenAt = new Date().toISOString()
    const done: RowResult[] = []
    const makeReport = (isComplete: boolean): Report => ({
      format: reportFormat,
      takenAt,
      scale: scale.name,
      rounds,
      machine,
      isComplete,
      seconds: Math.round((performance.now() - began) / 1000),
      verdicts: verdictsOf(done),
      rows: done,
    })
    const rows = await runScenarios(bench, scenarios, {
      rounds,
      wanted,
      takesPart: ({ name }) => options.contestants.test(name),
      deadlineMs: began + options.minutesMax * 60_000,
      onRow(row) {
        clear()
        console.log(showRow(row))
        done.push(row)
        if (options.json !== null) writeReport(options.json, makeReport(false))
      },
    })
    clear()
    console.log(showSummary(rows, scale.name))
    const report = makeReport(true)
    if (options.json !== null) writeReport(options.json, report)
    console.log(`${report.seconds} s`)
    if (earlier) {
      const differing = differences(earlier, report)
      console.log(`\nagainst ${earlier.takenAt}, commit ${earlier.machine.commit}`)
      if (differing.length > 0) console.log(`  not alike: ${differing.join('; ')}`)
      console.log(showChanges(compare(earlier, report)))
    }
    if (rows.length === 0) throw new Error('no row matches')
    return rows.some(hasFailed) ? 1 : 0
  } finally {
    await workspace.close()
  }
}

function buildBinary(): string {
  const command = ['node', join(projectRoot, 'scripts/build.mjs')]
  const done = Bun.spawnSync(command, { cwd: projectRoot, stdin: 'ignore' })
  if (!done.success) throw new Error(`dist/stillpoint cannot be built: ${done.stderr.toString().slice(-500)}`)
  return join(projectRoot, 'dist/stillpoint')
}

function installRivals(): void {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const command = ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...rivalPackages]
  const done = Bun.spawnSync(command, { env: environment, stdin: 'ignore' })
  if (!done.success) console.log(`the rivals could not be installed: ${done.stderr.toString().slice(-500)}`)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  process.exitCode = 2
}
