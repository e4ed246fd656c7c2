/** Addresses that a server listens on. */
export interface ListenAddress {
  /** Host without brackets. */
  readonly host: string
  /** 0 means any free port. */
  readonly port: number
}

/** Parses `HOST:PORT`, with an IPv6 address in brackets; null for any other text. */
export function parseListen(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/.exec(text)
  if (match === null) return null
  const host = match[1] ?? match[2]!
  const port = Number(match[3])
  // The URL parser knows the forms of an address, and refuses 256.1.1.1 and [::g].
  return port <= 65_535 && URL.canParse(`http://${formatHost(host)}/`) ? { host, port } : null
}

export const formatHost = (host: string): string => (host.includes(':') ? `[${host}]` : host)
export const formatAddress = (address: ListenAddress): string => `${formatHost(address.host)}:${address.port}`

export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true
  const parsed = URL.parse(`http://${formatHost(host)}/`)?.hostname
  return parsed !== undefined && (parsed === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(parsed))
}

/** Warning for the log before the server listens; null when there is none. */
export function exposure(address: ListenAddress, anonymous: 'nothing' | 'read'): string | null {
  if (isLoopback(address.host) || anonymous === 'nothing') return null
  return `whoever reaches ${formatAddress(address)} can read every file without a token`
}
