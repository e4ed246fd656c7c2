/**
 * Tells whether a URL leads to this server itself, whatever its spelling: the host is resolved, and each address is
 * compared with the addresses at which the server listens. A proxy in front of the server has other addresses.
 */
import { lookup } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'

export interface HostNames {
  /** Every address of the host; none when the host is not known. */
  resolve(host: string): Promise<readonly string[]>
  /** The addresses of this machine. */
  own(): readonly string[]
}

export const systemNames: HostNames = {
  async resolve(host) {
    try {
      return (await lookup(host, { all: true })).map(({ address }) => address)
    } catch {
      return []
    }
  },
  own: () =>
    Object.values(networkInterfaces()).flatMap((addresses) =>
      (addresses ?? []).map(({ address }) => address),
    ),
}

/**
 * One form for each address: IPv4 in dots also where IPv6 carries it, and no zone. Null for a name. The URL parser knows
 * every spelling.
 */
function addressOf(host: string): string | null {
  const bare = host.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  const parsed = URL.parse(bare.includes(':') ? `http://[${bare}]/` : `http://${bare}/`)?.hostname
  if (parsed === undefined) return null
  if (/^\d+\.\d+\.\d+\.\d+$/.test(parsed)) return parsed
  const inner = /^\[(.*)\]$/.exec(parsed)?.[1]
  if (inner === undefined) return null
  const mapped = /^::(?:ffff:(?:0:)?)?([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(inner)
  if (!mapped) return inner
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** A connection to the address of everything goes to loopback. */
const isEverything = (address: string): boolean => address === '0.0.0.0' || address === '::'
const isLoopbackAddress = (address: string): boolean => address === '::1' || address.startsWith('127.')

async function addressesOf(host: string, names: HostNames): Promise<string[]> {
  const bare = host.replace(/\.$/, '')
  const literal = addressOf(bare)
  if (literal !== null) return [literal]
  if (/(?:^|\.)localhost$/i.test(bare)) return ['127.0.0.1', '::1']
  return (await names.resolve(bare)).flatMap((address) => addressOf(address) ?? [])
}

interface Listening {
  readonly hostname: string
  readonly port: number
}

export async function isOwnAddress(
  text: string,
  { hostname, port }: Listening,
  names: HostNames,
): Promise<boolean> {
  const url = URL.parse(text)
  if (!url || Number(url.port || (url.protocol === 'https:' ? 443 : 80)) !== port) return false
  const [asked, listened] = await Promise.all([
    addressesOf(url.hostname, names),
    addressesOf(hostname, names),
  ])
  const isListened = (address: string): boolean => {
    if (listened.some(isEverything))
      return isLoopbackAddress(address) || names.own().some((own) => addressOf(own) === address)
    return listened.includes(address) || (isLoopbackAddress(address) && listened.some(isLoopbackAddress))
  }
  return asked.some((address) => isEverything(address) || isListened(address))
}
