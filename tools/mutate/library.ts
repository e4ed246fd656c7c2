/**
 * Stryker's instrumenter, whose rules say where an edit goes and what takes the place of what was there.
 *
 * - This file alone knows its inside; the version is exact, and `npm run mutate` installs it.
 * - Its switches between original and edit make a program 5 to 10 times slower, so that tests meet their limits. Only
 *   the counters are wanted: own placers put one where it would put a switch.
 * - Replacements are printed syntax trees. An operator is exchanged in the source text instead, and what is only cut out is
 *   copied from there, so that the lines of an edit look like those of the file.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Edit, applied } from './edit.ts'
import { type Node, type NodePath, whyLeftOut } from './left-out.ts'

const folder = join(import.meta.dir, 'node_modules/@stryker-mutator/instrumenter')
const marksModule = join(import.meta.dir, 'marks.ts')
/** What no source calls anything. */
const marksName = 'marks9fa48'

/** Of one file. Mark 0 says that the file was loaded. */
export interface FileEdits {
  readonly edits: readonly Edit[]
  /** How many edits were left out, by reason. */
  readonly leftOut: Readonly<Record<string, number>>
  readonly marks: number
  /** The source with its counters; its first line is `markedHeader`'s. */
  readonly marked: string
}

export type Library = (file: string, source: string) => Promise<FileEdits>

export const isLibraryInstalled = (): boolean => existsSync(join(folder, 'package.json'))

/** The header of a marked source whose marks begin at `at`. */
export const markedHeader = (at: number, marks: number): string =>
  `import { marksOf as ${marksName}Of } from ${JSON.stringify(marksModule)}; ` +
  `const ${marksName} = ${marksName}Of(${at}, ${marks}); ${marksName}[0] = 1\n`

interface Mutant {
  readonly id: string
  readonly original: Node
  readonly replacement: Node
  readonly replacementCode: string
  readonly mutatorName: string
  readonly ignoreReason?: string
}
interface Path extends NodePath {
  readonly isBlockStatement: () => boolean
  readonly getStatementParent: () => Path | null
  readonly replaceWith: (node: Node) => void
}
interface Placer {
  readonly name: string
  readonly canPlace: (path: Path) => boolean
  readonly place: (path: Path, edits: ReadonlyMap<Mutant, Node>) => void
}
interface Mutator {
  readonly name: string
  readonly mutate: (path: Path, context: unknown) => Iterable<Node>
}
/** Of the parts of the library that are used, and of the syntax library below it. */
interface Parts {
  readonly createParser: (options: object) => (source: string, file: string) => Promise<object>
  readonly print: (tree: object) => string
  readonly transformBabel: (
    tree: object,
    collector: { readonly mutants: readonly Mutant[] },
    context: object,
    mutators: readonly Mutator[],
    placers: readonly Placer[],
  ) => void
  readonly MutantCollector: new () => { readonly mutants: readonly Mutant[] }
  readonly allMutators: readonly Mutator[]
  readonly allMutantPlacers: readonly Placer[]
  readonly types: Readonly<Record<string, (...parts: unknown[]) => Node>>
}

async function loadParts(): Promise<Parts> {
  const load = async (path: string): Promise<object> => (await import(path)) as object
  const dist = join(folder, 'dist/src')
  return Object.assign(
    {},
    await load(join(dist, 'parsers/index.js')),
    await load(join(dist, 'printers/index.js')),
    await load(join(dist, 'transformers/babel-transformer.js')),
    await load(join(dist, 'transformers/mutant-collector.js')),
    await load(join(dist, 'mutators/index.js')),
    await load(join(dist, 'mutant-placers/index.js')),
    await load(Bun.resolveSync('@babel/core', dist)),
  ) as Parts
}

