/**
 * One request of an endpoint and the answer to it, as the documents and /docs show them.
 *
 * A test sends every example to a server and compares: numbers, times and ids differ from volume to volume, all else is
 * the same. Before each example the volume has what `volume.ts` says.
 */
export interface Example {
  /** A phrase for a person. The titles of one endpoint differ. */
  readonly title: string
  readonly request?: {
    /** Value of the parameter of the address, not encoded. */
    readonly parameter?: string | number
    readonly query?: Readonly<Record<string, string | number | boolean>>
    readonly headers?: Readonly<Record<string, string>>
    /** Text is sent as it is, everything else as JSON. */
    readonly body?: unknown
  }
  readonly answer: {
    readonly status: number
    /** Headers that the example is about; an answer has others too. */
    readonly headers?: Readonly<Record<string, string | number>>
    /** Text where the answer is no JSON. */
    readonly body?: unknown
    /** The answer has more lines, more members of the outermost object, or more elements of its lists, than the example shows. */
    readonly isPart?: true
    /** Members that differ from server to server, other than by the rules. */
    readonly varies?: readonly string[]
  }
}

/** An endpoint as an example sees it. */
export interface Exemplified {
  readonly method: string
  readonly path: string
}

const encodeSegments = (path: string): string => path.split('/').map(encodeURIComponent).join('/')

/** Address of the request of an example, from the slash on. */
export function addressOf({ path }: Exemplified, { request = {} }: Example): string {
  const { parameter, query = {} } = request
  const filled = path.replace(/\{\w+\}/, () => encodeSegments(String(parameter ?? '')))
  const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  return pairs.length > 0 ? `${filled}?${pairs.join('&')}` : filled
}

/** Headers and text that go with the request of an example. */
export function messageOf({ request = {} }: Example): {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
} {
  const { headers = {}, body } = request
  if (body === undefined) return { headers, body: null }
  if (typeof body === 'string')
    return { headers: { 'Content-Type': 'application/octet-stream', ...headers }, body }
  return { headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) }
}
