/**
 * Headers that keep a browser from doing anything with an answer but show it.
 *
 * - A file is shown in a sandbox without scripts, forms, or an origin, and never inside a page of another origin.
 * - A cache asks again before each use of an answer that can change, and keeps no listing and no state.
 */

const nosniff = { 'X-Content-Type-Options': 'nosniff' } as const
const sameOrigin = { 'Cross-Origin-Resource-Policy': 'same-origin' } as const

/** For the content of a file. A picture or a film is a page of its own when a browser opens its address. */
export const fileGuards = {
  ...nosniff,
  ...sameOrigin,
  'Content-Security-Policy':
    "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
} as const

const nothing = "default-src 'none'; frame-ancestors 'none'"

/** For listings, state, the results of writes, and problems. */
export const dataGuards = {
  ...nosniff,
  ...sameOrigin,
  'Content-Security-Policy': nothing,
  'Cache-Control': 'no-store',
} as const

/** For a page that this server makes itself. `assets` is the policy of its style and its script. */
export const pageGuards = (assets: string): Readonly<Record<string, string>> => ({
  ...nosniff,
  ...sameOrigin,
  'Content-Security-Policy': `${nothing}; ${assets}; base-uri 'none'; form-action 'none'`,
  'Referrer-Policy': 'no-referrer',
})

export const mayChange = 'no-cache'
/**
 * One consistency point never changes; but another volume may be served at the same address later, so a cache asks
 * again after an hour.
 */
export const neverChanges = 'max-age=3600, immutable'
