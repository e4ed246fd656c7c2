/**
 * Operations on files as plain data: made by chance, done on a file system, and done on the model. Both must come to the
 * same, error codes included.
 */
import type { ErrorCode } from '../../src/lib/errors.ts'
import type { Applied } from '../../src/cp-engine/contract.ts'
import type { BatchOperation, FileSystem, Preconditions } from '../../src/fs/contract.ts'
import { type Path, parsePlainPath } from '../../src/fs/paths.ts'
import { type Condition, ModelError, type ModelNode, type ModelTree } from '../fs/model-tree.ts'
import { type ZeroShape, withZeros, zeroShapes } from '../fs/zero-shapes.ts'
import type { Chance } from './chance.ts'
import { someToken, tokenChanges, type TokenOperation } from './tokens.ts'

export type Names = readonly string[]

/** `version`: only when the entry has the content that this token names (history.ts). */
export type When = 'always' | 'absent' | 'exists' | { readonly version: string }

export interface Content {
  readonly length: number
  readonly seed: number
  readonly zeros?: ZeroShape
}

export type Step =
  | { readonly op: 'put'; readonly path: Names; readonly content: Content; readonly when: When }
  | { readonly op: 'delete'; readonly path: Names; readonly recursive: boolean; readonly when: When }
  | { readonly op: 'mkdir'; readonly path: Names }
  | { readonly op: 'move'; readonly from: Names; readonly to: Names; readonly overwrite: boolean }

export type FileOperation =
  | (Extract<Step, { op: 'put' }> & {
      /** 0: the body is there at once; else it comes in chunks, of a length that is told or not. */
      readonly chunkBytes: number
      readonly isLengthTold: boolean
    })
  | { readonly op: 'link'; readonly path: Names; readonly target: string; readonly when: When }
  | {
      readonly op: 'patch'
      readonly path: Names
      readonly offset: number | 'end'
      readonly content: Content
      readonly when: When
    }
  | { readonly op: 'resize'; readonly path: Names; readonly size: number; readonly when: When }
  | { readonly op: 'deleteFile'; readonly path: Names; readonly when: When }
  | { readonly op: 'deleteDirectory'; readonly path: Names; readonly recursive: boolean }
  | Extract<Step, { op: 'mkdir' | 'move' }>
  | { readonly op: 'batch'; readonly steps: readonly Step[] }
  | TokenOperation
  /** Null removes a setting. */
  | {
      readonly op: 'settings'
      readonly changes: readonly { readonly name: string; readonly content: Content | null }[]
    }

/** Words that differ everywhere, repeatable and fast; every third content can be packed. */
export function contentOf({ length, seed, zeros = 'none' }: Content): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = (Math.imul(seed, 2_654_435_761) >>> 0) | 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = seed % 3 === 0 && i % 4 !== 0 ? seed : state
  }
  return withZeros(new Uint8Array(words.buffer, 0, length), zeros)
}

export const pathOf = (names: Names): Path => parsePlainPath(names.join('/'))

// --- On a file system ---

export interface Done {
  readonly applied: Applied<unknown>
  /** Of what it wrote, where the answer says so. */
  readonly etag: string | null
}

export type EtagOf = (version: string) => string | null

