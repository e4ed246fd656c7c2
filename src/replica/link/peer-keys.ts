/**
 * The keys that each end has in common with others, and which of them it takes for a proof.
 *
 * - A secret file gives a key for every pair; a pairing code makes a lasting key for one pair. The lasting key is durable
 *   on both sides before anything is said under it.
 * - A side that has any secret takes no proof without one. The open key, which everybody knows, is for two sides on
 *   loopback that have nothing in common, and proves nothing.
 */
import { encodeUtf8 } from '../../lib/bytes.ts'
import { membersMax } from '../../format/geometry.ts'
import type { KeyKind } from '../../format/wire/handshake.ts'
import type { PairingCode } from './pairing-code.ts'
import { type Parties, keyOfPair } from './peer-proof.ts'

/** The lasting keys of a side, and what is not finished of its pairings. */
export interface KeptKeys {
  /** By the UUID of the other side. */
  readonly keys: ReadonlyMap<string, Uint8Array>
  /** URLs to which a primary was given a code, and which have not been paired: no weaker key is used there. */
  readonly toPair: readonly string[]
  /** Primaries that have said nothing to a mirror under their key yet, so that they may not have the key. */
  readonly unused: readonly string[]
}

export interface StoredKeys {
  readonly kept: KeptKeys
  /** Resolves when the change is durable; only then is it in `kept`. */
  change(edit: (kept: KeptKeys) => KeptKeys): Promise<void>
}

interface PeerKey {
  readonly kind: KeyKind
  readonly key: Uint8Array
}

export interface PrimaryKeys {
  /** Null when this primary has nothing that it could prove to the mirror. */
  keyFor(url: string, parties: Parties): PeerKey | null
  /** Keeps the lasting key of a pairing; resolves when the key is durable. */
  paired(url: string, parties: Parties, key: Uint8Array): Promise<void>
  /** The mirror at the URL has refused a proof with this kind of key. */
  refused(url: string, kind: KeyKind): void
  /** Why there is no key for the mirror at the URL, and the way on. */
  lackAt(url: string): string
}

export interface MirrorKeys {
  /** Null when this mirror takes no proof of this kind from the primary. */
  keyFor(kind: KeyKind, parties: Parties): Uint8Array | null
  paired(parties: Parties, key: Uint8Array): Promise<void>
  /** A proof with this kind of key was wrong. */
  failed(kind: KeyKind): void
  /** The primary uses a session that began with this kind of key, so both sides have what the session stands on. */
  used(kind: KeyKind, primary: string): void
}

const openMaterial = encodeUtf8('open')
/** More URLs than any primary has members; the one that was given its code first leaves. */
export const toPairMax = 64

const without = (texts: readonly string[], text: string): string[] => texts.filter((other) => other !== text)

interface PrimaryKeyOptions {
  /** Content of the secret file; null when there is none. */
  readonly secret: string | null
  readonly stored: StoredKeys
  /** True when a mirror at this URL may be believed without a proof. */
  readonly isOpen: (url: string) => boolean
}

export class PrimaryKeyRing implements PrimaryKeys {
  /** Codes that were given for mirrors that have not been paired yet; the oldest leaves. */
  private readonly codes = new Map<string, Uint8Array>()

  constructor(private readonly options: PrimaryKeyOptions) {}

  /** The next handshake with the mirror at the URL uses the code, and from now on none uses less than a code or its key. */
  async give(url: string, code: Uint8Array): Promise<void> {
    await this.options.stored.change((kept) => ({
      ...kept,
      toPair: [...without(kept.toPair, url), url].slice(-toPairMax),
    }))
    this.codes.delete(url)
    this.codes.set(url, code)
    if (this.codes.size > membersMax) this.codes.delete(this.codes.keys().next().value!)
  }

  /** The operator wants no pairing with the mirror at the URL any more. */
  async takeBack(url: string): Promise<void> {
    this.codes.delete(url)
    const { stored } = this.options
    if (stored.kept.toPair.includes(url))
      await stored.change((kept) => ({ ...kept, toPair: without(kept.toPair, url) }))
  }

