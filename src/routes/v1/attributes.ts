/**
 * Attributes that a client attaches to an entry, translated between headers, JSON and the file system.
 *
 * The headers are `Stillpoint-Meta-Owner: alice`, `Stillpoint-Mode: 0644`, `Stillpoint-Modified: RFC 3339`,
 * `Content-Type` and `Stillpoint-Link: target`. Metadata is kept and sent back as the client sent the text. Content
 * types, modes, times and link targets are kept as values, and each has one form in answers.
 */
import type { Attributes, Stat } from '../../fs/contract.ts'
import { encodeUtf8 } from '../../lib/bytes.ts'
import { toRfc3339 } from '../../lib/clock.ts'
import {
  contentTypeBytesMax,
  linkTargetBytesMax,
  metaBytesMax,
  metaNameBytesMax,
} from '../../lib/entry-limits.ts'
import { StillpointError } from '../../lib/errors.ts'
import { fileGuards, mayChange } from '../http/guards.ts'
import type { HeaderValues } from '../http/header-values.ts'
import { canonicalMediaType, isPassive } from '../http/media-type.ts'
import { parseTime } from '../http/raw-url.ts'

const defaultContentType = 'application/octet-stream'

const metaPrefix = 'stillpoint-meta-'
const token = /^[a-z0-9!#$%&'*+.^_`|~-]+$/
/** Visible ASCII, with spaces only between words; empty text is allowed. */
const visible = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/

const bad = (detail: string, parameter: string): never => {
  throw new StillpointError('bad-parameter', detail, { parameter })
}
const tooLarge = (detail: string): never => {
  throw new StillpointError('metadata-too-large', detail)
}

const noMeta: Readonly<Record<string, string>> = {}

/** `fileType` is false for an entry that has no content type (a link, a directory); Content-Type is then ignored. */
export function parseAttributes(headers: HeaderValues, fileType: boolean): Attributes {
  let meta: Record<string, string> | null = null
  for (const name in headers) {
    if (!name.startsWith(metaPrefix)) continue
    meta ??= Object.create(null) as Record<string, string>
    meta[name.slice(metaPrefix.length)] = headers[name]!
  }
  const contentType = fileType ? headers['content-type'] : undefined
  const mode = headers['stillpoint-mode']
  const modified = headers['stillpoint-modified']
  return {
    contentType: contentType === undefined ? null : checkContentType(contentType, 'Content-Type'),
    meta: meta === null ? noMeta : checkMeta(meta),
    mode: mode === undefined ? null : parseMode(mode, 'Stillpoint-Mode'),
    ...(modified === undefined ? noTime : parseModified(modified, 'Stillpoint-Modified')),
  }
}

/** Checks metadata whose names the caller has put in lower case. */
export function checkMeta(meta: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  let bytes = 0
  for (const [name, value] of Object.entries(meta)) {
    if (!token.test(name)) bad('a name of metadata is a token in lower case', `${metaPrefix}NAME`)
    if (name.length > metaNameBytesMax) tooLarge(`a name of metadata has at most ${metaNameBytesMax} bytes`)
    if (!visible.test(value)) bad('metadata is visible ASCII; percent-encode the rest', metaPrefix + name)
    bytes += name.length + value.length
  }
  if (bytes > metaBytesMax) tooLarge(`metadata has at most ${metaBytesMax} bytes in all`)
  return meta
}

export function checkContentType(text: string, parameter: string): string {
  if (text.length > contentTypeBytesMax) tooLarge(`a content type has at most ${contentTypeBytesMax} bytes`)
  return canonicalMediaType(text) ?? bad('not one media type, as in text/plain; charset=utf-8', parameter)
}

export function parseMode(text: string, parameter: string): number {
  const mode = /^[0-7]{1,5}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN
  return mode <= 0o7777 ? mode : bad('a mode is octal, up to 7777', parameter)
}

/** One string for each of the few modes that occur. */
const modes: string[] = []
const formatMode = (mode: number): string => (modes[mode] ??= mode.toString(8).padStart(4, '0'))

type ModifiedTime = Pick<Attributes, 'modifiedMs' | 'modifiedNanos'>
export const noTime: ModifiedTime = { modifiedMs: null, modifiedNanos: null }

export function parseModified(text: string, parameter: string): ModifiedTime {
  const time = parseTime(text) ?? bad('a time is RFC 3339 with a zone', parameter)
  return { modifiedMs: time.ms, modifiedNanos: time.nanos }
}

/** A link target is sent like metadata, as visible ASCII with the rest percent-encoded, but is kept decoded. */
export function parseLinkTarget(header: string): string {
  const name = 'Stillpoint-Link'
  if (!visible.test(header)) bad('a target is visible ASCII; percent-encode the rest', name)
  let target = ''
  try {
    target = decodeURIComponent(header)
  } catch {
    bad('the target is not percent-encoded UTF-8', name)
  }
  if (target === '') bad('the target is empty', name)
  if (target.includes('\0')) bad('the target has a NUL', name)
  if (encodeUtf8(target).length > linkTargetBytesMax) bad(`at most ${linkTargetBytesMax} bytes`, name)
  return target
}

interface KnownType {
  readonly text: string | null
  readonly form: string
  readonly passive: boolean
}

/** The type of the file before: the next file rarely has another one. */
let lastType: KnownType = { text: null, form: defaultContentType, passive: false }

/** A stored type may have come past the parser: text that is not one media type says nothing. */
function typeOf(text: string | null): KnownType {
  if (text === lastType.text) return lastType
  const form = (text === null ? null : canonicalMediaType(text)) ?? defaultContentType
  lastType = { text, form, passive: isPassive(form) }
  return lastType
}

/** The headers of an answer that carries, or stands for, the content of a file. */
export function fileHeaders(stat: Stat, cp: number): Record<string, string> {
  const { form, passive } = typeOf(stat.contentType)
  const headers: Record<string, string> = {
    ...fileGuards,
    'Content-Type': form,
    'Cache-Control': mayChange,
    'Accept-Ranges': 'bytes',
    ETag: `"${stat.etag}"`,
    'Last-Modified': new Date(stat.modifiedMs).toUTCString(),
    'Stillpoint-CP': String(cp),
    'Stillpoint-Mode': formatMode(stat.mode),
    'Stillpoint-Modified': toRfc3339(stat.modifiedMs, stat.modifiedNanos),
  }
  if (!passive) headers['Content-Disposition'] = 'attachment'
  for (const name in stat.meta) headers[metaPrefix + name] = stat.meta[name]!
  return headers
}

/** The public form of a stat, without its path. */
export function statFields(stat: Stat, cp: number): Record<string, unknown> {
  return {
    kind: stat.kind,
    size: stat.size,
    etag: `"${stat.etag}"`,
    contentType: stat.kind === 'file' ? typeOf(stat.contentType).form : null,
    created: toRfc3339(stat.createdMs, stat.createdNanos),
    modified: toRfc3339(stat.modifiedMs, stat.modifiedNanos),
    mode: formatMode(stat.mode),
    cp,
    meta: stat.meta,
    ...(stat.kind === 'link' ? { target: stat.target } : {}),
  }
}
