/** The one difference between runtimes that the client has to know. */
const scope = globalThis as { readonly document?: unknown; readonly importScripts?: unknown }

/** A browser, or a worker in one: no body of a request can be a stream there, and no answer shows its framing. */
export const isBrowser = scope.document !== undefined || scope.importScripts !== undefined
