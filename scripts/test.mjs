/**
 * `npm test`: every check, one after the other, whatever the ones before have found.
 *
 * - The last line is `N passed, N failed, N skipped`: each check that is not a test counts as one, each test as one.
 * - The exit code is 0 only when something passed and nothing failed. What is skipped is named.
 * - `npm test -- PATTERN…` hands the patterns to `bun test` and leaves the other checks out.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { bun, installMissing, installPackages, root } from './install.mjs'
import { skippedIn } from './skipped.mjs'

const skipCode = 77
const checkMsMax = 10 * 60_000
/** A test that loops for ever cannot be interrupted by its own time limit, only the whole run can. */
const testsMsMax = 40 * 60_000
/** In processes of their own, and each file with fresh globals: what one leaves behind does not disturb the next. */
const testFilesAtOnce = 2
/** Of a test that names none itself: a test that hangs is ended, and a loaded machine decides nothing. */
const testMsMax = 60_000
const counts = { passed: 0, failed: 0, skipped: 0 }
/** Names of what is skipped, which stand above the last line. */
const skipped = []

function check(name, command, args) {
  const began = Date.now()
  const done = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
    timeout: checkMsMax,
    killSignal: 'SIGKILL',
  })
  const outcome = done.status === 0 ? 'passed' : done.status === skipCode ? 'skipped' : 'failed'
  counts[outcome]++
  console.log(`${outcome.padEnd(8)}${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`)
  if (outcome === 'skipped') skipped.push(name)
  if (outcome === 'failed') console.log(done.error?.message ?? `${done.stdout}${done.stderr}`)
}

/** Test output goes through as it comes: a hanging test names itself. */
function runTests(patterns) {
  const report = join(root, '.cache/tests.xml')
  mkdirSync(join(root, '.cache'), { recursive: true })
  rmSync(report, { force: true })
  const args = [
    'test',
    '--no-orphans',
    `--parallel=${testFilesAtOnce}`,
    `--timeout=${testMsMax}`,
    '--only-failures',
  ]
  args.push('--reporter=junit', `--reporter-outfile=${report}`, ...patterns)
  const done = spawnSync(bun, args, {
    cwd: root,
    stdio: ['ignore', 1, 1],
    timeout: testsMsMax,
    killSignal: 'SIGKILL',
    env: { ...process.env, NO_COLOR: '1' },
  })
  if (existsSync(report)) skipped.push(...skippedIn(readFileSync(report, 'utf8')))
  const total = existsSync(report) ? /<testsuites ([^>]*)>/.exec(readFileSync(report, 'utf8')) : null
  if (!total) {
    counts.failed++
    console.log(`bun test left no report and ended with ${done.status ?? done.signal}`)
    return
  }
  const number = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(` ${total[1]}`)?.[1] ?? 0)
  const failed = number('failures') + number('errors')
  counts.failed += failed
  counts.skipped += number('skipped')
  counts.passed += number('tests') - failed - number('skipped')
  if (done.status !== 0 && failed === 0) {
    counts.failed++
    console.log(`no test failed, but bun test ended with ${done.status ?? done.signal}`)
  }
}

const patterns = process.argv.slice(2)
const problem = installMissing()
if (problem) {
  console.log(problem)
  counts.failed++
} else {
  if (patterns.length === 0) {
    const folders = ['src', 'sdk', 'tests', 'scripts', 'tools', 'bench'].filter((folder) =>
      existsSync(join(root, folder)),
    )
    check('format', bun, ['fmt', '--no-script', '--check'])
    check('types', bun, ['check', '--no-script'])
    check('types: sdk, without Bun', bun, ['check', '--no-script', '-p', 'sdk'])
    check('lint', join(root, 'node_modules/.bin/oxlint'), ['--type-aware', '--deny-warnings', ...folders])
    for (const part of ['lock', 'openapi', 'sdk', 'migrations']) {
      check(`generated: ${part}`, process.execPath, ['scripts/generate.mjs', '--check', part])
    }
    // The tests of generated clients say by name that they are skipped when this fails.
    installPackages(join(root, 'tests/clients'))
    check('documents: rules of redocly and spectral', process.execPath, ['tools/documents/lint.mjs'])
    check('Dockerfile: rules', process.execPath, ['tools/documents/dockerfile.mjs'])
  }
  runTests(patterns)
}
for (const name of skipped) console.log(`skipped ${name}`)
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1
