/**
 * Turns the attributes that a client gives an entry into the fields of its item, and an item back into a Stat.
 *
 * An extra (content type, metadata, target) of up to `inlineExtraBytesMax` lies in the item, however long the name
 * is, so a move never has to change the extra. A longer extra is one record, of one block or two.
 */
import type { Version } from '../../cp-engine/contract.ts'
import {
  type EntryExtra,
  encodeEntryExtra,
  extraBytesMax,
  extraProblem,
  noExtra,
} from '../../format/items/entry-extra.ts'
import { type EntryItem, type EntryKind, entryItemLayout, modeMax } from '../../format/items/items.ts'
import { itemBytesMax, keyBytesMax, pointersPerValueMax } from '../../format/geometry.ts'
import { blockPointerBytes } from '../../format/pointer.ts'
import { timeMsMax, timeMsMin } from '../../format/position.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import {
  contentTypeBytesMax,
  linkTargetBytesMax,
  metaBytesMax,
  metaNameBytesMax,
} from '../../lib/entry-limits.ts'
import { StillpointError } from '../../lib/errors.ts'
import type { Attributes, Preconditions, Stat } from '../contract.ts'

const inlineExtraBytesMax =
  itemBytesMax - keyBytesMax - 1 - pointersPerValueMax * blockPointerBytes('sha256') - entryItemLayout.bytes

export const defaultModes: Readonly<Record<EntryKind, number>> = {
  file: 0o644,
  directory: 0o755,
  link: 0o777,
}

/** Attributes that were checked, in the form in which they are stored. */
export interface CheckedAttributes {
  readonly extra: EntryExtra
  /** Bytes of an extra that does not fit the item; null for an extra that does. */
  readonly extraBytes: Uint8Array | null
  readonly mode: number | null
  readonly modified: { readonly ms: number; readonly nanos: number } | null
}

/** Throws `metadata-too-large` or `bad-parameter`. */
export function checkAttributes(attributes: Attributes, target: string | null = null): CheckedAttributes {
  const meta = Object.entries(attributes.meta ?? {})
  const contentType = attributes.contentType || null
  const isPlain = contentType === null && meta.length === 0 && target === null
  const extra: EntryExtra = isPlain
    ? noExtra
    : { contentType, meta: meta.toSorted(([a], [b]) => (a < b ? -1 : 1)), target, unknown: [] }
  return {
    extra,
    extraBytes: isPlain ? null : longExtra(extra),
    mode: integerOrNull('mode', attributes.mode, 0, modeMax),
    modified: checkTime(attributes),
  }
}

/** Returns the bytes of an extra that does not fit the item; null for an extra that does. */
function longExtra(extra: EntryExtra): Uint8Array | null {
  checkSizes(extra)
  const problem = extraProblem(extra)
  if (problem !== null) throw new StillpointError('bad-parameter', problem)
  const bytes = encodeEntryExtra(extra)
  if (bytes.length > extraBytesMax) throw tooLarge(`what is stored beside the content`, extraBytesMax)
  return bytes.length > inlineExtraBytesMax ? bytes : null
}

function checkSizes({ contentType, meta, target }: EntryExtra): void {
  let bytes = 0
  for (const [name, value] of meta) {
    if (name.length > metaNameBytesMax) throw tooLarge('a name of metadata', metaNameBytesMax)
    bytes += name.length + encodeUtf8(value).length
  }
  if (bytes > metaBytesMax) throw tooLarge('metadata', metaBytesMax)
  if (encodeUtf8(contentType ?? '').length > contentTypeBytesMax)
    throw tooLarge('a content type', contentTypeBytesMax)
  if (encodeUtf8(target ?? '').length > linkTargetBytesMax)
    throw tooLarge('the target of a link', linkTargetBytesMax)
}

const tooLarge = (what: string, bytesMax: number): StillpointError =>
  new StillpointError('metadata-too-large', `${what} is at most ${bytesMax} bytes`, { bytesMax })

function integerOrNull(
  name: string,
  value: number | null | undefined,
  min: number,
  max: number,
): number | null {
  if (value === null || value === undefined) return null
  const whole = Math.trunc(value)
  if (whole >= min && whole <= max) return whole
  throw new StillpointError('bad-parameter', `${name} is a number from ${min} to ${max}`)
}

function checkTime({ modifiedMs, modifiedNanos }: Attributes): CheckedAttributes['modified'] {
  const ms = integerOrNull('modified', modifiedMs, timeMsMin, timeMsMax)
  const nanos = integerOrNull('the nanoseconds of modified', modifiedNanos, 0, 999_999)
  return ms === null ? null : { ms, nanos: nanos ?? 0 }
}

export const saysSomething = ({ contentType, meta, mode, modifiedMs }: Attributes): boolean =>
  Boolean(contentType) ||
  Object.keys(meta ?? {}).length > 0 ||
  (mode ?? null) !== null ||
  (modifiedMs ?? null) !== null

export const etagOf = ({ epoch, opening, sequence }: Version): string =>
  `${epoch.toString(36)}-${opening.toString(36)}-${sequence.toString(36)}`

export const equalVersions = (a: Version, b: Version): boolean =>
  a.epoch === b.epoch && a.opening === b.opening && a.sequence === b.sequence

const noMeta: Stat['meta'] = Object.freeze({})

export function statOf(item: EntryItem, extra: EntryExtra): Stat {
  return {
    kind: item.kind,
    size: item.size,
    etag: etagOf(item.version),
    contentType: extra.contentType,
    createdMs: item.createdMs,
    createdNanos: item.createdNanos,
    modifiedMs: item.modifiedMs,
    modifiedNanos: item.modifiedNanos,
    mode: item.mode,
    meta: extra.meta.length === 0 ? noMeta : Object.fromEntries(extra.meta),
    target: extra.target,
  }
}

/**
 * Throws `precondition-failed` as RFC 9110 §13 says. Callers check preconditions last: a request that would fail
 * anyway ignores its preconditions.
 */
export function checkPreconditions(conditions: Preconditions, entry: EntryItem | null): void {
  const { ifMatch, ifNoneMatch } = conditions
  if (ifMatch === undefined && ifNoneMatch === undefined) return
  const etag = entry && etagOf(entry.version)
  const isAmong = (tags: readonly string[] | '*') => etag !== null && (tags === '*' || tags.includes(etag))
  // Like every ETag in an answer, this one has its quotes.
  const help = { etag: etag === null ? null : `"${etag}"` }
  if (ifMatch !== undefined && !isAmong(ifMatch))
    throw new StillpointError('precondition-failed', 'If-Match does not hold', help)
  if (ifNoneMatch !== undefined && isAmong(ifNoneMatch))
    throw new StillpointError('precondition-failed', 'If-None-Match does not hold', help)
}
