/** Random steps that must succeed on a tree, small and large, so that a refusal is a finding. */
import type { seededRandom } from '../../src/lib/random.ts'
import { applyStep, isWithin, parentsOf, type Step, type Tree } from './tree.ts'

export type Dice = ReturnType<typeof seededRandom>

export interface Task {
  /** More than one: a batch. */
  readonly steps: readonly Step[]
  readonly level: Level
  /** The body is sent without its length, in pieces. */
  readonly chunked: boolean
}

export const levels = ['buffered', 'logged', 'committed', 'mirrored'] as const
export type Level = (typeof levels)[number]

const entriesMax = 48
const fileBytesMax = 3 * 2 ** 20
/** What a client keeps altogether: larger trees only make the checks slower. */
const treeBytesMax = 12 * 2 ** 20

/** The second half becomes a fourth in zstd. */
const pool = new Uint8Array(8 * 2 ** 20)
for (let i = 0, state = 1; i < pool.length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  pool[i] = state >>> (i < pool.length / 2 ? 24 : 30)
}

export class Generator {
  private stamp = 0

  constructor(
    private readonly dice: Dice,
    private readonly weights: Readonly<Record<Level, number>>,
  ) {}

  next(tree: Tree): Task {
    const { dice } = this
    const level = this.level()
    if (dice.below(100) >= 12) return { steps: [this.step(tree, false)], level, chunked: dice.below(4) === 0 }
    const steps: Step[] = []
    let state = tree
    for (let count = 1 + dice.below(8); count > 0; count--) {
      const step = this.step(state, true)
      steps.push(step)
      state = applyStep(state, step)
    }
    return { steps, level, chunked: false }
  }

  private level(): Level {
    let at = this.dice.below(levels.reduce((sum, level) => sum + this.weights[level], 0))
    for (const level of levels) if ((at -= this.weights[level]) < 0) return level
    return 'logged'
  }

  private step(tree: Tree, inBatch: boolean): Step {
    const { dice } = this
    const paths = [...tree.keys()]
    const bytes = [...tree.values()].reduce(
      (sum, entry) => sum + (entry.kind === 'file' ? entry.bytes.length : 0),
      0,
    )
    const files = paths.filter((path) => tree.get(path)?.kind === 'file')
    if (paths.length >= entriesMax || bytes >= treeBytesMax) {
      const folders = paths.filter((path) => tree.get(path)?.kind === 'directory')
      if (folders.length > 0 && dice.below(2) === 0) return { op: 'rmdir', path: this.of(folders) }
      if (files.length > 0) return { op: 'delete', path: this.of(files) }
    }
    const choice = dice.below(100)
    if (!inBatch && files.length > 0) {
      if (choice < 14) return this.patch(tree, this.of(files))
      if (choice < 22) return { op: 'patch', path: this.of(files), offset: 'end', bytes: this.content(false) }
      if (choice < 26) return { op: 'resize', path: this.of(files), size: this.size(dice.below(8) === 0) }
      if (choice < 28) {
        const path = this.free(tree)
        if (path) return { op: 'link', path, target: `../x/${dice.below(1000)}` }
      }
    }
    if (choice < 40 && paths.length > 0) {
      const from = this.of(paths)
      const to = this.free(tree)
      if (to && !isWithin(to, from)) return { op: 'move', from, to }
    }
    if (choice < 50 && files.length > 0) return { op: 'delete', path: this.of(files) }
    if (choice < 54) {
      const path = this.free(tree)
      if (path) return { op: 'mkdir', path }
    }
    if (choice < 56) {
      const folders = paths.filter((path) => tree.get(path)?.kind === 'directory')
      if (folders.length > 0) return { op: 'rmdir', path: this.of(folders) }
    }
    const replaced = files.length > 0 && dice.below(3) === 0 ? this.of(files) : this.free(tree)
    return {
      op: 'put',
      path: replaced ?? this.of(files.length > 0 ? files : ['f0']),
      bytes: this.content(!inBatch && dice.below(5) === 0),
    }
  }

  private patch(tree: Tree, path: string): Step {
    const entry = tree.get(path)
    const size = entry?.kind === 'file' ? entry.bytes.length : 0
    const offset = this.dice.below(Math.min(size + 5000, fileBytesMax))
    return { op: 'patch', path, offset, bytes: this.content(this.dice.below(6) === 0) }
  }

  /** A path whose parents are directories or absent, and that is itself absent. */
  private free(tree: Tree): string | null {
    const { dice } = this
    for (let attempt = 0; attempt < 64; attempt++) {
      const names: string[] = []
      for (let depth = dice.below(4); depth > 0; depth--) names.push(`d${dice.below(4)}`)
      names.push(`f${dice.below(30)} %+ü`.slice(0, 2 + dice.below(6)))
      const path = names.join('/')
      const parentsFit = parentsOf(path).every(
        (parent) => !tree.has(parent) || tree.get(parent)?.kind === 'directory',
      )
      if (parentsFit && !tree.has(path)) return path
    }
    return null
  }

  private size(large: boolean): number {
    const { dice } = this
    if (large) return 65_536 + dice.below(fileBytesMax - 65_536)
    return dice.below(3) === 0 ? dice.below(64) : dice.below(20_000)
  }

  /** Every content is different from every other. */
  private content(large: boolean): Uint8Array<ArrayBuffer> {
    const size = this.size(large)
    const from = this.dice.below(pool.length - size)
    const bytes = pool.slice(from, from + size)
    const stamp = new TextEncoder().encode(`${++this.stamp}.${this.dice.below(2 ** 30)} `)
    bytes.set(stamp.subarray(0, size))
    return bytes
  }

  private of(list: readonly string[]): string {
    return list[this.dice.below(list.length)]!
  }
}
