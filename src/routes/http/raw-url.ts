/**
 * The request target as the client sent it. Routers and URL classes decode leniently (`%2F..%2F`, `%00`, invalid
 * UTF-8), so nothing here is decoded twice, and text that is not strictly valid is refused.
 *
 * The runtime has applied the URL standard before this code runs: plain dot segments are resolved and a plain `\` is
 * `/`.
 */
import { StillpointError } from '../../lib/errors.ts'

export interface RequestTarget {
  /** Raw path, still percent-encoded; begins with a slash. */
  readonly pathname: string
  /** Raw query, without the question mark. */
  readonly query: string
  /** Raw rest of the path, which is the value of the endpoint's parameter; null when the endpoint has none. */
  readonly rest: string | null
}

const noParts = { pathname: '/', query: '' }

/** `url` is absolute, as in Request.url. */
export function splitUrl(url: string): { readonly pathname: string; readonly query: string } {
  const scheme = url.indexOf('://')
  const start = url.indexOf('/', scheme === -1 ? 0 : scheme + 3)
  if (start === -1) return noParts
  // A request target has no fragment. A client that forgot to encode a `#` in a name would reach another file.
  if (url.includes('#', start)) {
    throw new StillpointError('bad-path', 'a request target has no fragment; # in a name is %23')
  }
  const target = url.slice(start)
  const mark = target.indexOf('?')
  if (mark === -1) return { pathname: target, query: '' }
  return { pathname: target.slice(0, mark), query: target.slice(mark + 1) }
}

const refuse = (detail: string, parameter: string): never => {
  throw new StillpointError('bad-parameter', detail, { parameter })
}

const decode = (text: string): string => {
  try {
    if (/%(?![0-9a-fA-F]{2})/.test(text)) throw new URIError('percent')
    return decodeURIComponent(text)
  } catch {
    throw new StillpointError('bad-parameter', 'the query is not percent-encoded UTF-8')
  }
}

/** Query parameters. Each one must be known and given once. A `+` is a plus sign, not a space. */
export class Query {
  static readonly none = new Query(new Map())
  private readonly values: ReadonlyMap<string, string>
  private constructor(values: ReadonlyMap<string, string>) {
    this.values = values
  }

  static parse(raw: string, known: readonly string[]): Query {
    if (raw === '') return Query.none
    const values = new Map<string, string>()
    for (const part of raw.split('&')) {
      const mark = part.indexOf('=')
      const name = decode(mark === -1 ? part : part.slice(0, mark))
      if (!known.includes(name))
        refuse(`there is no parameter "${name.slice(0, 64)}" here`, name.slice(0, 64))
      if (values.has(name)) refuse(`${name} is given twice`, name)
      // A name alone is a flag that is set.
      values.set(name, mark === -1 ? 'true' : decode(part.slice(mark + 1)))
    }
    return new Query(values)
  }

  text(name: string): string | null {
    return this.values.get(name) ?? null
  }

  flag(name: string): boolean {
    const value = this.values.get(name)
    if (value === undefined || value === 'false') return false
    return value === 'true' || refuse(`${name} is true or false`, name)
  }

  /** Accepts decimal digits only, and a safe integer within the bounds; null when the parameter is absent. */
  integer(name: string, min: number, max: number): number | null {
    const value = this.values.get(name)
    return value === undefined ? null : parseInteger(value, name, min, max)
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | null {
    const value = this.values.get(name)
    if (value === undefined) return null
    return (
      choices.find((choice) => choice === value) ?? refuse(`${name} is one of ${choices.join(', ')}`, name)
    )
  }
}

export function parseInteger(text: string, name: string, min: number, max: number): number {
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    refuse(`${name} is a decimal integer from ${min} to ${max}`, name)
  }
  return value
}

const time = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

interface Time {
  /** Whole milliseconds since 1970; `nanos` has the nanoseconds behind the millisecond, 0 to 999,999. */
  readonly ms: number
  readonly nanos: number
}

/** Parses RFC 3339 with a zone; parts of a nanosecond are cut off. Null for any other text. */
export function parseTime(text: string): Time | null {
  const parts = time.exec(text)
  if (!parts) return null
  const [, year, month, day, hour, minute, second] = parts
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > lastDay) return null
  const digits = (parts[7] ?? '.').slice(1, 10).padEnd(9, '0')
  const ms = Date.parse(
    `${year}-${month}-${day}T${hour}:${minute}:${second}.${digits.slice(0, 3)}${parts[8]?.toUpperCase()}`,
  )
  return Number.isNaN(ms) ? null : { ms, nanos: Number(digits.slice(3)) }
}
