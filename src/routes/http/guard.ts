/**
 * Puts the decision before a handler: no request reaches a handler that its sender may not send.
 *
 * - The action is decided first, then the path of the address, before the handler looks at anything.
 * - A request that had to wait, a read for its image or a write for its body, is decided again when the tokens have
 *   changed meanwhile: the newest tokens decide, whatever image an answer shows, and however slowly a body comes.
 */
import { nobody, type Who } from '../../access/decide.ts'
import type { Dependencies } from './dependencies.ts'
import type { Endpoint, Handler } from './endpoint.ts'
import { Permit } from './permit.ts'
import type { RequestTarget } from './raw-url.ts'
import { senderOf } from './sender.ts'

/** The answer to a read, unless the newest tokens refuse it. */
async function renewed(coming: Promise<Response>, permit: Permit): Promise<Response> {
  const answer = await coming
  try {
    await permit.renew()
    return answer
  } catch (error) {
    await answer.body?.cancel()
    throw error
  }
}

/** A handler behind its decision. */
export type Guarded = (request: Request, target: RequestTarget) => Response | Promise<Response>

export function guarded(
  { access, method }: Endpoint,
  handler: Handler,
  dependencies: Pick<Dependencies, 'access' | 'audit' | 'resources'>,
): Guarded {
  const door = dependencies.access
  const { action } = access
  const isOnPath = 'paths' in access && access.paths === 'in the address'
  const isRead = method === 'get' || method === 'head'
  const check = (permit: Permit, target: RequestTarget): void => {
    permit.check()
    if (isOnPath) permit.checkAddress(target.rest)
  }
  const answer = (request: Request, target: RequestTarget, who: Who): Response | Promise<Response> => {
    const { generation } = door
    const refused = (by: Who, decision: 401 | 403): void =>
      dependencies.audit({
        event: 'refused',
        ...senderOf(request, by, dependencies),
        what: `${request.method} ${target.pathname}: ${decision}`,
      })
    const decideAgain = async (): Promise<void> => {
      if (door.generation === generation) return
      check(new Permit(await door.who(request.headers), action, refused), target)
    }
    const permit = new Permit(who, action, refused, decideAgain)
    check(permit, target)
    const given = handler(request, target, permit)
    return isRead && given instanceof Promise ? renewed(given, permit) : given
  }
  if (action === 'ask') return (request, target) => answer(request, target, nobody)
  return (request, target) => {
    const who = door.who(request.headers)
    return who instanceof Promise
      ? who.then((known) => answer(request, target, known))
      : answer(request, target, who)
  }
}
