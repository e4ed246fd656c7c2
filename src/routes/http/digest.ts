/** Digest fields of RFC 9530: `sha-256=:BASE64:, sha-512=:BASE64:`. The parser skips unknown algorithms. */
import { equalBytes } from '../../lib/bytes.ts'
import { StillpointError } from '../../lib/errors.ts'

const algorithms = { 'sha-256': ['sha256', 32], 'sha-512': ['sha512', 64] } as const

export interface Digest {
  update(bytes: Uint8Array): void
  /** Throws `digest-mismatch` when the bytes so far do not have this digest. */
  verify(): void
}

export function parseDigests(header: string | null, field: string): Digest[] {
  if (header === null) return []
  // RFC 8941 §3.2: of a key that comes again, the last one counts. So a client cannot ask for more sums than there are.
  const digests = new Map<string, Digest>()
  for (const member of header.split(',')) {
    const parts = /^[ \t]*([a-z*][a-z0-9_.*-]*)=(.*?)[ \t]*$/.exec(member)
    if (!parts) return malformed(field)
    const [, name, value] = parts
    if (name !== 'sha-256' && name !== 'sha-512') continue
    const [algorithm, length] = algorithms[name]
    const encoded = /^:([A-Za-z0-9+/]*={0,2}):$/.exec(value!)
    if (!encoded) return malformed(field)
    const wanted = new Uint8Array(Buffer.from(encoded[1]!, 'base64'))
    if (wanted.length !== length) return malformed(field)
    digests.set(name, hashing(algorithm, wanted, field, name))
  }
  return [...digests.values()]
}

function hashing(algorithm: 'sha256' | 'sha512', wanted: Uint8Array, field: string, name: string): Digest {
  const hasher = new Bun.CryptoHasher(algorithm)
  return {
    update: (bytes) => void hasher.update(bytes),
    verify() {
      const found = new Uint8Array(hasher.digest())
      if (equalBytes(found, wanted)) return
      throw new StillpointError('digest-mismatch', `the body does not match its ${field}`, {
        algorithm: name,
      })
    },
  }
}

function malformed(field: string): never {
  throw new StillpointError('bad-parameter', `${field} is not a dictionary of digests`, { parameter: field })
}