export async function perform(files: FileSystem, operation: FileOperation, etagOf: EtagOf): Promise<Done> {
  switch (operation.op) {
    case 'put': {
      const { path, content, when, chunkBytes, isLengthTold } = operation
      const bytes = contentOf(content)
      const body = chunkBytes === 0 ? bytes : chunked(bytes, chunkBytes)
      const lengthHint = isLengthTold ? bytes.length : null
      return written(
        await files.putFile(pathOf(path), body, {}, { ...conditionsOf(when, etagOf), lengthHint }),
      )
    }
    case 'link': {
      const { path, target, when } = operation
      return written(await files.putLink(pathOf(path), target, {}, conditionsOf(when, etagOf)))
    }
    case 'patch': {
      const { path, offset, content, when } = operation
      return written(
        await files.patchFile(pathOf(path), offset, contentOf(content), conditionsOf(when, etagOf)),
      )
    }
    case 'resize': {
      const { path, size, when } = operation
      return written(await files.resizeFile(pathOf(path), size, conditionsOf(when, etagOf)))
    }
    case 'mkdir':
      return written(await files.makeDirectory(pathOf(operation.path), {}))
    case 'move': {
      const { from, to, overwrite } = operation
      return written(await files.move(pathOf(from), pathOf(to), { overwrite }))
    }
    case 'deleteFile': {
      const { path, when } = operation
      return { applied: await files.deleteFile(pathOf(path), conditionsOf(when, etagOf)), etag: null }
    }
    case 'deleteDirectory': {
      const { path, recursive } = operation
      return { applied: await files.deleteDirectory(pathOf(path), { recursive }), etag: null }
    }
    case 'batch': {
      const steps = operation.steps.map((step) => batchStep(step, etagOf))
      return { applied: await files.batch(steps), etag: null }
    }
    case 'token': {
      const applied = await files.changeSettings((settings) => {
        for (const [name, value] of tokenChanges(operation))
          if (value) settings.put(name, value)
          else settings.delete(name)
      })
      return { applied, etag: null }
    }
    case 'settings': {
      const applied = await files.changeSettings((settings) => {
        for (const { name, content } of operation.changes)
          if (content) settings.put(name, contentOf(content))
          else settings.delete(name)
      })
      return { applied, etag: null }
    }
  }
}

const written = ({ applied, stat }: { applied: Applied<unknown>; stat: { etag: string } }): Done => ({
  applied,
  etag: stat.etag,
})

async function* chunked(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    await Promise.resolve()
    yield bytes.slice(at, at + chunkBytes)
  }
}

function conditionsOf(when: When, etagOf: EtagOf): Preconditions {
  if (when === 'always') return {}
  if (when === 'absent') return { ifNoneMatch: '*' }
  return when === 'exists' ? { ifMatch: '*' } : { ifMatch: [etagOf(when.version) ?? '0-0-none'] }
}

function batchStep(step: Step, etagOf: EtagOf): BatchOperation {
  switch (step.op) {
    case 'put':
      return {
        op: 'put',
        path: pathOf(step.path),
        content: contentOf(step.content),
        ...conditionsOf(step.when, etagOf),
      }
    case 'delete':
      return {
        op: 'delete',
        path: pathOf(step.path),
        recursive: step.recursive,
        ...conditionsOf(step.when, etagOf),
      }
    case 'mkdir':
      return { op: 'mkdir', path: pathOf(step.path) }
    case 'move':
      return { op: 'move', from: pathOf(step.from), to: pathOf(step.to), overwrite: step.overwrite }
  }
}

// --- On the model ---

/** Codes that the state of the files alone decides; others depend on the machine. */
const semanticCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'not-found',
  'is-a-directory',
  'not-a-directory',
  'is-a-link',
  'exists',
  'into-itself',
  'directory-not-empty',
  'precondition-failed',
  'forbidden',
])
export const isSemantic = (code: ErrorCode): boolean => semanticCodes.has(code)

/** Null when it was done; else the code of the refusal, and the tree is not to be used any more. */
export function applyToModel(tree: ModelTree, operation: FileOperation): ErrorCode | null {
  try {
    if (operation.op === 'batch') for (const step of operation.steps) applyStep(tree, step)
    else applyOne(tree, operation)
    return null
  } catch (error) {
    if (error instanceof ModelError) return error.code
    throw error
  }
}

