/** The whole way on a project of two sources: who reaches what, what is noticed, what is kept, what is out of date. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { type EditWish, runEdits } from '../../tools/mutate/edit-run.ts'
import { type TempFolder, tempFolder } from '../blockdev/temp-folder.ts'
import { type Planned, type TinyProject, sumEdits, sumSource, testText, tinyProject } from './tiny-project.ts'

const everything: EditWish = {
  kind: 'edits',
  rooms: ['lib', 'fs'],
  changed: null,
  faults: null,
  sample: null,
  seed: 1,
  full: false,
  json: null,
}

let project: TinyProject
let temporary: TempFolder
const tmpdirBefore = process.env['TMPDIR']

function useEdits(edits: readonly Planned[]): void {
  project.edits = edits
}

beforeEach(() => {
  temporary = tempFolder()
  project = tinyProject()
  process.env['TMPDIR'] = temporary.path
})
afterEach(() => {
  if (tmpdirBefore === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = tmpdirBefore
  // Copies go with the run, however it ends.
  expect(readdirSync(temporary.path)).toEqual([])
  expect(readFileSync(project.folder.file('src/lib/sum.ts'), 'utf8')).toBe(sumSource)
  temporary.remove()
  project.folder.remove()
})

const run = (wish: Partial<EditWish> = {}) => runEdits({ ...everything, ...wish }, project.parts)

/** `line kind by` of each edit. */
async function verdicts(): Promise<string[]> {
  const { results } = await run()
  return results.map(({ line, verdict: { kind, by } }) => `${line} ${kind}${by === null ? '' : ` ${by}`}`)
}

/** Each test file of the project notes that it ran. */
const noting = (name: string, ...lines: string[]): string =>
  testText(
    "import { appendFileSync } from 'node:fs'",
    `appendFileSync(${JSON.stringify(project.folder.file('runs'))}, '${name} ')`,
    ...lines,
  )
const runs = (): string[] =>
  existsSync(project.folder.file('runs'))
    ? readFileSync(project.folder.file('runs'), 'utf8').trim().split(' ')
    : []

test('an edit is noticed, hangs, survives, or is reached by nobody', async () => {
  project.write('tests/count.test.ts', testText("test('counts', () => expect(count(3)).toBe(3))"))
  const { results, problems } = await run()
  expect(problems).toEqual([])
  expect(
    results.map(({ file, line, room, verdict }) => [file, line, room, verdict.kind, verdict.detail]),
  ).toEqual([
    ['src/lib/sum.ts', 2, 'lib', 'unreached', 'no test comes by here'],
    ['src/lib/sum.ts', 3, 'lib', 'noticed', 'adds'],
    ['src/lib/sum.ts', 6, 'lib', 'unreached', 'no test comes by here'],
    ['src/lib/sum.ts', 9, 'lib', 'survived', 'no test noticed'],
    ['src/lib/sum.ts', 10, 'lib', 'hung', 'the tests did not end'],
  ])
  const survivor = results.find(({ verdict }) => verdict.kind === 'survived')!
  expect(survivor.reachedBy).toEqual(['tests/count.test.ts'])
  expect(survivor.change).toEqual({ before: ['  let i = 0'], after: ['  let i = 0 - 0'] })
}, 30_000)

test('faults of a folder are put in one by one, and each test that comes by their lines is asked', async () => {
  project.write('tests/count.test.ts', testText("test('counts', () => expect(count(3)).toBe(3))"))
  const place = project.folder.file('faults')
  mkdirSync(place)
  const fault = (name: string, find: string, replace: string): void =>
    writeFileSync(
      `${place}/${name}.json`,
      JSON.stringify({ why: 'a slip with a consequence', file: 'src/lib/sum.ts', find, replace }),
    )
  fault('adds-wrong', '  return a + b\n', '  return a + b + 1\n')
  fault('counts-wrong', '  let i = 0\n  while (i < to)', '  let i = 0\n  while (i < to - 1)')
  fault('counts-from-nothing', 'let i = 0', 'let i = 0.5')
  fault('last-wrong', 'export function last(list', 'export function last(list2: number[], list')
  fault('twice', 'return', 'return 1 +')
  const { results, problems } = await run({ faults: place })
  expect(problems).toEqual(['twice.json: the text is found 4 times in src/lib/sum.ts'])
  expect(results.map(({ kind, verdict }) => `${kind}: ${verdict.kind} by ${verdict.by}`).toSorted()).toEqual([
    'adds-wrong: noticed by tests/sum.test.ts',
    'counts-from-nothing: noticed by tests/count.test.ts',
    'counts-wrong: noticed by tests/count.test.ts',
    'last-wrong: survived by null',
  ])
}, 30_000)

test('only test files that reach an edit run for it, the quickest first, up to the first that notices', async () => {
  useEdits(sumEdits.slice(0, 1))
  const waits = 'await Bun.sleep(400)'
  project.write('tests/sum.test.ts', noting('slow', waits, "test('slow', () => expect(sum(1, 2)).toBe(3))"))
  project.write('tests/quick.test.ts', noting('quick', "test('quick', () => expect(sum(1, 2)).toBe(3))"))
  project.write('tests/blind.test.ts', noting('blind', "test('blind', () => expect(sum(1, 0)).toBe(1))"))
  project.write('tests/other.test.ts', noting('other', "test('other', () => expect(last([1])).toBe(0))"))
  const { results } = await run()
  expect(results.map(({ verdict: { kind, by, detail } }) => [kind, by, detail])).toEqual([
    ['noticed', 'tests/quick.test.ts', 'quick'],
  ])
  expect(results[0]!.reachedBy.toSorted()).toEqual([
    'tests/blind.test.ts',
    'tests/quick.test.ts',
    'tests/sum.test.ts',
  ])
  // Each once for what it reaches; then those for the edit.
  const forEdit = runs().slice(4)
  expect(forEdit.filter((name) => name !== 'blind')).toEqual(['quick'])
}, 30_000)