  /** The mirror is no member any more: nothing that was in common with it is kept. */
  async forget(url: string, mirror: string): Promise<void> {
    await this.takeBack(url)
    const { stored } = this.options
    if (stored.kept.keys.has(mirror))
      await stored.change((kept) => ({
        ...kept,
        keys: new Map([...kept.keys].filter(([side]) => side !== mirror)),
      }))
  }

  keyFor(url: string, parties: Parties): PeerKey | null {
    const { secret, stored, isOpen } = this.options
    const code = this.codes.get(url)
    if (code) return { kind: 'code', key: keyOfPair('code', code, parties) }
    const { keys, toPair } = stored.kept
    const key = keys.get(parties.mirror)
    if (key) return { kind: 'pair', key }
    if (toPair.includes(url)) return null
    if (secret !== null) return { kind: 'secret', key: keyOfPair('secret', encodeUtf8(secret), parties) }
    return keys.size === 0 && isOpen(url)
      ? { kind: 'open', key: keyOfPair('open', openMaterial, parties) }
      : null
  }

  lackAt(url: string): string {
    return this.options.stored.kept.toPair.includes(url)
      ? 'its pairing code was not taken, or is not there any more: start the mirror with --pair, and add it again with the code that it shows then (mirrors add URL --code-file FILE)'
      : 'there is no key in common with it: start it with the same --secret-file, or with --pair, and add it with the code that it shows (mirrors add URL --code-file FILE)'
  }

  async paired(url: string, { mirror }: Parties, key: Uint8Array): Promise<void> {
    await this.options.stored.change((kept) => ({
      ...kept,
      keys: new Map([...kept.keys, [mirror, key]]),
      toPair: without(kept.toPair, url),
    }))
    this.codes.delete(url)
  }

  /** A wrong code is tried once: a mirror that hears it again and again would give up its right one. */
  refused(url: string, kind: KeyKind): void {
    if (kind === 'code') this.codes.delete(url)
  }
}

interface MirrorKeyOptions {
  readonly secret: string | null
  readonly stored: StoredKeys
  /** Null when this mirror pairs with nobody. */
  readonly code: PairingCode | null
  /** True when this mirror listens on loopback only. */
  readonly isOnLoopback: boolean
}

export class MirrorKeyRing implements MirrorKeys {
  private isMarking = false

  constructor(private readonly options: MirrorKeyOptions) {}

  keyFor(kind: KeyKind, parties: Parties): Uint8Array | null {
    const { secret, stored, code } = this.options
    switch (kind) {
      case 'open':
        return this.isOpen ? keyOfPair('open', openMaterial, parties) : null
      case 'secret':
        return secret === null ? null : keyOfPair('secret', encodeUtf8(secret), parties)
      case 'pair':
        return stored.kept.keys.get(parties.primary) ?? null
      case 'code': {
        const bytes = code?.current()
        return bytes ? keyOfPair('code', bytes, parties) : null
      }
    }
  }

  /** A mirror has one primary: the key of the one before goes. */
  paired({ primary }: Parties, key: Uint8Array): Promise<void> {
    return this.options.stored.change((kept) => ({
      ...kept,
      keys: new Map([[primary, key]]),
      unused: [primary],
    }))
  }

  failed(kind: KeyKind): void {
    if (kind === 'code') this.options.code?.failed()
  }

  /** The primary may have lost its key with a crash until now: then this code, or the next one, makes another key. */
  used(kind: KeyKind, primary: string): void {
    const { stored, code } = this.options
    if (kind === 'code') code?.end()
    if (this.isMarking || kind === 'open' || kind === 'secret' || !stored.kept.unused.includes(primary))
      return
    this.isMarking = true
    stored
      .change((kept) => ({ ...kept, unused: without(kept.unused, primary) }))
      // The store says why; a mirror that starts again shows a code that it would not need.
      .catch(() => {})
      .finally(() => (this.isMarking = false))
  }

  private get isOpen(): boolean {
    const { secret, stored, code, isOnLoopback } = this.options
    return isOnLoopback && secret === null && code === null && stored.kept.keys.size === 0
  }
}
