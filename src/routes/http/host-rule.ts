/**
 * Decides which Host headers get an answer. A web page can point a name of its own to the address of this server, and
 * is then of one origin with the server in the eyes of a browser; only the Host header still tells the name.
 *
 * - A name is compared without case. A name of the list with a port wants that port; without one, any port fits: a
 *   tunnel or a proxy may have another.
 * - The form is checked in any case: two Host headers arrive joined by a comma.
 */
const hostForm = /^(\[[0-9a-f:.]+\]|[a-z0-9._~%-]+)(?::\d{1,5})?$/

type HostVerdict = 'answered' | 'unknown' | 'malformed'

/** `names` null means that every name gets an answer. */
export function hostRule(names: readonly string[] | null): (host: string) => HostVerdict {
  const known = names === null ? null : new Set(names.map((name) => name.toLowerCase()))
  return (host) => {
    const lower = host.toLowerCase()
    const name = hostForm.exec(lower)?.[1]
    // A client of HTTP/1.0 may leave out the header.
    if (name === undefined) return host !== '' ? 'malformed' : known ? 'unknown' : 'answered'
    return known === null || known.has(name) || known.has(lower) ? 'answered' : 'unknown'
  }
}