/** Changes when the same source would give other edits or other marks. */
export function libraryVersion(): string {
  const own = ['library.ts', 'left-out.ts', 'edit.ts'].map((name) =>
    readFileSync(join(import.meta.dir, name)),
  )
  return Bun.hash(Buffer.concat([...own, readFileSync(join(folder, 'package.json'))])).toString(16)
}

export async function openLibrary(): Promise<Library> {
  const parts = await loadParts()
  const options = {
    plugins: null,
    excludedMutations: [],
    noHeader: true,
    ignorers: [{ shouldIgnore: (path: Path) => whyLeftOut(path) ?? undefined }],
  }
  const parse = parts.createParser(options)
  const logger = { debug: () => undefined, warn: console.warn, isDebugEnabled: () => false }
  return async (file, source) => {
    const tree = await parse(source, file)
    const collector = new parts.MutantCollector()
    const marking = new Marking(parts.types)
    const { mutators, texts } = watched(parts.allMutators, source)
    const context = { options, logger, mutateDescription: true, isExpressionContext: false }
    parts.transformBabel(tree, collector, context, mutators, marking.placers(parts.allMutantPlacers))
    const leftOut: Record<string, number> = {}
    const edits = new Map<string, Edit>()
    for (const mutant of collector.mutants) {
      const { ignoreReason, original, mutatorName: kind } = mutant
      if (ignoreReason !== undefined) {
        leftOut[ignoreReason] = (leftOut[ignoreReason] ?? 0) + 1
        continue
      }
      const replacement = texts.get(mutant.replacement)!(mutant.replacementCode)
      const mark = marking.marks.get(mutant.id)
      if (mark === undefined) throw new Error(`${file}: an edit at ${original.start} has no mark`)
      const edit = { file, kind, start: original.start, end: original.end, replacement, mark }
      const text = applied(source, edit)
      // Two rules may think of the same.
      if (text !== source && !edits.has(text)) edits.set(text, edit)
    }
    for (const [text, edit] of edits) assertParses(text, edit)
    return { edits: [...edits.values()], leftOut, marks: marking.count, marked: parts.print(tree) }
  }
}

/** The library's placers say where; a counter is what is put there. */
class Marking {
  readonly marks = new Map<string, number>()
  count = 1

  constructor(private readonly types: Parts['types']) {}

  placers(placers: readonly Placer[]): Placer[] {
    const { blockStatement, switchCase, sequenceExpression } = this.types
    const parts: Readonly<Record<string, (path: Path, marked: Node) => Node>> = {
      expressionMutantPlacer: ({ node }, marked) => sequenceExpression!([marked['expression'], node]),
      statementMutantPlacer: (path, marked) =>
        blockStatement!([marked, ...(path.isBlockStatement() ? (path.node['body'] as Node[]) : [path.node])]),
      switchCaseMutantPlacer: ({ node }, marked) =>
        switchCase!(node['test'], [blockStatement!([marked, ...(node['consequent'] as Node[])])]),
    }
    return placers.map(({ name, canPlace }) => ({
      name,
      canPlace,
      place: (path, edits) => path.replaceWith(parts[name]!(path, this.marked([...edits.keys()]))),
    }))
  }

  private marked(mutants: readonly Mutant[]): Node {
    const { expressionStatement, assignmentExpression, memberExpression, identifier, numericLiteral } =
      this.types
    const mark = this.count++
    for (const { id } of mutants) this.marks.set(id, mark)
    const byte = memberExpression!(identifier!(marksName), numericLiteral!(mark), true)
    return expressionStatement!(assignmentExpression!('=', byte, numericLiteral!(1)))
  }
}

/** How an expression lies in its statement, without semicolons: may a parenthesis open there? */
type Opening = 'inside' | 'whole statement' | 'begins a statement of a block' | 'begins another statement'

