import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { runTests } from '../../tools/mutate/test-run.ts'
import { type TempFolder, tempFolder } from '../blockdev/temp-folder.ts'

let project: TempFolder
beforeEach(() => {
  project = tempFolder()
  mkdirSync(project.file('tests'))
})
afterEach(() => project.remove())

function write(name: string, ...lines: string[]): string {
  const path = `tests/${name}.test.ts`
  writeFileSync(project.file(path), ["import { expect, test } from 'bun:test'", ...lines, ''].join('\n'))
  return path
}
const run = (paths: readonly string[], msMax = 20_000) => runTests({ folder: project.path, paths, msMax })

test('a run passes, fails with the name of its first failure, or does not start', async () => {
  const passing = write('passing', "test('one', () => expect(1).toBe(1))")
  const failing = write(
    'failing',
    "test('two', () => expect(1).toBe(2))",
    "test('three', () => expect(1).toBe(2))",
  )
  expect(await run([passing])).toMatchObject({ kind: 'passed', detail: '' })
  expect(await run([passing, failing])).toMatchObject({ kind: 'failed', detail: 'two', isLate: false })
  expect(await run([write('broken', "import { nothing } from './nowhere.ts'", 'nothing()')])).toMatchObject({
    kind: 'did not run',
  })
  expect(await run(['tests/none.test.ts'])).toMatchObject({ kind: 'did not run' })
})

test('a test that does not end in its time is told from one that fails', async () => {
  const late = write('late', "test('late', () => new Promise(() => undefined), 50)")
  expect(await run([late])).toMatchObject({ kind: 'failed', detail: 'late', isLate: true })
})

test('a loop without an end is ended, with what it has started', async () => {
  const pidFile = project.file('pid')
  const path = write(
    'loop',
    "import { writeFileSync } from 'node:fs'",
    "test('loops', () => {",
    "  const child = Bun.spawn(['sleep', '60'], { stdio: ['ignore', 'inherit', 'inherit'] })",
    `  writeFileSync(${JSON.stringify(pidFile)}, String(child.pid))`,
    '  for (;;);',
    '})',
  )
  const outcome = await run([path], 1_500)
  expect(outcome).toMatchObject({ kind: 'hung', detail: 'the tests did not end' })
  expect(outcome.ms).toBeLessThan(15_000)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  for (let i = 0; i < 100 && isRunning(pid); i++) await Bun.sleep(20)
  expect(isRunning(pid)).toBe(false)
}, 30_000)

test.skipIf(!existsSync('/proc/self/statm'))(
  'a run that keeps all that it makes is ended before the machine is',
  async () => {
    const path = write(
      'greedy',
      "test('eats', async () => {",
      '  const kept: Uint8Array[] = []',
      '  for (let i = 0; i < 160; i++) {',
      '    kept.push(new Uint8Array(2 ** 20).fill(1))',
      '    await Bun.sleep(5)',
      '  }',
      '  await Bun.sleep(60_000)',
      '}, 90_000)',
    )
    const outcome = await runTests({
      folder: project.path,
      paths: [path],
      msMax: 30_000,
      memoryBytesMax: 2 ** 27,
    })
    expect(outcome).toMatchObject({ kind: 'hung', detail: 'the tests took all the memory' })
  },
  40_000,
)

/** A process that has ended and is not yet taken note of is a zombie. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
