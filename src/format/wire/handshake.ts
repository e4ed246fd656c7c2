/**
 * Layouts and codecs of the messages with which primary and mirror prove themselves to each other, and of the head
 * that every later body has. Decoders believe nothing: a `corrupt` error names structure and field.
 */
import { sha256Bytes } from '../../lib/checksum.ts'
import { formatUuid, parseUuid } from '../../lib/random.ts'
import { Reader, Writer, corrupt, layout } from '../fields.ts'

export const handshakeVersion = 1
const magic = Uint8Array.of(0x53, 0x50, 0x57, 0x50)
export const nonceBytes = 32
export const sessionIdBytes = 16

/** Kinds of keys that two sides can have in common, by their number. */
export const peerKeyKinds = { open: 0, secret: 1, pair: 2, code: 3 } as const
export type KeyKind = keyof typeof peerKeyKinds

const head = [
  ['magic', 0, 4, '"SPWP"'],
  ['version', 4, 2, 'of the handshake: 1'],
] as const

const introductionLayout = layout('introduction', 72, [
  ...head,
  ['reserved', 6, 2, 'zero'],
  ['volume', 8, 16, 'volume UUID'],
  ['primary', 24, 16, "the primary's side UUID"],
  ['nonce', 40, nonceBytes, "the primary's nonce"],
])
const challengeLayout = layout('challenge', 96, [
  ...head,
  ['reserved', 6, 2, 'zero'],
  ['mirror', 8, 16, "the mirror's side UUID"],
  ['nonce', 24, nonceBytes, "the mirror's nonce"],
  ['issuedMs', 56, 8, "on the mirror's clock, for the mirror alone"],
  ['cookie', 64, sha256Bytes, 'by which the mirror knows its challenge again'],
])
const proofLayout = layout('proof', 208, [
  ...head,
  ['key', 6, 1, '0 none, on loopback; 1 of the secret file; 2 of the pair; 3 of a pairing code'],
  ['reserved', 7, 1, 'zero'],
  ['volume', 8, 16, 'as in the introduction'],
  ['primary', 24, 16, 'as in the introduction'],
  ['primaryNonce', 40, nonceBytes, 'as in the introduction'],
  ['mirrorNonce', 72, nonceBytes, 'as in the challenge'],
  ['issuedMs', 104, 8, 'as in the challenge'],
  ['cookie', 112, sha256Bytes, 'as in the challenge'],
  ['channel', 144, sha256Bytes, 'SHA-256 of the certificate that the primary has pinned; zeros: none'],
  ['proof', 176, sha256Bytes, "the primary's"],
])
const proofAnswerLayout = layout('proof answer', 40, [
  ...head,
  ['reserved', 6, 2, 'zero'],
  ['proof', 8, sha256Bytes, "the mirror's"],
])
export const sealedLayout = layout(
  'sealed body',
  96,
  [
    ['session', 0, sessionIdBytes, 'the session that both proofs made'],
    ['counter', 16, 8, 'counts the requests of a session from 1; an answer has that of its request'],
    ['framesBytes', 24, 8, 'length of all behind the head'],
    ['mac', 32, sha256Bytes, 'of the frames, as below'],
    ['headMac', 64, sha256Bytes, 'of all before this field, as below'],
  ],
  [['frames', 'one behind the other']],
)
export const handshakeLayouts = [
  introductionLayout,
  challengeLayout,
  proofLayout,
  proofAnswerLayout,
  sealedLayout,
] as const

export interface Introduction {
  readonly volume: string
  readonly primary: string
  readonly nonce: Uint8Array
}

export interface Challenge {
  readonly mirror: string
  readonly nonce: Uint8Array
  readonly issuedMs: number
  readonly cookie: Uint8Array
}

interface Proof {
  readonly introduction: Introduction
  readonly challenge: Omit<Challenge, 'mirror'>
  readonly keyKind: KeyKind
  readonly channel: Uint8Array
  readonly proof: Uint8Array
}

export interface SealedHead {
  readonly session: Uint8Array
  readonly counter: number
  readonly framesBytes: number
  readonly mac: Uint8Array
  readonly headMac: Uint8Array
}

type Headed = 'magic' | 'version' | 'reserved'

function writeHead(w: Writer<Headed>): void {
  w.put('magic', magic)
  w.number('version', handshakeVersion)
}

