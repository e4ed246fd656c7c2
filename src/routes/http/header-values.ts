/**
 * All headers of a request, taken out in one go: asking for each by name costs more than the rest of reading them.
 *
 * Names are in lower case; a header that was sent twice is joined by commas, as in `Headers.get`.
 */
export type HeaderValues = Readonly<Record<string, string | undefined>>

export const headerValues = (headers: Headers): HeaderValues => headers.toJSON()
