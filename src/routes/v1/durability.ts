/**
 * Durability of a writing request: the parameters `?durability=`, `?mirrors=` and `?wait=`, and the answer, which
 * states the level that was reached and the CP that first contains the write. A level that is not reached in time is
 * no failure.
 */
import type { Written } from '../../fs/contract.ts'
import type { Applied } from '../../cp-engine/contract.ts'
import { StillpointError } from '../../lib/errors.ts'
import {
  type Durability,
  type DurabilityWish,
  type PrimaryDependencies,
  durabilityLevels,
} from '../http/dependencies.ts'
import { dataGuards } from '../http/guards.ts'
import { json } from '../http/problem.ts'
import { Query } from '../http/raw-url.ts'
import { waitSecondsMax } from './reading.ts'

export const durabilityParameters = ['durability', 'mirrors', 'wait'] as const
/** A request for `mirrored` cannot wait for ever: a mirror may be away for days. */
export const mirroredWaitMsDefault = 10_000

/** The parser remembers the last query, because a client asks for the same durability with every write. */
export function wishParser(mirrorsMax: number): (query: string) => DurabilityWish {
  let last = { query: '', wish: parseWish(Query.none, mirrorsMax) }
  return (query) => {
    if (query !== last.query)
      last = { query, wish: parseWish(Query.parse(query, durabilityParameters), mirrorsMax) }
    return last.wish
  }
}

export function parseWish(
  query: Query,
  mirrorsMax: number,
  levelDefault: Durability = 'logged',
): DurabilityWish {
  const level = query.choice('durability', durabilityLevels) ?? levelDefault
  const mirrors = query.integer('mirrors', 1, mirrorsMax)
  if (mirrors !== null && level !== 'mirrored') {
    throw new StillpointError('bad-parameter', 'mirrors goes with durability=mirrored', {
      parameter: 'mirrors',
    })
  }
  const wait = query.integer('wait', 0, waitSecondsMax)
  const waitMs = wait !== null ? wait * 1000 : level === 'mirrored' ? mirroredWaitMsDefault : null
  return { level, mirrors: mirrors ?? 1, waitMs }
}

interface Mutation {
  readonly status: number
  readonly applied: Applied<unknown>
  /** Entity tag without quotes; null when the result has none. */
  readonly etag: string | null
  /** Fields of the JSON answer, before `cp` and `durability`. An answer with 204 ignores the fields. */
  readonly fields: Readonly<Record<string, unknown>>
}

export async function answerMutation(
  dependencies: PrimaryDependencies,
  wish: DurabilityWish,
  { status, applied, etag, fields }: Mutation,
): Promise<Response> {
  const level = await dependencies.reach(applied, wish)
  const headers: Record<string, string> = {
    'Stillpoint-CP': String(applied.cp),
    'Stillpoint-Durability': level,
  }
  if (etag !== null) headers['ETag'] = `"${etag}"`
  if (status === 204) return new Response(null, { status, headers })
  return json(status, { ...fields, cp: applied.cp, durability: level }, headers)
}

/**
 * Makes the same answers as `answerMutation` with `writtenMutation`, for the route with the most requests. The text
 * is made in one piece. All answers are made from one `Headers` object, which each `Response` copies: often only the
 * entity tag differs from the answer before.
 */
export function writtenAnswers(): (path: string, written: Written, level: Durability) => Response {
  const headers = new Headers({ 'Content-Type': 'application/json', ...dataGuards })
  const created = { status: 201, headers }
  const replaced = { status: 200, headers }
  let last: { readonly cp: number; readonly level: Durability } | null = null
  return (path, { created: isCreated, stat, applied: { cp } }, level) => {
    const { size, etag } = stat
    if (last?.cp !== cp || last.level !== level) {
      headers.set('Stillpoint-CP', String(cp))
      headers.set('Stillpoint-Durability', level)
      last = { cp, level }
    }
    headers.set('ETag', `"${etag}"`)
    const text = `{"path":${JSON.stringify(path)},"size":${size},"etag":"\\"${etag}\\"","cp":${cp},"durability":"${level}"}`
    return new Response(text, isCreated ? created : replaced)
  }
}

/** The usual answer to a write of one entry. */
export const writtenMutation = (
  path: string,
  written: Written,
  more: Record<string, unknown> = {},
): Mutation => ({
  status: written.created ? 201 : 200,
  applied: written.applied,
  etag: written.stat.etag,
  fields: { path, size: written.stat.size, etag: `"${written.stat.etag}"`, ...more },
})
