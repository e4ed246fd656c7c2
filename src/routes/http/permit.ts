/**
 * The permit of one request: the decision of `access/`, bound to the sender and to the action of the endpoint.
 *
 * - The app decides before a handler runs: the action, and the path in the address of the request.
 * - A path in a body comes into being only here, so that no handler gets one that was not decided.
 */
import { type Action, decide, type Who } from '../../access/decide.ts'
import { type Path, formatPath, parsePlainPath, parseUrlPath, rootPath } from '../../fs/paths.ts'
import { StillpointError } from '../../lib/errors.ts'

export class Permit {
  constructor(
    readonly who: Who,
    private readonly action: Action,
    /** Hears of each refusal. */
    private readonly refused: (who: Who, decision: 401 | 403) => void,
    /** Decides the same request by the newest tokens; throws as `check` does. */
    private readonly decideAgain: () => Promise<void> = () => Promise.resolve(),
  ) {}

  /** A handler that has waited for the sender calls this before it changes anything. */
  renew(): Promise<void> {
    return this.decideAgain()
  }

  /** Throws `unauthorized` or `forbidden` when the sender may not do this anywhere. */
  check(): void {
    this.decide([])
  }

  /** `rest` is the raw path of the address; null is the root. The caller has called `check` before. */
  checkAddress(rest: string | null): void {
    // A sender who may go everywhere needs no parser: the handler parses the path in its turn.
    if (this.who.prefix.length > 0) this.decide([rest === null ? rootPath : parseUrlPath(rest)])
  }

  /** Parses and decides a path of a JSON body. Throws `bad-path`, `unauthorized`, `forbidden`. */
  path(text: string): Path {
    const path = parsePlainPath(text)
    this.decide([path])
    return path
  }

  private decide(paths: readonly Path[]): void {
    const decision = decide(this.who, this.action, paths)
    if (decision !== 'allow') this.refused(this.who, decision)
    if (decision === 401)
      throw new StillpointError(
        'unauthorized',
        'this needs a valid token: Authorization: Bearer TOKEN, or TOKEN as the password of Basic',
      )
    if (decision === 403) throw this.forbidden(paths[0])
  }

  private forbidden(path: Path | undefined): StillpointError {
    const { role, prefix } = this.who
    const where = prefix.length === 0 ? '' : ` below ${formatPath(prefix)}`
    const what = path === undefined ? 'this' : `this with ${formatPath(path) || 'the root'}`
    return new StillpointError('forbidden', `the token is a ${role}'s${where}, and may not do ${what}`, {
      role,
    })
  }
}
