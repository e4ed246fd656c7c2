/** What a test of the model may do, as plain data that fast-check can make, print and shrink. */
import fc from 'fast-check'
import type { Condition, ModelAttributes } from './model-tree.ts'
import { type ZeroShape, zeroShapes } from './zero-shapes.ts'

type Names = readonly string[]

/** Contents are made of a length and a seed, so that a failing run can be read. */
export interface Content {
  readonly length: number
  readonly seed: number
  readonly zeros: ZeroShape
}

export type Step =
  | {
      readonly op: 'put'
      readonly path: Names
      readonly content: Content
      readonly attributes: ModelAttributes
      readonly condition: Condition
    }
  | {
      readonly op: 'delete'
      readonly path: Names
      readonly recursive: boolean
      readonly condition: Condition
    }
  | { readonly op: 'mkdir'; readonly path: Names; readonly attributes: ModelAttributes }
  | {
      readonly op: 'move'
      readonly from: Names
      readonly to: Names
      readonly overwrite: boolean
      readonly condition: Condition
    }

export type Command =
  | (Extract<Step, { op: 'put' }> & { readonly chunkBytes: number })
  | Extract<Step, { op: 'mkdir' | 'move' }>
  | { readonly op: 'link'; readonly path: Names; readonly target: string; readonly condition: Condition }
  | {
      readonly op: 'patch'
      readonly path: Names
      readonly offset: number | 'end'
      readonly content: Content
      readonly condition: Condition
    }
  | { readonly op: 'resize'; readonly path: Names; readonly size: number; readonly condition: Condition }
  | { readonly op: 'deleteFile'; readonly path: Names; readonly condition: Condition }
  | { readonly op: 'deleteDirectory'; readonly path: Names; readonly recursive: boolean }
  | { readonly op: 'batch'; readonly steps: readonly Step[] }
  | { readonly op: 'read'; readonly path: Names; readonly start: number; readonly length: number }
  | { readonly op: 'list'; readonly path: Names; readonly recursive: boolean; readonly limit: number }
  /** Opens a file and keeps it, whatever happens to it, until `letGo`. */
  | { readonly op: 'hold'; readonly path: Names }
  | { readonly op: 'letGo' }
  | { readonly op: 'cp' }
  /** Compares everything with the last consistency point that the model remembers. */
  | { readonly op: 'past' }
  | { readonly op: 'reopen' }

const name = fc.constantFrom('a', 'b', 'B', 'é', 'a0')
const path = fc.array(name, { minLength: 1, maxLength: 3 })
const pathOrRoot = fc.oneof({ weight: 12, arbitrary: path }, { weight: 1, arbitrary: fc.constant([]) })

const length = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 2, arbitrary: fc.integer({ min: 4090, max: 70_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 65_530, max: 65_545 }) },
  { weight: 1, arbitrary: fc.constantFrom(4096, 65_536, 131_072, 262_144) },
  { weight: 2, arbitrary: fc.integer({ min: 100_000, max: 400_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1_000_000, max: 1_500_000 }) },
)
const zeros = fc.oneof(
  { weight: 6, arbitrary: fc.constant('none' as const) },
  { weight: 4, arbitrary: fc.constantFrom(...zeroShapes) },
)
const content = fc.record({ length, seed: fc.integer({ min: 1, max: 1000 }), zeros })
const condition: fc.Arbitrary<Condition> = fc.oneof(
  { weight: 12, arbitrary: fc.constant('none' as const) },
  {
    weight: 3,
    arbitrary: fc.constantFrom('absent' as const, 'exists' as const, 'current' as const, 'other' as const),
  },
)
const longMeta = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`name-${i}`, `${i}`.repeat(150)]))
const someMeta = fc.constantFrom<Record<string, string>>({ x: '1' }, { 'a-b': '%20', z: '' }, longMeta)
const attributes: fc.Arbitrary<ModelAttributes> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        contentType: fc.constantFrom('text/plain', 'image/png'),
        meta: someMeta,
        mode: fc.integer({ min: 0, max: 0o7777 }),
        modifiedMs: fc.integer({ min: -1000, max: 2 ** 41 }),
        modifiedNanos: fc.integer({ min: 0, max: 999_999 }),
      },
      { requiredKeys: [] },
    ),
  },
)
const directoryAttributes = attributes.map(({ meta, mode, modifiedMs, modifiedNanos }): ModelAttributes => ({
  ...(meta ? { meta } : {}),
  ...(mode === undefined ? {} : { mode }),
  ...(modifiedMs === undefined ? {} : { modifiedMs }),
  ...(modifiedNanos === undefined ? {} : { modifiedNanos }),
}))

const put = fc.record({ op: fc.constant('put' as const), path: pathOrRoot, content, attributes, condition })
const mkdir = fc.record({
  op: fc.constant('mkdir' as const),
  path: pathOrRoot,
  attributes: directoryAttributes,
})
const move = fc.record({
  op: fc.constant('move' as const),
  from: pathOrRoot,
  to: pathOrRoot,
  overwrite: fc.boolean(),
  condition,
})
const remove = fc.record({
  op: fc.constant('delete' as const),
  path: pathOrRoot,
  recursive: fc.boolean(),
  condition,
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: put },
  { weight: 2, arbitrary: remove },
  { weight: 2, arbitrary: mkdir },
  { weight: 2, arbitrary: move },
)
const offset = fc.oneof(fc.constant('end' as const), fc.integer({ min: 0, max: 500 }), length)

export const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(put, fc.constantFrom(0, 0, 1000, 65_536, 100_000))
      .map(([each, chunkBytes]) => ({ ...each, chunkBytes })),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('link' as const),
      path: pathOrRoot,
      target: fc.constantFrom('a/b', '/somewhere/else', 'x'.repeat(900)),
      condition,
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ op: fc.constant('patch' as const), path: pathOrRoot, offset, content, condition }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('resize' as const),
      path: pathOrRoot,
      size: fc.oneof(length, fc.integer({ min: 0, max: 3_000_000 })),
      condition,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('deleteFile' as const), path: pathOrRoot, condition }),
  },
  { weight: 3, arbitrary: mkdir },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('deleteDirectory' as const),
      path: pathOrRoot,
      recursive: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: move },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('batch' as const),
      steps: fc.array(step, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('read' as const), path: pathOrRoot, start: length, length }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('list' as const),
      path: pathOrRoot,
      recursive: fc.boolean(),
      limit: fc.integer({ min: 1, max: 7 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('hold' as const), path }) },
  { weight: 2, arbitrary: fc.constant({ op: 'letGo' as const }) },
  { weight: 2, arbitrary: fc.constant({ op: 'cp' as const }) },
  { weight: 1, arbitrary: fc.constant({ op: 'past' as const }) },
  { weight: 1, arbitrary: fc.constant({ op: 'reopen' as const }) },
)
