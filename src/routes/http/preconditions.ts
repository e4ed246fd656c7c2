/**
 * Conditional requests, RFC 9110 §13, in the order of §13.2.2:
 *
 * 1. If-Match: no strong match → 412.
 * 2. If-Unmodified-Since, only without If-Match: the file has changed later → 412.
 * 3. If-None-Match: a match → 304 for GET and HEAD, otherwise 412.
 * 4. If-Modified-Since, only without If-None-Match, only for GET and HEAD: the file has not changed since → 304.
 * 5. Range with If-Range: the range counts only when If-Range has the entity tag.
 *
 * The tags of a write go down to the file system, which compares the tags in the same step that changes the tree.
 */
import type { Preconditions, ReadView, Stat } from '../../fs/contract.ts'
import type { Path } from '../../fs/paths.ts'
import { StillpointError } from '../../lib/errors.ts'
import type { PrimaryDependencies } from './dependencies.ts'
import type { HeaderValues } from './header-values.ts'

interface EntityTag {
  readonly weak: boolean
  readonly tag: string
}

const tagForm = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/
/** A tag without quotes: some clients of object stores send such tags. */
const bareTag = /^[A-Za-z0-9._~:+-]+$/

/** Parses a list of entity tags, or '*'. Any other text is refused, because a condition must not be lost. */
export function parseTags(header: string, name: string): readonly EntityTag[] | '*' {
  const text = header.trim()
  if (text === '*') return '*'
  const tags: EntityTag[] = []
  for (const part of splitList(text)) {
    const piece = part.trim()
    if (piece === '') continue
    const parts = tagForm.exec(piece)
    if (parts) tags.push({ weak: parts[1] !== undefined, tag: parts[2]! })
    else if (bareTag.test(piece)) tags.push({ weak: false, tag: piece })
    else
      throw new StillpointError('bad-parameter', `${name} is not a list of entity tags`, { parameter: name })
  }
  if (tags.length === 0) {
    throw new StillpointError('bad-parameter', `${name} is empty`, { parameter: name })
  }
  return tags
}

/** Commas inside quotes belong to the tag. */
function splitList(text: string): string[] {
  const parts: string[] = []
  let start = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted
    else if (text[i] === ',' && !quoted) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

/** Strong comparison: a weak tag never matches. */
const strong = (tags: readonly EntityTag[] | '*'): readonly string[] | '*' =>
  tags === '*' ? '*' : tags.filter((tag) => !tag.weak).map((tag) => tag.tag)

/** Weak comparison: the tags alone count. */
const weak = (tags: readonly EntityTag[] | '*'): readonly string[] | '*' =>
  tags === '*' ? '*' : tags.map((tag) => tag.tag)

const matches = (tags: readonly string[] | '*', etag: string): boolean => tags === '*' || tags.includes(etag)

const dateForms = [
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/,
  /^(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT$/,
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/,
]

/** Milliseconds since 1970; null for text that is no HTTP date: such a header is ignored (RFC 9110 §13.1.3). */
export function parseHttpDate(text: string | null): number | null {
  if (text === null || !dateForms.some((form) => form.test(text))) return null
  const ms = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(ms) ? null : ms
}

/** Dates of HTTP have whole seconds. */
const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000

const failed = (header: string, stat: Stat | null): never => {
  throw new StillpointError('precondition-failed', `${header} does not hold`, {
    header,
    ...(stat ? { etag: `"${stat.etag}"` } : {}),
  })
}

/** Evaluates the conditions of GET or HEAD on a file that exists. Throws `precondition-failed`. */
export function evaluateRead(headers: Headers, stat: Stat): 'go on' | 'not modified' {
  const ifMatch = headers.get('If-Match')
  if (ifMatch !== null) {
    if (!matches(strong(parseTags(ifMatch, 'If-Match')), stat.etag)) failed('If-Match', stat)
  } else {
    const unmodifiedSince = parseHttpDate(headers.get('If-Unmodified-Since'))
    if (unmodifiedSince !== null && wholeSeconds(stat.modifiedMs) > unmodifiedSince) {
      failed('If-Unmodified-Since', stat)
    }
  }
  const ifNoneMatch = headers.get('If-None-Match')
  if (ifNoneMatch !== null) {
    return matches(weak(parseTags(ifNoneMatch, 'If-None-Match')), stat.etag) ? 'not modified' : 'go on'
  }
  const modifiedSince = parseHttpDate(headers.get('If-Modified-Since'))
  return modifiedSince !== null && wholeSeconds(stat.modifiedMs) <= modifiedSince ? 'not modified' : 'go on'
}

/**
 * True when If-Range allows the Range of the request. A date never does: clients set the times of files, so two
 * contents may have one date, which is then no strong validator (RFC 9110 §13.1.5).
 */
export function isRangeWanted(headers: Headers, stat: Stat): boolean {
  const ifRange = headers.get('If-Range')
  if (ifRange === null) return true
  const parts = tagForm.exec(ifRange.trim())
  return parts !== null && parts[1] === undefined && parts[2] === stat.etag
}

const unconditional: Preconditions = {}

/** Entity tags of a writing request. */
function parseWriteConditions(headers: HeaderValues): Preconditions {
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  if (ifMatch === undefined && ifNoneMatch === undefined) return unconditional
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: strong(parseTags(ifMatch, 'If-Match')) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: weak(parseTags(ifNoneMatch, 'If-None-Match')) }),
  }
}

/** Makes the same conditions from the strings of a JSON body. */
export function toConditions(ifMatch?: string, ifNoneMatch?: string): Preconditions {
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: strong(parseTags(ifMatch, 'ifMatch')) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: weak(parseTags(ifNoneMatch, 'ifNoneMatch')) }),
  }
}

/**
 * Adds If-Unmodified-Since of a writing request. The file system cannot compare a date in the step that changes the
 * tree, so a date that holds becomes a condition on the very version that was looked at.
 */
async function withUnmodifiedSince(
  headers: HeaderValues,
  conditions: Preconditions,
  look: () => Promise<Stat>,
): Promise<Preconditions> {
  if (conditions.ifMatch !== undefined) return conditions
  const since = parseHttpDate(headers['if-unmodified-since'] ?? null)
  if (since === null) return conditions
  let stat: Stat
  try {
    stat = await look()
  } catch (error) {
    // An entry that does not exist has no date, so the condition is ignored.
    if (error instanceof StillpointError && error.code === 'not-found') return conditions
    throw error
  }
  if (wholeSeconds(stat.modifiedMs) > since) failed('If-Unmodified-Since', stat)
  return { ...conditions, ifMatch: [stat.etag] }
}

/** Gives a promise only for If-Unmodified-Since, the one condition that needs a look at the file. */
export function conditionsOf(
  headers: HeaderValues,
  path: Path,
  { files }: PrimaryDependencies,
): Preconditions | Promise<Preconditions> {
  const conditions = parseWriteConditions(headers)
  if (headers['if-unmodified-since'] === undefined) return conditions
  return withUnmodifiedSince(headers, conditions, () => statOnce(files.view(), path))
}

async function statOnce(view: ReadView, path: Path) {
  try {
    return await view.stat(path)
  } finally {
    view.release()
  }
}