function applyOne(tree: ModelTree, operation: Exclude<FileOperation, { op: 'batch' }>): void {
  switch (operation.op) {
    case 'link':
      tree.putLink(operation.path, operation.target, conditionOf(tree, operation.path, operation.when))
      return
    case 'patch': {
      const { path, offset, content, when } = operation
      tree.patch(path, offset, contentOf(content), conditionOf(tree, path, when))
      return
    }
    case 'resize':
      return tree.resize(operation.path, operation.size, conditionOf(tree, operation.path, operation.when))
    case 'deleteFile':
      return tree.remove(operation.path, 'file', false, conditionOf(tree, operation.path, operation.when))
    case 'deleteDirectory':
      return tree.remove(operation.path, 'directory', operation.recursive, 'none')
    case 'token':
      for (const [name, value] of tokenChanges(operation))
        if (value) tree.settings.set(name, value)
        else tree.settings.delete(name)
      return
    case 'settings':
      for (const { name, content } of operation.changes)
        if (content) tree.settings.set(name, contentOf(content))
        else tree.settings.delete(name)
      return
    default:
      return applyStep(tree, operation)
  }
}

function applyStep(tree: ModelTree, step: Step): void {
  switch (step.op) {
    case 'put':
      tree.put(step.path, contentOf(step.content), {}, conditionOf(tree, step.path, step.when))
      return
    case 'delete':
      return tree.remove(step.path, 'any', step.recursive, conditionOf(tree, step.path, step.when))
    case 'mkdir':
      tree.makeDirectory(step.path, {})
      return
    case 'move':
      tree.move(step.from, step.to, step.overwrite, 'none')
  }
}

/** The model knows no ETags: a version is what the token says, or it is another one. */
function conditionOf(tree: ModelTree, path: Names, when: When): Condition {
  if (when === 'always') return 'none'
  if (typeof when === 'string') return when
  let node: ModelNode | null = null
  try {
    node = tree.find(path)
  } catch (error) {
    if (!(error instanceof ModelError)) throw error
  }
  return node?.etag === when.version ? 'exists' : 'other'
}

// --- By chance ---

const names = ['a', 'b', 'c', 'd']

export interface Habits {
  /** Bytes of a large file. */
  readonly largeMax: number
  /** Some have records of 256 KiB, and are seen by readers while they are of several CPs. */
  readonly hasGiants: boolean
  /** Bodies that are mostly larger than what is free: they are refused in their midst, again and again. */
  readonly fills: boolean
  /** Bodies that are mostly as large as the log takes: it goes round and round. */
  readonly logs: boolean
  /** Of 100 operations: those that give something back. */
  readonly deletes: number
}

/** Where something is, as far as the client knows; most operations should find what they are for. */
export interface Known {
  readonly files: readonly Names[]
  readonly directories: readonly Names[]
  /** A token that the client knows for this path. */
  versionOf(path: Names): string | null
}

function somePath(chance: Chance): Names {
  const depth = chance.pick([1, 1, 2, 2, 3])
  return Array.from({ length: depth }, () => chance.pick(names))
}

const knownOr = (chance: Chance, known: readonly Names[]): Names =>
  known.length > 0 && chance.below(10) > 0 ? chance.pick(known) : somePath(chance)

/** Mostly a name that is free in a directory that is there. */
function newPath(chance: Chance, { directories }: Known): Names {
  return chance.below(6) === 0
    ? somePath(chance)
    : [...knownOr(chance, directories).slice(0, 3), chance.pick(names)]
}

function someContent(chance: Chance, { largeMax, hasGiants, fills, logs }: Habits): Content {
  const seed = chance.below(2 ** 31) + 1
  const size = chance.weighted({
    empty: 2,
    tiny: 16,
    block: 6,
    record: 4,
    large: 4,
    huge: 1,
    giant: hasGiants ? 2 : 0,
    filling: fills ? 12 : 0,
    logged: logs ? 30 : 0,
  })
  const length = {
    empty: () => 0,
    tiny: () => 1 + chance.below(400),
    block: () => 4000 + chance.below(9000),
    record: () => 65_530 + chance.below(12),
    large: () => chance.below(largeMax),
    // Beyond what one operation unlinks with its records.
    huge: () => (largeMax > 50_000 ? 520_000 + chance.below(200_000) : 0),
    giant: () => 8 * 2 ** 20 + chance.below(700_000),
    logged: () => 30_000 + chance.below(35_000),
    filling: () => 600_000 + chance.below(2 ** 20),
  }[size]()
  return { length, seed, zeros: chance.below(3) > 0 ? 'none' : chance.pick(zeroShapes) }
}

