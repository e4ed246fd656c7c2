/**
 * The library itself: where edits go, what is left out, what takes the place, and that marked sources do the same as
 * before. Skipped by name where it is not installed: `npm run mutate` and `.ci/run` install it.
 */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { applied } from '../../tools/mutate/edit.ts'
import { type FileEdits, isLibraryInstalled, markedHeader, openLibrary } from '../../tools/mutate/library.ts'
import { marksVariable } from '../../tools/mutate/marks.ts'
import { tempFolder } from '../blockdev/temp-folder.ts'

const root = join(import.meta.dir, '../..')

describe.skipIf(!isLibraryInstalled())('with the library', () => {
  const editsOf = async (source: string): Promise<FileEdits> => (await openLibrary())('src/lib/a.ts', source)

  /** Of one kind: the texts that the source becomes. */
  async function becomes(source: string, kind: string): Promise<string[]> {
    const { edits } = await editsOf(source)
    return edits.filter((edit) => edit.kind === kind).map((edit) => applied(source, edit))
  }

  describe('a replacement means what the rule means, in the text of the file', () => {
    test.each<[string, string, string, string[]]>([
      ['another operator', 'f(a  <  b)', 'EqualityOperator', ['f(a  <=  b)', 'f(a  >=  b)']],
      [
        'an operator that binds less',
        'f(a && b && c)',
        'LogicalOperator',
        ['f(a && b || c)', 'f((a || b) && c)'],
      ],
      ['mixed with ??', 'f(a ?? b ?? c)', 'LogicalOperator', ['f((a ?? b) && c)', 'f((a && b) ?? c)']],
      ['what is left when ! goes', 'f(!(a || b) && c)', 'BooleanLiteral', ['f((a || b) && c)']],
      ['what is left when a call goes', 'f((await a).slice(1).b)', 'MethodExpression', ['f((await a).b)']],
      ['a chain stays one', 'f(a?.b?.c.d)', 'OptionalChaining', ['f(a?.b.c.d)', 'f(a.b?.c.d)']],
      ['in parentheses already', 'f(1, (a - b))', 'ArithmeticOperator', ['f(1, (a + b))']],
      ['a statement without semicolons', 'g()\ni++\nh()', 'UpdateOperator', ['g()\ni--\nh()']],
      ['an assignment without semicolons', 'g()\ni += 1', 'AssignmentOperator', ['g()\ni -= 1']],
      [
        'a function as a value',
        'const f = (a: number) => a',
        'ArrowFunction',
        ['const f = (() => undefined)'],
      ],
      [
        'a parenthesis opens a statement',
        'g()\na && b || h()',
        'LogicalOperator',
        ['g()\na && b && h()', 'g()\n;(a || b) || h()'],
      ],
    ])('%s', async (_name, source, kind, expected) => {
      expect((await becomes(source, kind)).toSorted()).toEqual(expected.toSorted())
    })
  })

  test('no edit leaves the text as it is, and no two give the same text', async () => {
    const source =
      'export const f = (a: number, b: number) => {\n  if (!(a > b)) return a - b\n  return true\n}\n'
    const texts = (await editsOf(source)).edits.map((edit) => applied(source, edit))
    expect(texts.length).toBeGreaterThan(6)
    expect(new Set([source, ...texts]).size).toBe(texts.length + 1)
  })

  describe('what is left out', () => {
    const nothing = async (source: string): Promise<void> => {
      const { edits, leftOut } = await editsOf(source)
      expect(edits.map((edit) => applied(source, edit))).toEqual([])
      expect(Object.keys(leftOut)).not.toEqual([])
    }
    test.each([
      'assert(a > 0, `a is ${a}`)',
      'assertInside(a, b + 1, c)',
      'if (a > b) bug(`two at ${a}`)',
      "if (a) throw new AssertionError('never')",
      "log.warn('waits', { a: b + 1 })",
      "const e = new DeviceError(`cannot read ${a + 1}: ${b ? 'x' : 'y'}`, { cause })",
      "class A extends Error { override readonly name = 'A' }",
      "const e = corrupt('does not match')",
      'const why = `the record at ${a} is damaged`',
    ])('%s', (source) => nothing(source))

    test.each<[string, string, string[]]>([
      ['a method that may refuse', 'this.assertWritable()', [';']],
      ['the code of an error', "throw new StillpointError('busy', 'come back later')", ['""']],
      ['help of an error', "throw new StillpointError('busy', 'come back later', { a })", ['""', '{}']],
      ['a code with a space that is compared', "f(a === 'the next cp')", ['false', 'true', '!==', '""']],
      ['SQL', 'run(`SELECT a FROM b`)', ['``']],
      ['a refusal', "if (a) throw corrupt('does not match')", ['true', 'false']],
      ['a log that is no logger', 'this.log.mark()', [';']],
    ])('but not %s', async (_name, source, parts) => {
      const texts = (await editsOf(source)).edits.map((edit) => applied(source, edit))
      for (const part of parts) expect(texts.some((text) => text.includes(part))).toBe(true)
    })
  })

  test('marked sources do what they did, and mark the places that were reached', async () => {
    const folder = tempFolder()
    try {
      mkdirSync(folder.file('src/lib'), { recursive: true })
      const library = await openLibrary()
      let at = 0
      const ranges = new Map<string, { at: number; edits: FileEdits; source: string }>()
      for (const name of new Bun.Glob('*.ts').scanSync(join(root, 'src/lib'))) {
        const source = readFileSync(join(root, 'src/lib', name), 'utf8')
        const edits = await library(`src/lib/${name}`, source)
        ranges.set(name, { at, edits, source })
        writeFileSync(folder.file(`src/lib/${name}`), markedHeader(at, edits.marks) + edits.marked)
        at += edits.marks
      }
      const marks = folder.file('marks')
      writeFileSync(marks, new Uint8Array(at))
      writeFileSync(
        folder.file('main.ts'),
        [
          "import { compareBytes, readU48 } from './src/lib/bytes.ts'",
          'const bytes = (...all: number[]) => Uint8Array.from(all)',
          'console.log(compareBytes(bytes(1, 2), bytes(1, 3)), readU48(bytes(1, 0, 0, 0, 0, 1), 0))',
        ].join('\n'),
      )
      const done = Bun.spawnSync([process.execPath, folder.file('main.ts')], {
        env: { ...process.env, [marksVariable]: marks },
      })
      expect(done.stderr.toString()).toBe('')
      expect(done.stdout.toString()).toBe('-1 1099511627777\n')

      const all = readFileSync(marks)
      const { at: first, edits, source } = ranges.get('bytes.ts')!
      expect(all[first]).toBe(1)
      const isReached = (text: string): boolean => {
        const start = source.indexOf(text)
        const inside = edits.edits.filter((edit) => edit.start >= start && edit.end <= start + text.length)
        expect(inside.length).toBeGreaterThan(0)
        return inside.some(({ mark }) => all[first + mark] !== 0)
      }
      expect(isReached('difference !== 0')).toBe(true)
      expect(isReached('a[i] !== b[i]')).toBe(false)
      expect(all[ranges.get('zstd.ts')!.at]).toBe(0)
    } finally {
      folder.remove()
    }
  }, 30_000)
})