/** Every message of the handshake has one size. */
function readHead(r: Reader<Headed>): void {
  if (r.bytes.length !== r.of.bytes) throw corrupt(r.of.title, 'length', `is not ${r.of.bytes}`)
  if (!magic.every((byte, i) => r.bytes[i] === byte)) throw r.problem('magic', 'is another one')
  r.number('version', handshakeVersion, handshakeVersion)
  r.zero('reserved')
}

export function encodeIntroduction({ volume, primary, nonce }: Introduction): Uint8Array {
  const w = new Writer(introductionLayout, new Uint8Array(introductionLayout.bytes))
  writeHead(w)
  w.put('volume', parseUuid(volume))
  w.put('primary', parseUuid(primary))
  w.put('nonce', nonce)
  return w.bytes
}

export function decodeIntroduction(bytes: Uint8Array): Introduction {
  const r = new Reader(introductionLayout, bytes)
  readHead(r)
  return {
    volume: formatUuid(r.copy('volume')),
    primary: formatUuid(r.copy('primary')),
    nonce: r.copy('nonce'),
  }
}

export function encodeChallenge({ mirror, nonce, issuedMs, cookie }: Challenge): Uint8Array {
  const w = new Writer(challengeLayout, new Uint8Array(challengeLayout.bytes))
  writeHead(w)
  w.put('mirror', parseUuid(mirror))
  w.put('nonce', nonce)
  w.number('issuedMs', issuedMs)
  w.put('cookie', cookie)
  return w.bytes
}

export function decodeChallenge(bytes: Uint8Array): Challenge {
  const r = new Reader(challengeLayout, bytes)
  readHead(r)
  return {
    mirror: formatUuid(r.copy('mirror')),
    nonce: r.copy('nonce'),
    issuedMs: r.number('issuedMs'),
    cookie: r.copy('cookie'),
  }
}

export function encodeProof({ introduction, challenge, keyKind, channel, proof }: Proof): Uint8Array {
  const w = new Writer(proofLayout, new Uint8Array(proofLayout.bytes))
  writeHead(w)
  w.number('key', peerKeyKinds[keyKind])
  w.put('volume', parseUuid(introduction.volume))
  w.put('primary', parseUuid(introduction.primary))
  w.put('primaryNonce', introduction.nonce)
  w.put('mirrorNonce', challenge.nonce)
  w.number('issuedMs', challenge.issuedMs)
  w.put('cookie', challenge.cookie)
  w.put('channel', channel)
  w.put('proof', proof)
  return w.bytes
}

export function decodeProof(bytes: Uint8Array): Proof {
  const r = new Reader(proofLayout, bytes)
  readHead(r)
  const number = r.number('key')
  const keyKind = (Object.keys(peerKeyKinds) as KeyKind[]).find((kind) => peerKeyKinds[kind] === number)
  if (!keyKind) throw r.problem('key', 'is of no known kind')
  return {
    introduction: {
      volume: formatUuid(r.copy('volume')),
      primary: formatUuid(r.copy('primary')),
      nonce: r.copy('primaryNonce'),
    },
    challenge: { nonce: r.copy('mirrorNonce'), issuedMs: r.number('issuedMs'), cookie: r.copy('cookie') },
    keyKind,
    channel: r.copy('channel'),
    proof: r.copy('proof'),
  }
}

export function encodeProofAnswer(proof: Uint8Array): Uint8Array {
  const w = new Writer(proofAnswerLayout, new Uint8Array(proofAnswerLayout.bytes))
  writeHead(w)
  w.put('proof', proof)
  return w.bytes
}

export function decodeProofAnswer(bytes: Uint8Array): Uint8Array {
  const r = new Reader(proofAnswerLayout, bytes)
  readHead(r)
  return r.copy('proof')
}

export function encodeSealedHead({ session, counter, framesBytes, mac, headMac }: SealedHead): Uint8Array {
  const w = new Writer(sealedLayout, new Uint8Array(sealedLayout.bytes))
  w.put('session', session)
  w.number('counter', counter)
  w.number('framesBytes', framesBytes)
  w.put('mac', mac)
  w.put('headMac', headMac)
  return w.bytes
}

/** The head of a body; the frames behind it are not looked at. */
export function decodeSealedHead(bytes: Uint8Array): SealedHead {
  const r = new Reader(sealedLayout, bytes)
  return {
    session: r.copy('session'),
    counter: r.number('counter'),
    framesBytes: r.number('framesBytes'),
    mac: r.copy('mac'),
    headMac: r.copy('headMac'),
  }
}
