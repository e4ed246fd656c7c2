/**
 * Paths as a program has them: plain text, names separated by `/`, no leading `/`; the root is "".
 *
 * Each name is percent-encoded by itself, so that no byte of a name has another meaning. A URL would silently resolve
 * `.` and `..`, and lose an empty name: such paths would mean another entry, and are refused here.
 */
import { ClientError } from './client-error.ts'

export function encodePath(path: string): string {
  return path.split('/').map(encodeName).join('/')
}

/** The addresses `/v1/dirs` and `/v1/stat` without a path mean the root. */
export const addressOf = (prefix: string, path: string): string =>
  path === '' ? prefix : `${prefix}/${encodePath(path)}`

function encodeName(name: string): string {
  if (name === '') throw new ClientError('bad-path', 'a name of the path is empty (the root is "")')
  if (name === '.' || name === '..') throw new ClientError('bad-path', `the path has a name ${name}`)
  return encodeText(name, 'bad-path')
}

/** Percent-encodes every character but letters, digits and a few marks. */
export function encodeText(text: string, code: 'bad-path' | 'bad-parameter'): string {
  try {
    return encodeURIComponent(text)
  } catch (cause) {
    throw new ClientError(code, 'the text has half of a character (a lone surrogate)', { cause })
  }
}

/** The directory of an entry, and the name in it. */
export function splitPath(path: string): { readonly directory: string; readonly name: string } {
  const at = path.lastIndexOf('/')
  return { directory: path.slice(0, Math.max(0, at)), name: path.slice(at + 1) }
}