test('what is known is kept, by what the files contain', async () => {
  useEdits(sumEdits.slice(0, 1))
  project.write('tests/sum.test.ts', noting('sum', "test('adds', () => expect(sum(1, 2)).toBe(3))"))
  const path = "import { separator } from '../src/fs/paths.ts'"
  project.write('tests/path.test.ts', noting('path', path, "test('path', () => expect(separator).toBe('/'))"))
  const clean = () => project.folder.file('runs')
  const again = async (): Promise<string[]> => {
    await Bun.write(clean(), '')
    project.asked.length = 0
    await run()
    return runs().filter((name) => name !== '')
  }
  // Twice: for its reach, and for the edit.
  expect((await again()).toSorted()).toEqual(['path', 'sum', 'sum'])
  expect(project.asked.toSorted()).toEqual(['src/fs/paths.ts', 'src/lib/sum.ts'])
  expect(await again()).toEqual(['sum'])
  expect(project.asked).toEqual([])

  project.write('src/fs/paths.ts', "export const separator = '/'\n")
  expect((await again()).toSorted()).toEqual(['path', 'sum'])
  expect(project.asked).toEqual(['src/fs/paths.ts'])

  project.write('tests/sum.test.ts', noting('sum', "test('adds', () => expect(sum(2, 2)).toBe(4))"))
  expect(await again()).toEqual(['sum', 'sum'])
  expect(project.asked).toEqual([])
}, 30_000)

test('what a process reaches that a test starts counts, even when it is killed', async () => {
  project.write(
    'src/lib/main.ts',
    "import { last } from './sum.ts'\nconsole.log(last([1, 2]))\nsetInterval(() => 0, 1000)\n",
  )
  project.write(
    'tests/sum.test.ts',
    [
      "import { expect, test } from 'bun:test'",
      "test('says', async () => {",
      "  const main = import.meta.dir + '/../src/lib/main.ts'",
      "  const child = Bun.spawn([process.execPath, main], { stdout: 'pipe' })",
      '  for await (const bytes of child.stdout) {',
      "    expect(new TextDecoder().decode(bytes)).toBe('1\\n')",
      '    break',
      '  }',
      "  child.kill('SIGKILL')",
      '  await child.exited',
      '})',
    ].join('\n'),
  )
  expect(await verdicts()).toEqual([
    '2 unreached',
    '3 unreached',
    '6 noticed tests/sum.test.ts',
    '9 unreached',
    '10 unreached',
  ])
}, 30_000)

test('a test file that fails anyway notices nothing, and is named', async () => {
  useEdits(sumEdits.slice(0, 1))
  project.write('tests/sum.test.ts', testText("test('wrong', () => expect(sum(1, 2)).toBe(4))"))
  const { results, problems } = await run()
  expect(results.map(({ verdict }) => verdict.kind)).toEqual(['unreached'])
  expect(problems).toEqual([expect.stringMatching(/^tests\/sum\.test\.ts notices nothing: .*wrong/)])
})

test('a test that fails among marked sources alone counts all the same', async () => {
  useEdits(sumEdits.slice(0, 1))
  project.write(
    'tests/sum.test.ts',
    testText(
      "test('adds', () => expect(sum(1, 2)).toBe(3))",
      `test('text', async () => expect(await Bun.file(import.meta.dir + '/../src/lib/sum.ts').text()).not.toContain('marks'))`,
    ),
  )
  expect(await verdicts()).toEqual(['3 noticed tests/sum.test.ts'])
})

test('an edit that is argued away is not run; an entry that fits nothing is a problem', async () => {
  const reason = 'what is taken away from nothing is nothing'
  const entry = { file: 'src/lib/sum.ts', before: 'let i = 0', after: 'let i = 0 - 0', reason }
  useEdits(sumEdits.slice(4))
  project.write('tests/count.test.ts', testText("test('counts', () => expect(count(3)).toBe(3))"))
  const listed = (...entries: object[]): void =>
    project.write('tests/mutants/without-effect.json', JSON.stringify(entries))
  listed(entry)
  const { results, problems } = await run()
  expect(problems).toEqual([])
  expect(results.map(({ verdict: { kind, detail } }) => [kind, detail])).toEqual([['without effect', reason]])

  listed(
    { ...entry, before: 'let j = 0' },
    { ...entry, after: 'let i = 1' },
    { ...entry, file: 'src/lib/gone.ts' },
  )
  const other = await run()
  expect(other.results.map(({ verdict }) => verdict.kind)).toEqual(['survived'])
  expect(other.problems).toEqual([
    expect.stringContaining('0 times'),
    expect.stringContaining('no edit of src/lib/sum.ts puts "let i = 1"'),
    'there is no src/lib/gone.ts',
  ])
}, 30_000)

test('rooms and a sample choose edits', async () => {
  expect((await run({ rooms: ['fs'] })).results).toEqual([])
  const { results } = await run({ sample: 2 })
  expect(results).toHaveLength(2)
}, 30_000)
