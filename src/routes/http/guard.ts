/**
 * Puts the decision before a handler: no request reaches a handler that its sender may not send.
 *
 * - The action is decided first, then the path of the address, before the handler looks at anything.
 * - A request that had to wait, a read for its image or a write for its body, is decided again when the tokens have
 *   changed meanwhile, or its own token has expired: the newest tokens decide, whatever image an answer shows, and
 *   however slowly a body comes. A read, or a question in SQL, is decided again before its answer begins, and between the pieces of a long
 *   one; a write directly before it changes anything.
 */
import { nobody, type Who } from '../../access/decide.ts'
import type { Dependencies } from './dependencies.ts'
import type { Endpoint, Handler } from './endpoint.ts'
import { Permit } from './permit.ts'
import type { RequestTarget } from './raw-url.ts'
import { senderOf } from './sender.ts'

/**
 * The answer to a read, unless the newest tokens refuse it: then nothing is told, a failure neither. A failure names
 * what is there.
 */
async function renewed(coming: Promise<Response>, permit: Permit): Promise<Response> {
  const [given] = await Promise.allSettled([coming])
  try {
    await permit.renew()
  } catch (error) {
    if (given.status === 'fulfilled') await given.value.body?.cancel()
    throw error
  }
  if (given.status === 'rejected') throw given.reason
  return given.value
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
  const isRead = method === 'get' || method === 'head' || action === 'query'
  const answer = (
    request: Request,
    target: RequestTarget,
    who: Who,
    generation: number,
  ): Response | Promise<Response> => {
    const permit = new Permit(
      who,
      {
        headers: request.headers,
        action,
        address: isOnPath ? target.rest : undefined,
        refused: (by, decision) =>
          dependencies.audit({
            event: 'refused',
            ...senderOf(request, by, dependencies),
            what: `${request.method} ${target.pathname}: ${decision}`,
          }),
      },
      door,
      generation,
    )
    const given = handler(request, target, permit)
    return isRead && given instanceof Promise ? renewed(given, permit) : given
  }
  if (action === 'ask') return (request, target) => answer(request, target, nobody, 0)
  return (request, target) => {
    const { generation } = door
    const who = door.who(request.headers)
    return who instanceof Promise
      ? who.then((known) => answer(request, target, known, generation))
      : answer(request, target, who, generation)
  }
}
