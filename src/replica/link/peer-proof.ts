/**
 * Proofs, keys and message authentication codes (MACs) of the two sides of a pair. Pure: the same input gives the same bytes.
 *
 * - Two sides have one key in common, which is bound to both side UUIDs: the key of one pair proves nothing to a third
 *   side. The key never travels, and neither does anything from which a listener can compute the key.
 * - A proof covers the version, its direction, both nonces, the volume, both sides, the kind of the key and the
 *   certificate that the primary has pinned. So a proof is of use to nobody else, and only once.
 * - Each direction of a session has a key of its own. A MAC covers direction, session, counter, path and body; that of the
 *   head covers the length of the body, too, and is checked before a byte of the body is waited for.
 */
import { type Hmac, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { concatBytes, encodeUtf8, writeU16, writeU64 } from '../../lib/bytes.ts'
import { sha256Bytes } from '../../lib/checksum.ts'
import { parseUuid } from '../../lib/random.ts'
import {
  type KeyKind,
  type SealedHead,
  encodeSealedHead,
  handshakeVersion,
  peerKeyKinds,
  sessionIdBytes,
} from '../../format/wire/handshake.ts'

export interface Parties {
  readonly volume: string
  readonly primary: string
  readonly mirror: string
}

export interface Handshake extends Parties {
  readonly primaryNonce: Uint8Array
  readonly mirrorNonce: Uint8Array
  readonly keyKind: KeyKind
  /** SHA-256 of the certificate that the primary has pinned; zeros when there is none. */
  readonly channel: Uint8Array
}

type Direction = 'to the mirror' | 'to the primary'

export interface SessionKeys {
  readonly id: Uint8Array
  readonly keys: Readonly<Record<Direction, Uint8Array>>
}

const keyBytes = 32
export const noChannel: Uint8Array = new Uint8Array(sha256Bytes)
const label = (of: string): Uint8Array => encodeUtf8(`stillpoint ${of} ${handshakeVersion}`)
const directionByte = (direction: Direction): Uint8Array =>
  Uint8Array.of(direction === 'to the mirror' ? 1 : 2)

function derive(key: Uint8Array, salt: Uint8Array, info: Uint8Array, bytes: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, salt, info, bytes))
}

const sidesOf = ({ primary, mirror }: Pick<Parties, 'primary' | 'mirror'>): Uint8Array =>
  concatBytes(parseUuid(primary), parseUuid(mirror))

/** The key of a pair, from the content of a secret file, from a pairing code, or, on loopback, from nothing. */
export function keyOfPair(
  kind: Exclude<KeyKind, 'pair'>,
  material: Uint8Array,
  parties: Pick<Parties, 'primary' | 'mirror'>,
): Uint8Array {
  return derive(material, label(`key ${kind}`), sidesOf(parties), keyBytes)
}

function transcriptOf(handshake: Handshake): Uint8Array {
  return concatBytes(
    handshake.primaryNonce,
    handshake.mirrorNonce,
    parseUuid(handshake.volume),
    sidesOf(handshake),
    Uint8Array.of(peerKeyKinds[handshake.keyKind]),
    handshake.channel,
  )
}

/** The direction is the one in which the proof travels. */
export function proofOf(key: Uint8Array, direction: Direction, handshake: Handshake): Uint8Array {
  return createHmac('sha256', key)
    .update(label('proof'))
    .update(directionByte(direction))
    .update(transcriptOf(handshake))
    .digest()
}

export function sessionOf(key: Uint8Array, handshake: Handshake): SessionKeys {
  const bytes = derive(key, label('session'), transcriptOf(handshake), sessionIdBytes + 2 * keyBytes)
  const second = sessionIdBytes + keyBytes
  return {
    id: bytes.slice(0, sessionIdBytes),
    keys: { 'to the mirror': bytes.slice(sessionIdBytes, second), 'to the primary': bytes.slice(second) },
  }
}

/** The lasting key that a pairing makes from the key of the code; the code is of no use afterwards. */
export const lastingKeyOf = (key: Uint8Array, handshake: Handshake): Uint8Array =>
  derive(key, label('pairing'), transcriptOf(handshake), keyBytes)

/** Begins either MAC of a sealed body: both cover this much. */
function beginHmac(
  of: 'body' | 'head',
  { id, keys }: SessionKeys,
  direction: Direction,
  counter: number,
  path: string,
): Hmac {
  const pathBytes = encodeUtf8(path)
  const numbers = new Uint8Array(10)
  writeU64(numbers, 0, counter)
  writeU16(numbers, 8, pathBytes.length)
  return createHmac('sha256', keys[direction])
    .update(label(of))
    .update(directionByte(direction))
    .update(id)
    .update(numbers)
    .update(pathBytes)
}

/** Takes the body in parts: the caller updates the result with the body and compares its digest. */
export const beginMac = (session: SessionKeys, direction: Direction, counter: number, path: string): Hmac =>
  beginHmac('body', session, direction, counter, path)

/** Proves a head alone, before anything of its body is there. */
export function headMacOf(
  session: SessionKeys,
  direction: Direction,
  { counter, framesBytes, mac }: Pick<SealedHead, 'counter' | 'framesBytes' | 'mac'>,
  path: string,
): Uint8Array {
  const length = new Uint8Array(8)
  writeU64(length, 0, framesBytes)
  return beginHmac('head', session, direction, counter, path).update(length).update(mac).digest()
}

/** The head for frames of a session. A batch costs less than three milliseconds. */
export function sealedHeadOf(
  session: SessionKeys,
  direction: Direction,
  counter: number,
  path: string,
  parts: readonly Uint8Array[],
): Uint8Array {
  const hash = beginMac(session, direction, counter, path)
  let framesBytes = 0
  for (const part of parts) {
    hash.update(part)
    framesBytes += part.length
  }
  const mac = hash.digest()
  const headMac = headMacOf(session, direction, { counter, framesBytes, mac }, path)
  return encodeSealedHead({ session: session.id, counter, framesBytes, mac, headMac })
}

/** Takes the same time wherever the first difference is. A MAC of another length is another one. */
export const isSameMac = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b)
