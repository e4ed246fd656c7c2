/**
 * Names the client of a request for shares and rates, by the address of its connection. A home or a company has a
 * whole network of IPv6 addresses, so of these only the first 64 bits count.
 */

/** Clients that each table of rates remembers. */
export const clientsRememberedMax = 10_000

export function clientOfAddress(address: string): string {
  const lower = address.toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(lower)
  if (mapped) return mapped[1]!
  if (!lower.includes(':')) return lower
  const [plain = ''] = lower.split('%')
  const [before = '', after] = plain.split('::')
  const head = before === '' ? [] : before.split(':')
  const tail = after === undefined || after === '' ? [] : after.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0')
  const groups = after === undefined ? head : [...head, ...zeros, ...tail]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
