/**
 * The client-side log: everything that one client sent, what was acknowledged, and the states that may therefore exist.
 *
 * - A client has one request at a time, so its own operations are a line; `tick` orders what different clients did.
 * - Rule of the log (I9): what is there after a crash is a prefix of one order. So an operation is there when it was
 *   acknowledged durable, and also when it was acknowledged at all before something started that is there.
 * - Rule of the CPs (C7): what a CP shows is exactly the operations whose acknowledgement named it or an earlier one.
 */
import type { Level, Task } from './generator.ts'
import { applyStep, differenceOf, emptyTree, type Entry, type Tree } from './tree.ts'

export class Violation extends Error {
  override readonly name = 'Violation'
}

/** Orders sending and acknowledging over all clients. */
export class Ticks {
  private now = 0
  next(): number {
    return ++this.now
  }
}

interface Sent {
  readonly task: Task
  readonly startTick: number
  readonly after: Tree
  ackTick: number | null
  level: Level | null
  /** The CP that first contains it lies in [cpLow, cpHigh]. */
  cpLow: number
  cpHigh: number
}

/** A state that some CP may show. */
interface Past {
  readonly task: Task
  readonly after: Tree
  readonly cpLow: number
  readonly cpHigh: number
}

const noTask: Task = { steps: [], level: 'buffered', chunked: false }

export interface CrashMatch {
  /** Fewest and most operations since the last crash that explain what was found. */
  readonly least: number
  readonly most: number
}

export class History {
  /** What is certain: survived the last crash, or was there from the beginning. */
  private base: Tree = emptyTree
  private sent: Sent[] = []
  /** States that an older CP may still show; the first is the oldest that may be asked for. */
  private past: Past[] = [{ task: noTask, after: emptyTree, cpLow: 0, cpHigh: 0 }]
  private lastCp = 0
  readonly acknowledged = { buffered: 0, logged: 0, committed: 0, mirrored: 0 }
  /** The highest CP that was acknowledged `mirrored`: a mirror never shows less. */
  mirroredCp = 0
  committedCp = 0

  constructor(
    readonly folder: string,
    private readonly ticks: Ticks,
  ) {}

  get tree(): Tree {
    return this.sent.at(-1)?.after ?? this.base
  }

  send(task: Task): void {
    let after = this.tree
    for (const step of task.steps) after = applyStep(after, step)
    this.sent.push({
      task,
      startTick: this.ticks.next(),
      after,
      ackTick: null,
      level: null,
      cpLow: this.lastCp,
      cpHigh: Infinity,
    })
  }

  acknowledge(cp: number, level: Level): void {
    const last = this.sent.at(-1)
    if (!last || last.ackTick !== null) throw new Error('nothing was sent')
    if (!Number.isSafeInteger(cp) || cp < this.lastCp)
      throw new Violation(`${this.folder}: an answer named CP ${cp} after one named ${this.lastCp}`)
    this.lastCp = cp
    last.ackTick = this.ticks.next()
    last.level = level
    last.cpLow = last.cpHigh = cp
    this.acknowledged[level]++
    if (level === 'mirrored') this.mirroredCp = Math.max(this.mirroredCp, cp)
    if (level === 'committed' || level === 'mirrored') this.committedCp = Math.max(this.committedCp, cp)
  }

  /** The server said that it did not happen. */
  refused(): void {
    this.sent.pop()
  }

  // --- After a crash ---

  /** When the latest durable operation began: what was acknowledged before that has survived. */
  durableStart(): number {
    return Math.max(0, ...this.sent.filter(isDurable).map(({ startTick }) => startTick))
  }

  startTickOf(count: number): number {
    return this.sent[count - 1]?.startTick ?? 0
  }

  /** Operations since the last crash that nobody answered. */
  get unanswered(): number {
    return this.sent.filter(({ ackTick }) => ackTick === null).length
  }

  /** How many of the operations were acknowledged before `tick`. */
  acknowledgedBefore(tick: number): number {
    return this.sent.filter(({ ackTick }) => ackTick !== null && ackTick < tick).length
  }

