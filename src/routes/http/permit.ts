/**
 * The permit of one request: the decision of `access/`, bound to the sender and to the action of the endpoint.
 *
 * - The app decides before a handler runs: the action, and the path in the address of the request.
 * - A path in a body comes into being only here, so that no handler gets one that was not decided.
 * - A handler changes things only within `change`: whatever it has waited for before, the newest tokens decide.
 */
import { type Action, decide, type Who } from '../../access/decide.ts'
import { type Path, formatPath, parsePlainPath, parseUrlPath, rootPath } from '../../fs/paths.ts'
import { StillpointError } from '../../lib/errors.ts'
import type { Dependencies } from './dependencies.ts'

/** The door as a permit sees it; its clock is the one that the expiry of tokens is compared with. */
type Door = Pick<Dependencies['access'], 'generation' | 'nowMs' | 'who'>

/** One request, and what its endpoint asks for. */
interface Asked {
  readonly headers: Headers
  readonly action: Action
  /** Raw path of the address; null is the root. Undefined when the endpoint's address has no path to decide. */
  readonly address: string | null | undefined
  /** Hears of each refusal. */
  refused(who: Who, decision: 401 | 403): void
}

const unauthorized = (): StillpointError =>
  new StillpointError(
    'unauthorized',
    'this needs a valid token: Authorization: Bearer TOKEN, or TOKEN as the password of Basic',
  )

export class Permit {
  private readonly bodyPaths: Path[] = []
  /** A request that was refused once stays refused. */
  private refusal: StillpointError | null = null

  /** Throws `unauthorized` or `forbidden` when the sender may not do this. */
  constructor(
    private sender: Who,
    private readonly asked: Asked,
    private readonly door: Door,
    /** That of the door before it has told who the sender is. */
    private generation: number,
  ) {
    this.check()
  }

  get who(): Who {
    return this.sender
  }

  /** True as long as the tokens are those of the decision, and the sender's token has not expired. */
  get isCurrent(): boolean {
    if (this.refusal) return false
    if (this.asked.action === 'ask') return true
    const expiresMs = this.sender.token?.expiresMs ?? null
    return this.door.generation === this.generation && (expiresMs === null || this.door.nowMs < expiresMs)
  }

  /** Decides by the newest tokens, paths of the body included. Throws `unauthorized`, `forbidden`. */
  async renew(): Promise<void> {
    while (!this.isCurrent) {
      if (this.refusal) throw this.refusal
      this.generation = this.door.generation
      this.sender = await this.door.who(this.asked.headers)
      this.check()
    }
  }

  /** Runs what changes something, directly after a decision by the newest tokens. */
  change<T>(work: () => Promise<T>): Promise<T> {
    return this.isCurrent ? work() : this.renew().then(work)
  }

  /** True when the sender may do this, too, with the whole volume; a refusal is no event. */
  may(action: Action): boolean {
    return decide(this.sender, action, [rootPath]) === 'allow'
  }

  /** Parses and decides a path of a JSON body. Throws `bad-path`, `unauthorized`, `forbidden`. */
  path(text: string): Path {
    const path = parsePlainPath(text)
    this.decide([path])
    this.bodyPaths.push(path)
    return path
  }

  private check(): void {
    // The action comes first: whoever may do nothing hears nothing about paths.
    this.decide([])
    const { address } = this.asked
    // A sender who may go everywhere needs no parser: the handler parses the path in its turn.
    if (address !== undefined && this.sender.prefix.length > 0)
      this.decide([address === null ? rootPath : parseUrlPath(address)])
    for (const path of this.bodyPaths) this.decide([path])
  }

  private decide(paths: readonly Path[]): void {
    const decision = decide(this.sender, this.asked.action, paths)
    if (decision === 'allow') return
    this.asked.refused(this.sender, decision)
    this.refusal = decision === 401 ? unauthorized() : this.forbidden(paths[0])
    throw this.refusal
  }

  private forbidden(path: Path | undefined): StillpointError {
    const { role, prefix } = this.sender
    const where = prefix.length === 0 ? '' : ` below ${formatPath(prefix)}`
    const what = path === undefined ? 'this' : `this with ${formatPath(path) || 'the root'}`
    return new StillpointError('forbidden', `the token is a ${role}'s${where}, and may not do ${what}`, {
      role,
    })
  }
}
