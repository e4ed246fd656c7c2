/**
 * Tells who sends a request, by the tokens of the newest settings.
 *
 * - A header that was verified once is remembered, so that the usual request costs one look into a map. Whatever
 *   changes the tokens forgets all of these; the expiry is compared at every use.
 * - Only valid headers are remembered: a wrong token costs one sum of 64 bytes each time, and no memory.
 * - A token of the administrator's file is known beside those of the volume, and goes before one of the same id.
 */
import { timingSafeEqual } from 'node:crypto'
import type { TokenSetting } from '../format/items/token-setting.ts'
import { anonymousReader, everybody, nobody, type Who } from './decide.ts'
import { type PresentedToken, tokenOf } from './token.ts'

const rememberedHeadersMax = 1024
const dayMs = 86_400_000

export interface IssuedToken extends TokenSetting {
  readonly id: string
}

interface DoorPolicy {
  /** Token of the administrator's file; null when there is none. */
  readonly adminToken: PresentedToken | null
  /** True when whoever shows no token may read the files. */
  readonly anonymousReads: boolean
  /** True only where no other machine reaches the door. */
  readonly mayBeOpen: boolean
  /** Wall clock. */
  readonly nowMs: () => number
}

interface Remembered {
  readonly who: Who
  readonly id: string
  readonly expiresMs: number
}

export class KnownTokens {
  private issued: ReadonlyMap<string, IssuedToken> = new Map()
  private hadTokens = false
  private readonly remembered = new Map<string, Remembered>()
  /** Day of the last use, in days since 1970, by id; kept in memory since the start of this server. */
  private readonly usedOn = new Map<string, number>()
  private changes = 0

  constructor(private readonly policy: DoorPolicy) {}

  /** Number that differs after every change of tokens. */
  get generation(): number {
    return this.changes
  }

  /** True when nobody is asked for a token. */
  get isOpen(): boolean {
    const { adminToken, anonymousReads, mayBeOpen } = this.policy
    return mayBeOpen && adminToken === null && !anonymousReads && !this.hadTokens
  }

  /** True when a request to read has to carry a token. */
  get readsNeedToken(): boolean {
    return !this.isOpen && !this.policy.anonymousReads
  }

  /** True when somebody can get in: with a token that is known, or without one. */
  get isUsable(): boolean {
    const { adminToken, anonymousReads } = this.policy
    return this.isOpen || adminToken !== null || anonymousReads || this.issued.size > 0
  }

  /** Number of headers that are remembered, at most `rememberedHeadersMax`. */
  get rememberedHeaders(): number {
    return this.remembered.size
  }

  /** Wall clock. */
  get nowMs(): number {
    return this.policy.nowMs()
  }

  /** `lastUsedMs` is the beginning of a day; null when the token was not used since the start of this server. */
  tokens(): readonly (IssuedToken & { readonly lastUsedMs: number | null })[] {
    return [...this.issued.values()].map((token) => {
      const day = this.usedOn.get(token.id)
      return { ...token, lastUsedMs: day === undefined ? null : day * dayMs }
    })
  }

  /** Takes over the tokens of the newest settings. `hadTokens` is true when the volume has ever had one. */
  replace(tokens: readonly IssuedToken[], hadTokens: boolean): void {
    this.issued = new Map(tokens.map((token) => [token.id, token]))
    this.hadTokens = hadTokens
    this.remembered.clear()
    for (const id of this.usedOn.keys()) if (!this.issued.has(id)) this.usedOn.delete(id)
    this.changes++
  }

  who(headers: Headers): Who {
    if (this.isOpen) return everybody
    const authorization = headers.get('Authorization')
    if (authorization === null) return this.policy.anonymousReads ? anonymousReader : nobody
    const known = this.remembered.get(authorization) ?? this.verify(authorization)
    if (known === null) return nobody
    const nowMs = this.policy.nowMs()
    if (nowMs >= known.expiresMs) return nobody
    this.usedOn.set(known.id, Math.floor(nowMs / dayMs))
    return known.who
  }

  private verify(authorization: string): Remembered | null {
    const presented = tokenOf(authorization)
    const found = presented && this.find(presented)
    if (!found) return null
    // The oldest header goes: whoever uses it again has it verified again.
    const oldest =
      this.remembered.size < rememberedHeadersMax ? undefined : this.remembered.keys().next().value
    if (oldest !== undefined) this.remembered.delete(oldest)
    this.remembered.set(authorization, found)
    return found
  }

  private find({ id, sum }: PresentedToken): Remembered | null {
    const { adminToken } = this.policy
    if (adminToken?.id === id && timingSafeEqual(adminToken.sum, sum))
      return { who: fileAdmin(id), id, expiresMs: Infinity }
    const token = this.issued.get(id)
    if (!token || !timingSafeEqual(token.sum, sum)) return null
    return { who: whoHas(token), id, expiresMs: token.expiresMs ?? Infinity }
  }
}

const fileAdmin = (id: string): Who => ({
  token: { id, name: 'administrator (from a file)', createdMs: null, expiresMs: null },
  role: 'admin',
  prefix: [],
})

const whoHas = ({ id, name, role, prefix, createdMs, expiresMs }: IssuedToken): Who => ({
  token: { id, name, createdMs, expiresMs },
  role,
  prefix: prefix === '' ? [] : prefix.split('/'),
})
