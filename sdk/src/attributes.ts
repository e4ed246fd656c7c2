/**
 * Attributes between the caller's form and those of the contract, headers and JSON. Metadata is any text for the
 * caller; on its way all that is not visible ASCII is percent-encoded, `%` and spaces at the ends too.
 */
import type { ListedEntry, Stat } from './contract.ts'
import { checkNumbers } from './numbers.ts'
import { encodeText } from './paths.ts'
import type { Conditions, SentAttributes } from './wishes.ts'

type Meta = Readonly<Record<string, string>>
const metaPrefix = 'stillpoint-meta-'

/** Attributes in their JSON form; JSON leaves out an attribute that is undefined. */
export function fieldsOf({ mode, modified, contentType, meta }: SentAttributes) {
  checkNumbers({ mode })
  return {
    mode: mode === undefined ? undefined : (mode & 0o7777).toString(8).padStart(4, '0'),
    modified,
    contentType,
    meta: meta && encodeMeta(meta),
  }
}

export function headersOf(attributes: SentAttributes): Record<string, string> {
  const { mode, modified, contentType, meta = {} } = fieldsOf(attributes)
  const headers: Record<string, string> = {}
  if (mode !== undefined) headers['Stillpoint-Mode'] = mode
  if (modified !== undefined) headers['Stillpoint-Modified'] = modified
  if (contentType !== undefined) headers['Content-Type'] = contentType
  for (const [name, value] of Object.entries(meta)) headers[metaPrefix + name] = value
  return headers
}

export function conditionHeaders({ ifMatch, ifNoneMatch }: Conditions): Record<string, string> {
  return {
    ...(ifMatch === undefined ? {} : { 'If-Match': ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { 'If-None-Match': ifNoneMatch }),
  }
}

/** Metadata in the headers of an answer; a browser may not see the headers of another origin. */
export function metaIn(headers: Headers): Meta {
  const meta = emptyMeta()
  headers.forEach((value, name) => {
    if (name.startsWith(metaPrefix)) meta[name.slice(metaPrefix.length)] = decoded(value)
  })
  return meta
}

export function withPlainMeta<T extends Stat | ListedEntry>(entry: T): T {
  return { ...entry, meta: decodeMeta(entry.meta) }
}

/** Name of an attribute that the writer names and the entry has otherwise; null where there is none. */
export function differingAttribute(named: SentAttributes, found: Stat): keyof SentAttributes | null {
  const { mode, contentType } = fieldsOf(named)
  if (mode !== undefined && mode !== found.mode) return 'mode'
  if (contentType !== undefined && typeText(contentType) !== typeText(found.contentType ?? ''))
    return 'contentType'
  return named.meta !== undefined && !isSameMeta(encodeMeta(named.meta), encodeMeta(found.meta))
    ? 'meta'
    : null
}

/** A server keeps one of the forms that a media type has: letters in another case, space and quotes say nothing. */
const typeText = (contentType: string): string => contentType.toLowerCase().replace(/[\s"\\]/g, '')

function isSameMeta(one: Meta, other: Meta): boolean {
  const names = Object.keys(one)
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
}

function encodeMeta(meta: Meta): Meta {
  const encoded = emptyMeta()
  for (const [name, value] of Object.entries(meta))
    encoded[name.toLowerCase()] = value.replace(hidden, (text) => encodeText(text, 'bad-parameter'))
  return encoded
}

function decodeMeta(meta: Meta): Meta {
  const plain = emptyMeta()
  for (const [name, value] of Object.entries(meta)) plain[name] = decoded(value)
  return plain
}

/** Any name may be one of metadata. */
const emptyMeta = (): Record<string, string> => Object.create(null) as Record<string, string>

const hidden = /[^\x20-\x24\x26-\x7e]+|^ +| +$/g

/** Text that another client has stored unencoded stays as the text is. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
