/**
 * Compares an answer with the documented one. Where volumes differ from one another a named rule says which values mean
 * the same; everything else must be equal.
 */
const count = (value: unknown): boolean => typeof value === 'number' && value >= 0
const text = (form: RegExp) => (value: unknown) => typeof value === 'string' && form.test(value)
const orNull =
  (rule: Rule): Rule =>
  (value) =>
    value === null || rule(value)

type Rule = (value: unknown) => boolean

const cpNumber: Rule = (value) => Number.isSafeInteger(value) && count(value)
const tag = text(/^"[0-9a-z]+-[0-9a-z]+-[0-9a-z]+"$/)
const time = text(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:\d{6})?Z$/)
const id = text(/^(?:[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/)
/** Of every member whose name ends in its unit. */
const measured = orNull(count)
const unit = /(?:Ms|Bytes|Cps)$/

/** By the name of the member or of the header. Documented and sent value must both keep to the rule. */
const rules: Readonly<Record<string, Rule>> = {
  cp: orNull(cpNumber),
  'Stillpoint-CP': text(/^[1-9]\d*$/),
  targetCp: orNull(cpNumber),
  etag: orNull(tag),
  ETag: tag,
  created: time,
  modified: time,
  committedAt: time,
  createdAt: time,
  lastSeen: orNull(time),
  lastUsed: orNull(text(/^\d{4}-\d\d-\d\d$/)),
  id,
  volume: id,
  token: text(/^sp_[0-9a-f]{16}_[\w-]{43}$/),
  rootHash: text(/^[0-9a-f]{64}$/),
  cause: text(/^[a-z]+$/),
  blocksWritten: count,
  bytesWritten: count,
  coalesced: count,
  state: text(/^(?:live|catching-up|stalled|away)$/),
  needs: orNull(text(/./)),
  next: text(/^[\w-]+$/),
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Null when both mean the same, else one sentence. With `isPart` the answer may have more members, and its lists more elements. */
export function difference(
  documented: unknown,
  sent: unknown,
  isPart = false,
  at = '',
  varies: readonly string[] = [],
): string | null {
  const name = at.replace(/^.*\./, '')
  if (varies.includes(name) && documented !== undefined && sent !== undefined) return null
  const rule = rules[name] ?? (unit.test(name) ? measured : undefined)
  if (rule) {
    if ((documented === null && sent === null) || (rule(documented) && rule(sent))) return null
    return `${at}: ${JSON.stringify(documented)} and ${JSON.stringify(sent)} are not both of the form of this member`
  }
  if (Array.isArray(documented) && Array.isArray(sent)) {
    if (isPart)
      return first(
        documented.map((each) =>
          sent.some((other) => difference(each, other, false, '', varies) === null)
            ? null
            : `${at}: ${JSON.stringify(each)} is documented, and is not among what is sent`,
        ),
      )
    if (documented.length !== sent.length)
      return `${at}: ${documented.length} are documented, ${sent.length} are sent: ${JSON.stringify(sent)}`
    return first(documented.map((each, i) => difference(each, sent[i], false, `${at}[${i}]`, varies)))
  }
  if (isObject(documented) && isObject(sent)) {
    const names = new Set([...Object.keys(documented), ...(isPart ? [] : Object.keys(sent))])
    return first(
      [...names].map((each) => {
        const isList = isPart && at === '' && Array.isArray(documented[each])
        return difference(documented[each], sent[each], isList, `${at}.${each}`, varies)
      }),
    )
  }
  if (Object.is(documented, sent)) return null
  return `${at}: ${JSON.stringify(documented)} is documented, ${JSON.stringify(sent)} is sent`
}

const first = (found: readonly (string | null)[]): string | null =>
  found.find((each) => each !== null) ?? null

const withoutNumbers = (line: string): string => line.replaceAll(/\d+/g, '0')

/** Null when the text has every documented line; numbers in a line differ. */
export function missingLine(documented: string, sent: string): string | null {
  const lines = new Set(sent.split('\n').map(withoutNumbers))
  const missing = documented.split('\n').find((line) => !lines.has(withoutNumbers(line)))
  return missing === undefined ? null : `the answer lacks the line ${JSON.stringify(missing)}`
}