const someWhen = (chance: Chance, known: string | null): When =>
  chance.below(8) > 0 ? 'always' : chance.pick(['absent', 'exists', known ? { version: known } : 'exists'])

function someStep(chance: Chance, habits: Habits, known: Known): Step {
  const op = chance.weighted({ put: 4, delete: 1, mkdir: 1, move: 1 })
  switch (op) {
    case 'put': {
      const content = someContent(chance, { ...habits, largeMax: 20_000, hasGiants: false, fills: false })
      return { op, path: newPath(chance, known), content, when: 'always' }
    }
    case 'delete': {
      const path = knownOr(chance, chance.below(3) === 0 ? known.directories : known.files)
      return { op, path, recursive: chance.below(4) > 0, when: 'always' }
    }
    case 'mkdir':
      return { op, path: newPath(chance, known) }
    case 'move':
      return someMove(chance, known)
  }
}

function someMove(chance: Chance, known: Known): Extract<Step, { op: 'move' }> {
  const from = knownOr(chance, chance.below(3) === 0 ? known.directories : known.files)
  return { op: 'move', from, to: newPath(chance, known), overwrite: chance.below(2) === 0 }
}

export function someOperation(chance: Chance, habits: Habits, known: Known): FileOperation {
  const { deletes } = habits
  const op = chance.weighted({
    put: 40,
    patch: 14,
    append: 8,
    resize: 7,
    deleteFile: deletes,
    deleteDirectory: Math.ceil(deletes / 4),
    mkdir: 4,
    move: 10,
    link: 2,
    batch: 7,
    settings: 2,
    token: 3,
  })
  const file = knownOr(chance, known.files)
  const when = someWhen(chance, known.versionOf(file))
  switch (op) {
    case 'put': {
      const content = someContent(chance, habits)
      const chunkBytes = chance.pick([0, 0, 1000, 65_536])
      const isLengthTold = chance.below(2) === 0
      const isNew = chance.below(2) === 0
      const path = isNew ? newPath(chance, known) : file
      return { op, path, content, when: isNew ? 'always' : when, chunkBytes, isLengthTold }
    }
    case 'patch': {
      const offset = chance.below(chance.pick([100, 5000, 70_000, 200_000, 1_000_000]))
      return { op, path: file, offset, content: someContent(chance, habits), when }
    }
    case 'append':
      return { op: 'patch', path: file, offset: 'end', content: someContent(chance, habits), when }
    case 'resize':
      return { op, path: file, size: chance.below(chance.pick([10, 5000, 200_000, 2_000_000])), when }
    case 'deleteFile':
      return { op, path: file, when }
    case 'deleteDirectory':
      return { op, path: knownOr(chance, known.directories), recursive: chance.below(4) > 0 }
    case 'mkdir':
      return { op, path: newPath(chance, known) }
    case 'move':
      return someMove(chance, known)
    case 'link':
      return { op, path: newPath(chance, known), target: `to ${chance.below(1000)}`, when: 'always' }
    case 'batch': {
      const steps = Array.from({ length: chance.between(1, 6) }, () => someStep(chance, habits, known))
      return { op, steps }
    }
    case 'token':
      return someToken(chance)
    case 'settings': {
      const changes = Array.from({ length: chance.between(1, 3) }, () => ({
        name: `${chance.pick(['retention', 'quota'])}/${chance.pick(names)}`,
        content:
          chance.below(3) === 0 ? null : { length: chance.below(700), seed: chance.below(2 ** 31) + 1 },
      }))
      return { op, changes }
    }
  }
}
