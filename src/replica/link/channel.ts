/**
 * The channel to a mirror: plain, or TLS. A certificate that the authorities of this system vouch for is taken for what
 * it says. Any other one, as a new mirror has, is pinned for the connection, and the proofs of both sides cover it: so
 * the key of the pair vouches for the certificate, and a listener in between, whose certificate is another one, proves
 * nothing.
 */
import { connect } from 'node:tls'
import type { DetailedPeerCertificate } from 'node:tls'
import { equalBytes } from '../../lib/bytes.ts'
import { sha256 } from '../../lib/checksum.ts'
import { noChannel } from './peer-proof.ts'

export interface Channel {
  /** SHA-256 of the certificate that is pinned; zeros when there is none. */
  readonly binding: Uint8Array
  /** How each request checks who answers; undefined leaves that to the runtime. */
  readonly tls: BunFetchRequestInit['tls']
}

export const openly: Channel = { binding: noChannel, tls: undefined }
export const isTls = (url: string): boolean => url.startsWith('https:')
/** SHA-256 of a certificate in DER: proofs cover it. */
export const bindingOf = (certificate: Uint8Array): Uint8Array => sha256(certificate)

/** Pins the certificate that is shown at the URL now. Certificates above it are only there so that it can be checked. */
export async function pinnedChannel(url: string, signal: AbortSignal): Promise<Channel> {
  const shown = await certificateAt(url, signal)
  const binding = bindingOf(shown.raw)
  return {
    binding,
    tls: {
      ca: chainOf(shown).map(pemOf),
      checkServerIdentity(_host: string, { raw }: { readonly raw: Uint8Array }): Error | undefined {
        return equalBytes(bindingOf(raw), binding) ? undefined : new Error('the certificate is another one')
      },
    },
  }
}

function certificateAt(url: string, signal: AbortSignal): Promise<DetailedPeerCertificate> {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port || 443), rejectUnauthorized: false })
    const stop = () => socket.destroy(new Error('nobody answers in time'))
    signal.addEventListener('abort', stop, { once: true })
    socket.on('error', reject)
    socket.once('close', () => {
      signal.removeEventListener('abort', stop)
      reject(new Error('no certificate is shown'))
    })
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate(true))
      socket.destroy()
    })
  })
}

/** The highest certificate is its own issuer. */
function chainOf(certificate: DetailedPeerCertificate): Uint8Array[] {
  const chain: Uint8Array[] = []
  let at: DetailedPeerCertificate | undefined = certificate
  while (at && chain.length < chainMax && !chain.some((known) => equalBytes(known, at!.raw))) {
    chain.push(at.raw)
    at = at.issuerCertificate
  }
  return chain
}
const chainMax = 8

function pemOf(der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
