/**
 * Encodes a path for a URL: each name is percent-encoded by itself, so that no byte of a name has another meaning.
 */
export const encodePath = (path: readonly string[]): string => path.map(encodeURIComponent).join('/')