  /** Finds which prefix of the operations explains the tree, `floor` of them at least. */
  match(found: Tree, durableStart: number): CrashMatch {
    const own = this.sent.findLastIndex(isDurable) + 1
    const floor = Math.max(own, this.acknowledgedBefore(durableStart))
    let least = -1
    let most = -1
    for (let count = floor; count <= this.sent.length; count++) {
      if (differenceOf(this.after(count), found) !== null) continue
      if (least < 0) least = count
      most = count
    }
    if (least >= 0) return { least, most }
    const lost = Array.from({ length: floor }, (_, count) => count).findLast(
      (count) => differenceOf(this.after(count), found) === null,
    )
    if (lost !== undefined)
      throw new Violation(
        `${this.folder}: ${floor - lost} acknowledged operations are lost; the first: ${this.describe(lost)}`,
      )
    throw new Violation(
      `${this.folder}: what is there is no state that ever was (${this.sent.length} operations since the last ` +
        `crash, ${floor} of them durable); against the durable ones: ${differenceOf(this.after(floor), found)}; ` +
        `against all: ${differenceOf(this.tree, found)}; the last: ${this.describe(this.sent.length - 1)}`,
    )
  }

  /** Goes on from what survived. Its unacknowledged part has a CP no higher than the one that the recovery published. */
  survive(count: number, recoveredCp: number): void {
    for (const sent of this.sent.slice(0, count))
      this.past.push({
        task: sent.task,
        after: sent.after,
        cpLow: sent.cpLow,
        cpHigh: Math.min(sent.cpHigh, recoveredCp),
      })
    this.base = this.after(count)
    this.sent = []
  }

  // --- What a CP shows ---

  /** Every state that CP `cp` may have: more than one only while something is without an answer. */
  statesAt(cp: number): Tree[] {
    const line: Past[] = [...this.past, ...this.sent]
    const first = line.findLastIndex(({ cpHigh }) => cpHigh <= cp)
    const states = first < 0 ? [] : [line[first]!.after]
    for (const { cpLow, after } of line.slice(first + 1)) {
      if (cpLow > cp) break
      states.push(after)
    }
    return states
  }

  /** CPs below this one will not be asked for any more. */
  forget(cp: number): void {
    const first = this.past.findLastIndex(({ cpHigh }) => cpHigh <= cp)
    if (first > 0) this.past = this.past.slice(first)
  }

  /** The operations around a CP, for whoever has to explain what it shows. */
  around(cp: number): string {
    const line: Past[] = [...this.past, ...this.sent]
    const last = line.findLastIndex(({ cpLow }) => cpLow <= cp)
    return line
      .slice(Math.max(0, last - 12), last + 3)
      .map(({ task, cpLow, cpHigh }) => `[CP ${cpLow}…${cpHigh}, wished ${task.level}] ${stepsOf(task)}`)
      .join('\n')
  }

  expectAt(cp: number, found: Tree, where: string): void {
    const states = this.statesAt(cp)
    const differences = states.map((state) => differenceOf(state, found))
    if (differences.includes(null)) return
    throw new Violation(
      `${this.folder}: ${where} shows in CP ${cp} what was not in it: ` +
        `${differences.at(-1) ?? 'no state is known'}\n${this.around(cp)}`,
    )
  }

  /** Entries that may lie under a path in a CP. */
  entriesAt(cp: number, path: string): (Entry | undefined)[] {
    return this.statesAt(cp).map((state) => state.get(path))
  }

  private after(count: number): Tree {
    return count === 0 ? this.base : this.sent[count - 1]!.after
  }

  private describe(index: number): string {
    const sent = this.sent[index]
    if (!sent) return 'none'
    const answer = sent.ackTick === null ? 'no answer' : `answered ${sent.level} in CP ${sent.cpLow}`
    return `${stepsOf(sent.task)} (wished ${sent.task.level}, ${answer})`
  }
}

const isDurable = ({ ackTick, level }: Sent): boolean =>
  ackTick !== null && level !== 'buffered' && level !== null

const stepsOf = ({ steps }: Task): string =>
  steps
    .map((step) =>
      Object.entries(step)
        .map(([name, value]) => `${name}=${value instanceof Uint8Array ? `${value.length} bytes` : value}`)
        .join(' '),
    )
    .join(' | ')
