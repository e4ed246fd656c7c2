/**
 * Puts the decision before a handler: no request reaches a handler that its sender may not send.
 *
 * - The action is decided first, then the path of the address, before the handler looks at anything.
 * - A read that had to wait is decided again when the tokens have changed meanwhile: the newest tokens decide, whatever
 *   image the answer shows. A write that has begun is finished.
 */
import { nobody, type Who } from '../../access/decide.ts'
import type { AccessDoor } from './dependencies.ts'
import type { Endpoint, Handler } from './endpoint.ts'
import { Permit } from './permit.ts'
import type { RequestTarget } from './raw-url.ts'

/** A handler behind its decision. */
export type Guarded = (request: Request, target: RequestTarget) => Response | Promise<Response>

export function guarded({ access, method }: Endpoint, handler: Handler, door: AccessDoor): Guarded {
  const { action } = access
  const isOnPath = 'paths' in access && access.paths === 'in the address'
  const isRead = method === 'get' || method === 'head'
  const permitted = (who: Who, target: RequestTarget): Permit => {
    const permit = new Permit(who, action)
    permit.check()
    if (isOnPath) permit.checkAddress(target.rest)
    return permit
  }
  const stillPermitted = async (
    request: Request,
    target: RequestTarget,
    generation: number,
    coming: Promise<Response>,
  ): Promise<Response> => {
    const answer = await coming
    if (door.generation === generation) return answer
    try {
      permitted(await door.who(request.headers), target)
      return answer
    } catch (error) {
      await answer.body?.cancel()
      throw error
    }
  }
  const answer = (request: Request, target: RequestTarget, who: Who): Response | Promise<Response> => {
    const permit = permitted(who, target)
    const { generation } = door
    const given = handler(request, target, permit)
    return isRead && given instanceof Promise ? stillPermitted(request, target, generation, given) : given
  }
  if (action === 'ask') return (request, target) => answer(request, target, nobody)
  return (request, target) => {
    const who = door.who(request.headers)
    return who instanceof Promise
      ? who.then((known) => answer(request, target, known))
      : answer(request, target, who)
  }
}
