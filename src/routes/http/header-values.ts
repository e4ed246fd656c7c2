/**
 * All headers of a request, taken out in one go: asking for each header by name costs more than all other work on the
 * headers.
 *
 * Names are in lower case. The values of a header that was sent twice are joined by commas, as in `Headers.get`.
 */
export type HeaderValues = Readonly<Record<string, string | undefined>>

export const headerValues = (headers: Headers): HeaderValues => headers.toJSON()
