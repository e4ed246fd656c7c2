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

/** Lasting keys by the UUID of the other side. */
export interface StoredKeys {
  get(side: string): Uint8Array | null
  /** Resolves when the key is durable. */
  put(side: string, key: Uint8Array): Promise<void>
  readonly isEmpty: boolean
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
}

export interface MirrorKeys {
  /** Null when this mirror takes no proof of this kind from the primary. */
  keyFor(kind: KeyKind, parties: Parties): Uint8Array | null
  paired(parties: Parties, key: Uint8Array): Promise<void>
  /** A proof with this kind of key was wrong. */
  failed(kind: KeyKind): void
  /** A session that began with this kind of key is used, so both sides have what the session stands on. */
  used(kind: KeyKind): void
}

const openMaterial = encodeUtf8('open')

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

  /** The next handshake with the mirror at the URL uses the code. */
  give(url: string, code: Uint8Array): void {
    this.codes.delete(url)
    this.codes.set(url, code)
    if (this.codes.size > membersMax) this.codes.delete(this.codes.keys().next().value!)
  }

  keyFor(url: string, parties: Parties): PeerKey | null {
    const { secret, stored, isOpen } = this.options
    const code = this.codes.get(url)
    if (code) return { kind: 'code', key: keyOfPair('code', code, parties) }
    const key = stored.get(parties.mirror)
    if (key) return { kind: 'pair', key }
    if (secret !== null) return { kind: 'secret', key: keyOfPair('secret', encodeUtf8(secret), parties) }
    return stored.isEmpty && isOpen(url)
      ? { kind: 'open', key: keyOfPair('open', openMaterial, parties) }
      : null
  }

  async paired(url: string, { mirror }: Parties, key: Uint8Array): Promise<void> {
    await this.options.stored.put(mirror, key)
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
  constructor(private readonly options: MirrorKeyOptions) {}

  keyFor(kind: KeyKind, parties: Parties): Uint8Array | null {
    const { secret, stored, code } = this.options
    switch (kind) {
      case 'open':
        return this.isOpen ? keyOfPair('open', openMaterial, parties) : null
      case 'secret':
        return secret === null ? null : keyOfPair('secret', encodeUtf8(secret), parties)
      case 'pair':
        return stored.get(parties.primary)
      case 'code': {
        const bytes = code?.current()
        return bytes ? keyOfPair('code', bytes, parties) : null
      }
    }
  }

  paired({ primary }: Parties, key: Uint8Array): Promise<void> {
    return this.options.stored.put(primary, key)
  }

  failed(kind: KeyKind): void {
    if (kind === 'code') this.options.code?.failed()
  }

  /** The primary may have lost its key with a crash until now: then the code makes another one. */
  used(kind: KeyKind): void {
    if (kind === 'code') this.options.code?.end()
  }

  private get isOpen(): boolean {
    const { secret, stored, code, isOnLoopback } = this.options
    return isOnLoopback && secret === null && code === null && stored.isEmpty
  }
}