/** Texts of replacements, made while the tree is still that of the source: counters change it on the way up. */
function watched(mutators: readonly Mutator[], source: string) {
  const texts = new WeakMap<Node, (printed: string) => string>()
  const watch = (mutator: Mutator): Mutator => ({
    ...mutator,
    *mutate(path, context) {
      for (const replacement of mutator.mutate(path, context)) {
        const text = copiedText(source, path.node, replacement, mutator.name)
        const enclose = enclosing(source, path, replacement)
        texts.set(replacement, (printed) => enclose(text ?? printed))
        yield replacement
      }
    },
  })
  return { mutators: mutators.map(watch), texts }
}

const bindsLoosely = new Set([
  'ArrowFunctionExpression',
  'AssignmentExpression',
  'AwaitExpression',
  'BinaryExpression',
  'ConditionalExpression',
  'LogicalExpression',
  'SequenceExpression',
  'TSAsExpression',
  'TSSatisfiesExpression',
  'UnaryExpression',
  'UpdateExpression',
  'YieldExpression',
])

/** Parentheses, where the replacement binds less than what it replaces. */
function enclosing(source: string, path: Path, replacement: Node): (text: string) => string {
  const opening = openingOf(path)
  if (!bindsLoosely.has(replacement.type) || isEnclosed(source, path.node)) return (text) => text
  if (opening === 'whole statement' || opening === 'begins another statement') return (text) => text
  return (text) => (opening === 'inside' ? `(${text})` : `;(${text})`)
}

function openingOf(path: Path): Opening {
  const statement = path.getStatementParent()
  if (statement?.node.type !== 'ExpressionStatement' || statement.node.start !== path.node.start)
    return 'inside'
  if (statement.node['expression'] === path.node) return 'whole statement'
  const block = statement.parentPath?.node.type
  return block === 'BlockStatement' || block === 'Program'
    ? 'begins a statement of a block'
    : 'begins another statement'
}

function isEnclosed(source: string, { start, end }: Node): boolean {
  let before = start - 1
  while (/\s/.test(source.charAt(before))) before--
  let behind = end
  while (/\s/.test(source.charAt(behind))) behind++
  return source[before] === '(' && source[behind] === ')'
}

const operatorKinds = [
  'ArithmeticOperator',
  'AssignmentOperator',
  'EqualityOperator',
  'LogicalOperator',
  'UpdateOperator',
]
const partKinds = ['BooleanLiteral', 'MethodExpression', 'UnaryOperator']

/** The source with another operator, or the part of it that is left; null for what is new. */
function copiedText(source: string, original: Node, replacement: Node, kind: string): string | null {
  if (operatorKinds.includes(kind)) {
    const [from, to] = operatorGap(original)
    const gap = source
      .slice(from, to)
      .replace(original['operator'] as string, () => replacement['operator'] as string)
    const left = source.slice(original.start, from)
    // `a ?? b ?? c`: `??` does not go with others without parentheses.
    const isMixed = original['operator'] === '??' && (original['left'] as Node)['operator'] === '??'
    return (isMixed ? `(${left})` : left) + gap + source.slice(to, original.end)
  }
  const { start, end } = replacement
  const isPart = original.start <= start && end <= original.end && end - start < original.end - original.start
  return partKinds.includes(kind) && isPart ? source.slice(start, end) : null
}

/** Between the operands; before or behind the only one. */
function operatorGap(original: Node): [from: number, to: number] {
  const side = (name: string): Node => original[name] as Node
  if (original['argument'] === undefined) return [side('left').end, side('right').start]
  return original['prefix'] === true
    ? [original.start, side('argument').start]
    : [side('argument').end, original.end]
}

const transpiler = new Bun.Transpiler({ loader: 'ts' })

/** An edit that cannot be loaded would be noticed by every test, for nothing. */
function assertParses(text: string, { file, kind, start, replacement }: Edit): void {
  try {
    transpiler.transformSync(text)
  } catch (error) {
    throw new Error(`${file}: ${kind} at ${start} gives a text that is none: ${replacement}`, {
      cause: error,
    })
  }
}
