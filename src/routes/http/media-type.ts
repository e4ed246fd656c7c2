/**
 * Media types, RFC 9110 §8.3.1. A stored type has one form, so that a browser and this server never read two types
 * out of one text: type, subtype and names of parameters in lower case, `; ` between parameters, a value quoted only
 * where a token cannot say the value.
 *
 * Refused are a comma (browsers take the last type of a list), a parameter that is named twice, and every character
 * beyond visible ASCII and space.
 */
const token = /[A-Za-z0-9!#$%&'*+.^_`|~-]+/y
const quoted = /"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"/y
const space = /[ \t]*/y
const isToken = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

/** Returns the one form of a media type; null for text that is no media type, or that could be read as two. */
export function canonicalMediaType(text: string): string | null {
  if (text.includes(',')) return null
  let at = 0
  const take = (form: RegExp): string | null => {
    form.lastIndex = at
    const found = form.exec(text)?.[0] ?? null
    if (found !== null) at += found.length
    return found
  }
  const type = take(token)
  if (type === null || text[at++] !== '/') return null
  const subtype = take(token)
  if (subtype === null) return null
  let form = `${type}/${subtype}`.toLowerCase()
  const names = new Set<string>()
  for (;;) {
    take(space)
    if (at === text.length) return form
    if (text[at++] !== ';') return null
    take(space)
    const name = take(token)?.toLowerCase()
    if (name === undefined || names.has(name) || text[at++] !== '=') return null
    names.add(name)
    const value = take(token) ?? unquoted(take(quoted))
    if (value === null) return null
    form += `; ${name}=${isToken.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`}`
  }
}

const unquoted = (text: string | null): string | null =>
  text === null ? null : text.slice(1, -1).replace(/\\(.)/g, '$1')

/**
 * Types that a browser shows without running anything. Every other type is an attachment: a list of what runs would
 * never be complete. PDF is not here, because a document of that type may have scripts.
 */
const passive: ReadonlySet<string> = new Set([
  'text/plain',
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'audio/aac',
  'audio/flac',
  'audio/mp4',
  'audio/mpeg',
  'audio/ogg',
  'audio/wav',
  'audio/webm',
  'video/mp4',
  'video/mpeg',
  'video/ogg',
  'video/webm',
])

/** `form` is the one form of a media type. */
export function isPassive(form: string): boolean {
  const end = form.indexOf(';')
  return passive.has(end === -1 ? form : form.slice(0, end))
}
