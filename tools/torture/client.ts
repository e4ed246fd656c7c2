/** One client: a request at a time, as long as it is told to; reads of its own are compared at once. */
import { list, perform, read, RefusedError } from './door.ts'
import type { Dice, Generator } from './generator.ts'
import { type History, Violation } from './history.ts'
import { describeEntry, type Entry, type Tree } from './tree.ts'

export interface Urls {
  readonly primary: string
  readonly mirror: string
}

export class Client {
  private goesOn = false
  private believes = true
  private running: Promise<void> = Promise.resolve()
  requests = 0
  mirrorReads = 0

  constructor(
    readonly history: History,
    private readonly generator: Generator,
    private readonly dice: Dice,
    private readonly urls: () => Urls,
    private readonly fail: (error: unknown) => void,
    /** A request has no answer, or one that says that the server is going down. */
    private readonly cut: (reason: string) => void,
  ) {}

  start(): void {
    this.goesOn = true
    this.believes = true
    this.running = this.loop().catch(this.fail)
  }

  /** Answers that come after this promise nothing. */
  stopBelieving(): void {
    this.believes = false
  }

  /** Sends nothing more; resolves when nothing is under way. */
  async stopped(): Promise<void> {
    this.goesOn = false
    await this.running
  }

  private async loop(): Promise<void> {
    while (this.goesOn) {
      const choice = this.dice.below(100)
      if (choice < 8) await this.readOwn()
      else if (choice < 16) await this.readMirror()
      else if (!(await this.write())) return
    }
  }

  /** False when the server has gone. */
  private async write(): Promise<boolean> {
    const { history } = this
    const task = this.generator.next(history.tree)
    history.send(task)
    const answer = await perform(this.urls().primary, history.folder, task)
    if (!this.believes) return false
    this.requests++
    switch (answer.kind) {
      case 'done':
        history.acknowledge(answer.cp, answer.level)
        return true
      case 'cut':
        this.cut(answer.reason)
        return false
      case 'refused':
        // 503: going down, not known whether it happened. 507: it did not.
        if (answer.status === 503) {
          this.cut(answer.text)
          return false
        }
        if (answer.status !== 507)
          throw new Violation(
            `${history.folder}: ${JSON.stringify(brief(task.steps))} was refused: ${answer.text}`,
          )
        history.refused()
        return true
    }
  }

  /** A client reads its own writes. */
  private async readOwn(): Promise<void> {
    const { history, dice } = this
    const paths = [...history.tree].filter(([, entry]) => entry.kind === 'file').map(([path]) => path)
    const path = paths[dice.below(Math.max(1, paths.length))]
    if (path === undefined) return
    try {
      const found = await read(this.urls().primary, history.folder, path)
      const entry: Entry | undefined = found ? { kind: 'file', bytes: found.bytes } : undefined
      const expected = history.tree.get(path)
      if (describeEntry(entry) !== describeEntry(expected))
        throw new Violation(
          `${history.folder}/${path}: wrote ${describeEntry(expected)}, read ${describeEntry(entry)}`,
        )
    } catch (error) {
      if (error instanceof Violation || isServerError(error)) throw error
    }
  }

  /** A listing and one of its files, each of one CP that the client's log knows. */
  private async readMirror(): Promise<void> {
    const { history, dice } = this
    const { mirror } = this.urls()
    try {
      const listing = await list(mirror, history.folder)
      if (!listing) return
      this.mirrorReads++
      const shown = new Map(listing.entries.map((entry) => [entry.path, entry]))
      const states = history.statesAt(listing.cp)
      if (!states.some((state) => sameNames(state, shown)))
        throw new Violation(
          `${history.folder}: the mirror lists in CP ${listing.cp} what was not in it: ${nameDifference(states.at(-1), shown)}\n${history.around(listing.cp)}`,
        )
      const files = listing.entries.filter(({ kind }) => kind === 'file')
      const chosen = files[dice.below(Math.max(1, files.length))]
      if (!chosen) return
      const found = await read(mirror, history.folder, chosen.path)
      if (!found) return
      const expected = history.entriesAt(found.cp, chosen.path).map(describeEntry)
      const got = describeEntry({ kind: 'file', bytes: found.bytes })
      if (!expected.includes(got))
        throw new Violation(
          `${history.folder}/${chosen.path}: the mirror read ${got} in CP ${found.cp}, expected ${expected.join(' or ')}\n${history.around(found.cp)}`,
        )
    } catch (error) {
      if (error instanceof Violation || isServerError(error)) throw error
    }
  }
}

/** A mirror may have nothing yet or be going down (503), and what was listed may have become something else (409). */
const isServerError = (error: unknown): boolean =>
  error instanceof RefusedError && ![409, 410, 503].includes(error.status)

type Shown = ReadonlyMap<string, { readonly kind: string; readonly size: number }>

function sameNames(state: Tree, shown: Shown): boolean {
  return state.size === shown.size && [...state].every(([path, entry]) => fits(entry, shown.get(path)))
}

function fits(entry: Entry, shown: { readonly kind: string; readonly size: number } | undefined): boolean {
  if (shown?.kind !== entry.kind) return false
  return entry.kind !== 'file' || entry.bytes.length === shown.size
}

function nameDifference(state: Tree | undefined, shown: Shown): string {
  if (!state) return 'no state is known'
  const paths = [...new Set([...state.keys(), ...shown.keys()])].filter((path) => {
    const entry = state.get(path)
    return !entry || !fits(entry, shown.get(path))
  })
  return paths
    .slice(0, 4)
    .map(
      (path) =>
        `${path}: expected ${describeEntry(state.get(path))}, listed ${JSON.stringify(shown.get(path))}`,
    )
    .join('; ')
}

const brief = (steps: readonly object[]): unknown[] =>
  steps.map((step) =>
    Object.fromEntries(
      Object.entries(step).map(([name, value]) => [
        name,
        value instanceof Uint8Array ? value.length : (value as unknown),
      ]),
    ),
  )
