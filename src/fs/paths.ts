/**
 * Parses paths. A path is a list of names below the root; the root is the empty list. There are two front ends (URL
 * and JSON) and one parser of names, so that no protocol accepts more than another. Names are compared by their
 * bytes, without normalisation.
 */
import { encodeUtf8 } from '../lib/bytes.ts'
import { nameBytesMax } from '../lib/entry-limits.ts'
import { StillpointError } from '../lib/errors.ts'

declare const checked: unique symbol
/** Only the parsers here make a Path. */
export type Path = readonly string[] & { readonly [checked]: true }

export const pathBytesMax = 4096
export const depthMax = 256

const refuse = (reason: string): never => {
  throw new StillpointError('bad-path', reason, { reason })
}

function checkNames(names: readonly string[]): Path {
  if (names.length > depthMax) refuse(`a path has at most ${depthMax} segments`)
  let bytes = Math.max(0, names.length - 1)
  for (const name of names) bytes += checkName(name)
  if (bytes > pathBytesMax) refuse(`a path is at most ${pathBytesMax} bytes`)
  return names as unknown as Path
}

/** Returns the length of the name in bytes. */
function checkName(name: string): number {
  const problem = nameProblem(name)
  if (problem !== null) refuse(problem)
  return isPlain(name) ? name.length : encodeUtf8(name).length
}

/** Returns the fault of a name; null for a name that a client may give an entry. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'a segment is empty'
  if (name === '.' || name === '..') return 'a segment is "." or ".."'
  const problem = isPlain(name) ? null : characterProblem(name)
  if (problem !== null) return problem
  // A character has at most three bytes for each of its UTF-16 units.
  const mayBeLong = name.length > nameBytesMax / 3
  if (mayBeLong && encodeUtf8(name).length > nameBytesMax)
    return `a segment is longer than ${nameBytesMax} bytes`
  return null
}

/** True for visible ASCII without a slash; most names are plain. */
function isPlain(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code < 0x20 || code > 0x7e || code === 0x2f) return false
  }
  return true
}

function characterProblem(name: string): string | null {
  if (name.includes('/')) return 'a segment contains a slash'
  if (!name.isWellFormed()) return 'a segment has a lone surrogate'
  // eslint-disable-next-line no-control-regex
  return /[\u0000-\u001f\u007f-\u009f]/.test(name) ? 'a segment has a control character' : null
}

export const rootPath: Path = checkNames([])

/** Parses a plain string, as in JSON: never percent-encoded, without a leading slash; the root is "". */
export function parsePlainPath(text: string): Path {
  return text === '' ? rootPath : checkNames(text.split('/'))
}

/** Parses a position in a listing, which may lie deeper than a path can name, because a directory was moved. */
export function parseListedPath(text: string): readonly string[] {
  const names = text.split('/')
  for (const name of names) checkName(name)
  return names
}

/** Parses the part of a raw URL behind the route's prefix: split at `/` and `%2F`, each segment decoded once. */
export function parseUrlPath(raw: string): Path {
  if (raw === '') return rootPath
  if (!raw.includes('%')) return checkNames(raw.split('/'))
  return checkNames(raw.split(/\/|%2f/i).map(decodeSegment))
}

function decodeSegment(segment: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(segment)) refuse('a percent sign is not followed by two hexadecimal digits')
  try {
    return decodeURIComponent(segment)
  } catch {
    return refuse('a segment is not UTF-8')
  }
}

export const formatPath = (path: readonly string[]): string => path.join('/')
