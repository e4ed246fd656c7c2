/**
 * What was asked of a primary, in the one order in which it was applied, and what was answered. The checkers compare
 * with it after every crash.
 *
 * An operation is applied in the same synchronous step in which its function ran last. So whoever was the last to run at
 * a sequence number, when that number has passed, is the one that was applied there: also when the machine lost its power
 * before anybody heard of it.
 */
import type { DurabilityLevel } from '../../src/cp-engine/contract.ts'
import { ModelTree } from '../fs/model-tree.ts'
import { type FileOperation, applyToModel } from './file-operations.ts'
import { must } from './violation.ts'

export type Reached = DurabilityLevel | 'mirrored'

/** One request of a client. */
export interface Request {
  readonly id: number
  readonly client: string
  readonly operation: FileOperation | null
  /** The sequence number of the state that it looked at last. */
  looked: number
  reached: Reached | null
  /** The CP that the answer named. */
  cp: number
  sequence: number
  /** False: it found everything as it should be. */
  hasChanged: boolean
}

/** Null: a step of the reaper, which nobody can see. */
interface Claim {
  readonly base: number
  readonly request: Request | null
  readonly opening: number
}

export class History {
  private readonly claims = new Map<number, Claim>()
  private readonly states = new Map<number, ModelTree>()
  private readonly acknowledged: { readonly request: Request; readonly opening: number }[] = []
  private readonly etags = new Map<string, string>()
  private readonly tokens = new Map<string, string>()
  private requests = 0
  opening = 0
  /** Everything up to this sequence number was acknowledged as durable. */
  durable = 0
  /** The highest CP that anybody was told of. */
  promisedCp = 0

  constructor(
    /** False on a disk that lies: an old superblock may give a version again. */
    private readonly areVersionsUnique = true,
    /** Operations before the run. */
    private readonly firstSequence = 0,
  ) {
    const tree = new ModelTree()
    tree.setEtag([], 'root')
    this.states.set(firstSequence, tree)
    this.durable = firstSequence
  }

  request(client: string, operation: FileOperation | null): Request {
    const id = ++this.requests
    return { id, client, operation, looked: -1, reached: null, cp: 0, sequence: -1, hasChanged: false }
  }

  /** The function of an operation has run on the open tree at this sequence number. */
  claim(base: number, request: Request | null): void {
    this.claims.set(base, { base, request, opening: this.opening })
    if (request) request.looked = base
  }

  /** Answered: from now on it counts. */
  answered(request: Request, reached: Reached, cp: number, sequence: number): void {
    request.reached = reached
    request.cp = cp
    request.sequence = sequence
    request.hasChanged = sequence !== request.looked
    this.acknowledged.push({ request, opening: this.opening })
    this.promised(cp)
    if (reached !== 'buffered') this.durable = Math.max(this.durable, sequence)
  }

  promised(cp: number): void {
    this.promisedCp = Math.max(this.promisedCp, cp)
  }

  /** Whether an operation may have ended here. */
  isKnown(sequence: number): boolean {
    return this.ends().has(sequence)
  }

  /** What the files are after everything up to this sequence number. */
  stateAt(sequence: number): ModelTree {
    const known = this.states.get(sequence)
    if (known) return known
    const bases = [...this.claims.keys()].filter((base) => base < sequence).sort((a, b) => a - b)
    let from = bases.length
    while (from > 0 && !this.states.has(bases[from - 1]!)) from--
    const begin = from > 0 ? bases[from - 1]! : this.firstSequence
    let tree = this.states.get(begin)!
    for (const [i, base] of bases.entries()) {
      if (base < begin) continue
      tree = this.after(tree, this.claims.get(base)!)
      this.states.set(bases[i + 1] ?? sequence, tree)
    }
    must(bases.length > 0, `nothing is known of operation ${sequence}`)
    return tree
  }

  /** An open has found this much; what comes after it is gone, and nobody may have been told that it is durable. */
  recovered(sequence: number, mayLose: boolean): void {
    must(
      mayLose || sequence >= this.durable,
      () => `operation ${this.durable} was acknowledged as durable; the open found ${sequence}`,
    )
    // A number between two ends would be half an operation.
    const isEnd = this.ends().has(sequence)
    must(mayLose || isEnd, () => `the open found operation ${sequence}, which is not the end of any`)
    this.stateAt(sequence)
    for (const base of this.claims.keys()) if (base >= sequence) this.claims.delete(base)
    for (const at of this.states.keys()) if (at > sequence) this.states.delete(at)
    for (let i = this.acknowledged.length - 1; i >= 0; i--)
      if (this.acknowledged[i]!.request.sequence > sequence) this.acknowledged.splice(i, 1)
    this.durable = Math.min(this.durable, sequence)
    this.opening++
  }

  /** The CP that an answer named is the first that contains it, whatever crashed in between. */
  checkPromises(cp: number, sequence: number, opening: number): void {
    for (const { request, opening: answeredIn } of this.acknowledged) {
      const isIn = request.sequence <= sequence
      must(
        request.cp > cp || isIn,
        () => `request ${request.id} was told CP ${request.cp}; CP ${cp} does not have it`,
      )
      must(
        !isIn || answeredIn !== opening || request.cp <= cp || !request.hasChanged,
        () => `request ${request.id} was told CP ${request.cp}; CP ${cp} has it already`,
      )
    }
  }

  etagOf = (token: string): string | null => this.etags.get(token) ?? null

  /** Nothing that was written before has this version. */
  isFresh(etag: string): boolean {
    return !this.tokens.has(etag)
  }

  /** No version is ever given to two contents, and no content has two. */
  match(token: string, etag: string, where: string): void {
    const before = this.etags.get(token)
    const other = this.tokens.get(etag)
    if (this.areVersionsUnique) {
      must(
        before === undefined || before === etag,
        () => `${where}: had the version ${before}, and now ${etag}`,
      )
      must(
        other === undefined || other === token,
        () => `${where}: the version ${etag} is that of ${other} as well`,
      )
    }
    this.etags.set(token, etag)
    this.tokens.set(etag, token)
  }

  private ends(): Set<number> {
    const ends = new Set<number>([this.firstSequence, ...this.claims.keys()])
    for (const { request } of this.acknowledged) ends.add(request.sequence)
    // Of the last one nobody may know where it ended.
    const last = Math.max(this.firstSequence, ...this.claims.keys())
    const known = Math.max(this.firstSequence, ...ends)
    if (known <= last) for (let i = 1; i <= sequencesPerOperationMax; i++) ends.add(last + i)
    return ends
  }

  private after(tree: ModelTree, { request }: Claim): ModelTree {
    if (!request) return tree
    const next = tree.clone()
    const refusal = request.operation ? applyToModel(next, request.operation) : null
    must(refusal === null, () => `request ${request.id} was applied and should have been refused: ${refusal}`)
    nameVersions(next, String(request.id))
    return next
  }
}

const sequencesPerOperationMax = 64

/** Whatever the operation has written has no version yet: it gets a token. */
function nameVersions(tree: ModelTree, prefix: string): void {
  if (tree.root.etag === null) tree.setEtag([], `${prefix}:`)
  for (const { path, node } of tree.list([], true))
    if (node.etag === null) tree.setEtag(path, `${prefix}:${path.join('/')}`)
}
