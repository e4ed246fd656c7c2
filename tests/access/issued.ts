/** Tokens for tests, and a door that knows given ones. */
import { type IssuedToken, KnownTokens } from '../../src/access/known-tokens.ts'
import { makeToken, parseToken } from '../../src/access/token.ts'
import type { TokenRole } from '../../src/format/items/token-setting.ts'
import { seededRandom } from '../../src/lib/random.ts'

const random = seededRandom(20)

export interface Issued {
  readonly text: string
  readonly token: IssuedToken
}

export function issue(role: TokenRole, prefix = '', expiresMs: number | null = null): Issued {
  const { id, token: text } = makeToken(random)
  const { sum } = parseToken(text)!
  return { text, token: { id, sum, role, name: `a ${role}`, prefix, createdMs: 0, expiresMs } }
}

export const bearer = (text: string): Record<string, string> => ({ Authorization: `Bearer ${text}` })
export const basic = (text: string, user = 'anybody'): Record<string, string> => ({
  Authorization: `Basic ${btoa(`${user}:${text}`)}`,
})

/** A door on loopback, open until it knows a token. */
export const knownTokens = (more: Partial<ConstructorParameters<typeof KnownTokens>[0]> = {}): KnownTokens =>
  new KnownTokens({ adminToken: null, anonymousReads: false, mayBeOpen: true, nowMs: () => 0, ...more })
