/**
 * A path on the server as a person types it: it may begin with `/` and a directory may end with one. Everything else is
 * the strict parser's, so what a URL would silently resolve (`.` and `..`) is refused here.
 */
import { formatPath, parsePlainPath, type Path } from '../../fs/paths.ts'

export function parseServerPath(text: string): Path {
  return parsePlainPath(text.replace(/^\//, '').replace(/\/$/, ''))
}

/** For messages and for JSON: no leading slash, the root is "". */
export const showPath = (path: readonly string[]): string => formatPath(path)
