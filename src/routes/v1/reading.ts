/**
 * Chooses the image that a reading request wants.
 *
 * - `?cp=N` wants exactly that CP; `?at=TIME` wants the newest CP that was committed at or before that time.
 * - Every other request wants the newest image; with `?minCp=N` the image is of that CP or of a later one.
 * - `?wait=SECONDS` limits how long the request waits for a CP that is yet to come.
 */
import type { ReadView } from '../../fs/contract.ts'
import { isPossibleCp } from '../../fs/read/image-leases.ts'
import { StillpointError } from '../../lib/errors.ts'
import type { Dependencies } from '../http/dependencies.ts'
import type { Permit } from '../http/permit.ts'
import { problem } from '../http/problem.ts'
import { type Query, parseTime } from '../http/raw-url.ts'

export const waitSecondsMax = 60
export const readingParameters = ['cp', 'at', 'minCp', 'wait'] as const

interface Wanted {
  readonly cp: number | null
  readonly atMs: number | null
  readonly minCp: number | null
  readonly waitMs: number
}

const bad = (detail: string, parameter: string): never => {
  throw new StillpointError('bad-parameter', detail, { parameter })
}

export function parseWanted(query: Query): Wanted {
  const cp = query.integer('cp', 0, Number.MAX_SAFE_INTEGER)
  const minCp = query.integer('minCp', 0, Number.MAX_SAFE_INTEGER)
  const waitMs = (query.integer('wait', 0, waitSecondsMax) ?? 0) * 1000
  const at = query.text('at')
  if (cp !== null && !isPossibleCp(cp)) bad('there is no such consistency point', 'cp')
  if (minCp !== null && !isPossibleCp(minCp)) bad('there is no such consistency point', 'minCp')
  if (cp !== null && minCp !== null) bad('cp and minCp exclude each other', 'minCp')
  if (at !== null && (cp !== null || minCp !== null)) bad('at excludes cp and minCp', 'at')
  const time = at === null ? null : parseTime(at)
  if (at !== null && time === null) bad('a time is RFC 3339 with a zone', 'at')
  return { cp, atMs: time?.ms ?? null, minCp, waitMs }
}

/**
 * The caller must release the view. Throws `cp-gone`, `not-yet`, `too-many-pins`; also what the permit throws, so that
 * no CP is kept for a sender who may not read any more.
 */
export async function openWanted(
  dependencies: Dependencies,
  wanted: Wanted,
  request: Request,
  permit: Permit,
): Promise<ReadView> {
  const { views, cps, resources } = dependencies
  const reached = (cp: number): Promise<boolean> =>
    wanted.waitMs === 0 ? views.waitFor(cp, 0) : views.waitFor(cp, wanted.waitMs, request.signal)
  if (wanted.cp !== null) {
    if (!(await reached(wanted.cp))) throw notYet(wanted.cp, views.publishedCp())
    await permit.renew()
    return views.at(wanted.cp, resources.clientOf(request))
  }
  if (wanted.atMs !== null) {
    const cp = await cps.newestAt(wanted.atMs)
    if (cp === null) throw new StillpointError('cp-gone', 'no consistency point is known from then')
    await permit.renew()
    return views.at(cp, resources.clientOf(request))
  }
  if (wanted.minCp === null) return views.open()
  // A mirror may have received no image yet; the request can then only wait.
  const view = views.isEmpty ? null : views.open()
  if (view && view.cp >= wanted.minCp) return view
  view?.release()
  if (!(await reached(wanted.minCp))) throw notYet(wanted.minCp, views.publishedCp())
  return views.open()
}

export function notYet(wanted: number, cp: number): StillpointError {
  return new StillpointError('not-yet', `consistency point ${wanted} is not published here yet`, { cp })
}

/** Opens the wanted view and releases it after the answer. A StillpointError becomes an answer that names the CP. */
export async function answerFrom(
  dependencies: Dependencies,
  wanted: Wanted,
  request: Request,
  permit: Permit,
  answer: (view: ReadView) => Promise<Response>,
): Promise<Response> {
  const view = await openWanted(dependencies, wanted, request, permit)
  try {
    return await answer(view)
  } catch (error) {
    if (error instanceof StillpointError) return problem(error, { 'Stillpoint-CP': String(view.cp) })
    throw error
  } finally {
    view.release()
  }
}
