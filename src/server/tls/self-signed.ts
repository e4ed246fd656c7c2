/** Makes a certificate that vouches for itself, for a first try and for servers that are pinned by fingerprint. */
import type { JsonGeneralName } from '@peculiar/x509'
import { labelMs } from '../../format/position.ts'
import { toHex } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'

interface SelfSignedOptions {
  readonly clock: Clock
  readonly random: Random
  /** Host names and addresses that the certificate is for; the first is its subject. */
  readonly names: readonly [string, ...string[]]
  readonly days: number
}

const dayMs = 86_400_000
/** Clocks of clients may be behind. */
const earlierMs = dayMs / 24
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** Gives both as PEM. */
export async function makeSelfSigned(
  options: SelfSignedOptions,
): Promise<{ readonly cert: string; readonly key: string }> {
  const { clock, random, names, days } = options
  // The library looks for the metadata when it is loaded, so the order of the two counts, in the bundle too.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const nowMs = labelMs(clock)
  // A serial number is positive and at most 20 bytes long (RFC 5280 §4.1.2.2).
  const serial = random.bytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: toHex(serial),
    name: [{ CN: [names[0]] }],
    notBefore: new Date(nowMs - earlierMs),
    notAfter: new Date(nowMs + days * dayMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.SubjectAlternativeNameExtension(names.map(generalName)),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ],
  })
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const lines = key.match(/.{1,64}/g)!.join('\n')
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
  }
}

function generalName(name: string): JsonGeneralName {
  const isAddress = name.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(name)
  return { type: isAddress ? 'ip' : 'dns', value: name }
}
