/** A stored content type means one thing, to this server and to a browser. */
import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { canonicalMediaType, isPassive } from '../../../src/routes/http/media-type.ts'
import { parsePlainPath } from '../../../src/fs/paths.ts'
import { Harness, expectProblem } from '../harness.ts'

describe('one form', () => {
  test.each([
    ['text/plain', 'text/plain'],
    ['Text/HTML;Charset=utf-8', 'text/html; charset=utf-8'],
    ['text/plain ;  charset="utf-8"\t', 'text/plain; charset=utf-8'],
    ['text/plain; a="b c"; d=E', 'text/plain; a="b c"; d=E'],
    ['text/plain; a="\\"\\\\x"', 'text/plain; a="\\"\\\\x"'],
    ['text/plain; a=""', 'text/plain; a=""'],
  ])('%s', (text, form) => expect(canonicalMediaType(text)).toBe(form))

  test.each([
    '',
    'text',
    'text/',
    '/plain',
    'text/plain;',
    'text/plain;;',
    'text/plain; x',
    'text/plain; =y',
    'text/plain; x =y',
    'text/plain; x= y',
    'text/plain; x="y',
    'text/plain; x=y z',
    'text/plain; x=y; X=z',
    'text/plain, text/html',
    'text/plain; x=x, text/html',
    'text/plain; x="x, text/html"',
    'text/plain text/html',
    ' text/plain',
    'text/plain\u0000',
    'text/plain; x="\u00e9"',
    'text/plain\r\nX: y',
    'text/*plain/html',
  ])('refused: %p', (text) => expect(canonicalMediaType(text)).toBeNull())

  const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}$/)
  const value = fc.stringMatching(/^[\x20-\x2b\x2d-\x7e]{0,8}$/)

  test('of every type that can be written: the same whichever way, and its own form', () => {
    const written = fc.record({
      type: token,
      subtype: token,
      parameters: fc.uniqueArray(fc.tuple(token, value), {
        maxLength: 3,
        selector: ([name]) => name.toLowerCase(),
      }),
      space: fc.constantFrom('', ' ', '\t '),
    })
    fc.assert(
      fc.property(written, ({ type, subtype, parameters, space }) => {
        const quoted = parameters.map(
          ([name, text]) => `${space};${space}${name}="${text.replace(/["\\]/g, '\\$&')}"`,
        )
        const form = canonicalMediaType(`${type}/${subtype}${quoted.join('')}`)
        expect(form).toBe(
          canonicalMediaType(`${type.toUpperCase()}/${subtype.toLowerCase()}${quoted.join('')}${space}`),
        )
        expect(form).not.toBeNull()
        expect(canonicalMediaType(form!)).toBe(form)
        expect(form!.startsWith(`${type}/${subtype}`.toLowerCase())).toBe(true)
      }),
    )
  })

  test('whatever is sent: refused, or a form without a comma that begins with its own type', () => {
    const pieces = fc.constantFrom(
      ...'text/plain;charset=utf-8, html"\\x'.split(''),
      'text/html',
      '\t',
      '\u00e9',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 24 }), (parts) => {
        const text = parts.join('')
        const form = canonicalMediaType(text)
        if (form === null) return
        expect(form).toMatch(/^[!-~]+\/[!-~]+(; [!-~]+=[ -~]*)*$/)
        expect(text.includes(',') || form.includes(',')).toBe(false)
        expect(canonicalMediaType(form)).toBe(form)
      }),
      { numRuns: 2000 },
    )
  })
})

/** Types that browsers have run, sniffed or mistaken, and those that they only show. */
const active =
  `text/html text/xsl text/xml text/xslt text/css text/javascript text/ecmascript text/vbscript text/x-component
  text/cache-manifest text/vtt text/rdf text/mathml text/event-stream text/csv text/markdown text/x-server-parsed-html
  application/xhtml+xml application/xml application/xslt+xml application/xml-dtd application/rdf+xml application/atom+xml
  application/rss+xml application/mathml+xml application/vnd.wap.xhtml+xml application/javascript application/json
  application/ld+json application/manifest+json application/pdf application/x-shockwave-flash application/java-archive
  application/x-java-applet application/hta application/x-ms-application application/x-chrome-extension
  application/x-mimearchive application/octet-stream application/wasm application/zip application/vnd.adobe.pdf
  multipart/related multipart/x-mixed-replace multipart/form-data message/rfc822 message/http image/svg+xml
  image/svg image/x-icon image/tiff image/bmp model/x3d+xml font/woff2 unknown/unknown
  video/x-ms-asf video/svg+xml audio/x-scpls chemical/x-pdb x/y`.split(/\s+/)
const passive =
  `text/plain image/png image/jpeg image/gif image/webp image/avif audio/mpeg audio/ogg video/mp4 video/webm`.split(
    ' ',
  )

describe('what a browser does with a file', () => {
  test('the lists are long enough', () => {
    expect(new Set([...active, ...passive]).size).toBeGreaterThanOrEqual(60)
  })
  test.each([...active, ...passive])('%s', async (type) => {
    for (const given of [type, `${type.toUpperCase()}; charset=utf-8`]) {
      const h = new Harness()
      const sent = { body: '<script>alert(1)</script>', headers: { 'Content-Type': given } }
      expect((await h.request('PUT', '/v1/files/a', sent)).status).toBe(201)
      for (const ask of [{}, { headers: { Range: 'bytes=0-3' } }, { headers: { 'If-Match': '*' } }]) {
        const { headers } = await h.request('GET', '/v1/files/a', ask)
        expect(headers.get('Content-Type')).toBe(canonicalMediaType(given))
        expect(headers.get('X-Content-Type-Options')).toBe('nosniff')
        expect(headers.get('Content-Disposition')).toBe(active.includes(type) ? 'attachment' : null)
        expect(headers.get('Cross-Origin-Resource-Policy')).toBe('same-origin')
        const policy = headers
          .get('Content-Security-Policy')!
          .split(';')
          .map((part) => part.trim())
        expect(policy).toContain('sandbox')
        expect(policy).toContain("default-src 'none'")
        expect(policy.join()).not.toContain('script')
      }
      expect(isPassive(canonicalMediaType(given)!)).toBe(passive.includes(type))
    }
  })

  const doubtful = [
    'text/plain; x=x, text/html',
    'text/plain, text/html',
    'text/plain; x',
    'text/plain;charset',
  ]
  test.each(doubtful)('refused at each way in: %s', async (type) => {
    const h = new Harness()
    const put = h.request('PUT', '/v1/files/a', { body: 'x', headers: { 'Content-Type': type } })
    expect((await expectProblem(put, 'bad-parameter'))['parameter']).toBe('Content-Type')
    const operations = [{ op: 'put', path: 'a', text: 'x', contentType: type }]
    const batch = h.json('POST', '/v1/batch', { operations })
    expect((await expectProblem(batch, 'bad-parameter'))['parameter']).toBe('contentType')
    expect(h.files.keys()).toEqual([])
  })

  test.each(doubtful)('and says nothing where it was stored all the same: %s', async (type) => {
    const h = new Harness()
    await h.files.putFile(parsePlainPath('a'), new Uint8Array(1), { contentType: type })
    const read = await h.request('GET', '/v1/files/a')
    expect(read.headers.get('Content-Type')).toBe('application/octet-stream')
    expect(read.headers.get('Content-Disposition')).toBe('attachment')
    expect(await (await h.request('GET', '/v1/stat/a')).json()).toMatchObject({
      contentType: 'application/octet-stream',
    })
  })
})
