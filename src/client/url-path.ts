/** For URLs: every name percent-encoded by itself, so that no byte of it means anything else. */
export const encodePath = (path: readonly string[]): string => path.map(encodeURIComponent).join('/')
