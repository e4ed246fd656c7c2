/** Paths and metadata are any text for a program, and have one safe form on their way. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { headersOf, metaIn } from '../../sdk/src/attributes.ts'
import { toBase64 } from '../../sdk/src/bytes.ts'
import { isClientError } from '../../sdk/src/index.ts'
import { encodePath } from '../../sdk/src/paths.ts'
import { parseUrlPath } from '../../src/fs/paths.ts'
import { parseAttributes } from '../../src/routes/v1/attributes.ts'

const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  // oxlint-disable-next-line no-control-regex -- the server refuses control characters
  .filter((text) => !/[/\x00-\x1f\x7f-\x9f]/.test(text) && text !== '.' && text !== '..')

test('the server reads the path that the program meant, after what a URL makes of it', () =>
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (names) => {
      const address = new URL(`http://server/v1/files/${encodePath(names.join('/'))}`)
      expect(address.search + address.hash).toBe('')
      expect<readonly string[]>(parseUrlPath(address.pathname.slice('/v1/files/'.length))).toEqual(names)
    }),
  ))

test.each(['.', '..', 'a/.', '../a', 'a//b', '/a', 'a/', '', '\ud800'])(
  'the path %j is refused: a URL would mean another',
  (path) => {
    let thrown: unknown = null
    try {
      encodePath(path)
    } catch (error) {
      thrown = error
    }
    expect(isClientError(thrown, 'bad-path')).toBe(true)
  },
)

test('metadata of any text comes back, and the server takes its form', () =>
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[a-z0-9-]{1,10}$/), fc.string({ unit: 'grapheme', maxLength: 20 })),
      (meta) => {
        const headers = new Headers(headersOf({ meta }))
        expect({ ...metaIn(headers) }).toEqual(meta)
        expect(() => parseAttributes(Object.fromEntries(headers), true)).not.toThrow()
      },
    ),
  ))

test('plain metadata stays readable for other programs, and theirs for this one', () => {
  const sent = headersOf({ meta: { Author: 'Ann Other <ann@example>' } })
  expect(sent).toEqual({ 'stillpoint-meta-author': 'Ann Other <ann@example>' })
  expect({ ...metaIn(new Headers({ 'Stillpoint-Meta-A': '100%' })) }).toEqual({ a: '100%' })
})

test('base64 of any length', () =>
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40_000 }), (length) => {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31) >> 3)
      const wanted = Buffer.from(bytes).toString('base64')
      expect(toBase64(bytes)).toBe(wanted)
      // As on a runtime that has no such method.
      expect(toBase64(Object.assign(bytes.slice(), { toBase64: undefined }))).toBe(wanted)
    }),
    { numRuns: 20 },
  ))
