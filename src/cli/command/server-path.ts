/**
 * Paths on the server as a person types a path: a path may begin with `/`, and the path of a directory may end with
 * `/`. The strict parser decides everything else, so the names that a URL would silently resolve (`.` and `..`) are
 * refused here.
 */
import { formatPath, parsePlainPath, type Path } from '../../fs/paths.ts'

export function parseServerPath(text: string): Path {
  return parsePlainPath(text.replace(/^\//, '').replace(/\/$/, ''))
}

/** Path for messages and for JSON: no leading slash, the root is "". */
export const showPath = (path: readonly string[]): string => formatPath(path)
