/** /docs, the document, and the address that leads to both. */
import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import type { ServerRole } from '../../src/routes/http/dependencies.ts'
import { buildDocument, documentedAddresses } from '../../src/routes/openapi.ts'
import { Harness } from './harness.ts'

const roles: readonly ServerRole[] = ['primary', 'mirror']

interface Operation {
  readonly operationId: string
  readonly 'x-codeSamples': readonly { readonly source: string }[]
}

const ask = (role: ServerRole, method: string, path: string, headers = {}): Promise<Response> => {
  const h = new Harness()
  return role === 'primary' ? h.request(method, path, { headers }) : h.onMirror(method, path, { headers })
}
const textOf = async (role: ServerRole): Promise<string> => (await ask(role, 'GET', '/docs')).text()

/** Text as a person sees it. */
const seen = (html: string): string =>
  html
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&#(\d+);/g, (_, number: string) => String.fromCharCode(Number(number)))

describe.each(roles)('/docs of a %s', (role) => {
  const document = buildDocument(role)
  const operations = Object.values(document['paths'] as Record<string, Record<string, Operation>>).flatMap(
    (item) => Object.values(item),
  )

  test('has every operation, its lines for a shell, and every schema that is linked', async () => {
    const page = await textOf(role)
    const text = seen(page)
    for (const { operationId, 'x-codeSamples': samples } of operations) {
      expect(page).toContain(`<section id="${operationId}" data-part>`)
      for (const { source } of samples) expect([source, text.includes(source)]).toEqual([source, true])
    }
    const links = [...page.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id!)
    expect(links.length).toBeGreaterThan(operations.length)
    expect(links.filter((id) => !page.includes(`<section id="${id}"`))).toEqual([])
    const addresses = [...page.matchAll(/<span class="server">([^<]*)</g)].map(([, address]) => address)
    expect(new Set(addresses)).toEqual(new Set([documentedAddresses[role]]))
    expect(addresses).toHaveLength(operations.flatMap((operation) => operation['x-codeSamples']).length)
  })

  test('shows the members of bodies and answers, and headers with a prefix', async () => {
    const text = seen(await textOf(role))
    for (const words of ['entries', 'contentType', 'Stillpoint-Meta-…', '"owner": "alice"'])
      expect([words, text.includes(words)]).toEqual([words, true])
    expect(text.includes('ifNoneMatch')).toBe(role === 'primary')
  })

  test('its policy names the style and the script that are in it, and nothing else runs or loads', async () => {
    const answer = await ask(role, 'GET', '/docs')
    const page = await answer.text()
    const sumOf = (tag: string): string => {
      const inner = [...page.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))].map(([, text]) => text!)
      expect(inner).toHaveLength(1)
      return `'sha256-${createHash('sha256').update(inner[0]!).digest('base64')}'`
    }
    expect(answer.headers.get('Content-Security-Policy')).toBe(
      `default-src 'none'; frame-ancestors 'none'; style-src ${sumOf('style')}; script-src ${sumOf('script')}; ` +
        "base-uri 'none'; form-action 'none'",
    )
    expect(page).not.toMatch(
      /<(?:link|img|iframe|object|script [^>]*src|style [^>]*)\b|@import|url\(|\son\w+=| style=/,
    )
  })

  test('is no longer than half a megabyte', async () => {
    expect((await textOf(role)).length).toBeLessThan(512 * 1024)
  })
})

test.each([
  '/docs',
  '/openapi.json',
  '/healthz',
  '/v1/stat',
  '/v1/dirs',
  '/v1/cps',
  '/v1/stat/nothing',
  '/nowhere',
])('HEAD %s has the length of GET', async (path) => {
  for (const role of roles) {
    const [get, head] = [await ask(role, 'GET', path), await ask(role, 'HEAD', path)]
    const { byteLength } = await get.arrayBuffer()
    expect([head.status, head.headers.get('Content-Length')]).toEqual([get.status, String(byteLength)])
    expect(await head.text()).toBe('')
  }
})

describe('/', () => {
  test.each([
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', '/docs'],
    ['text/html', '/docs'],
    ['*/*', '/openapi.json'],
    ['application/json', '/openapi.json'],
    ['text/htmlx', '/openapi.json'],
    [null, '/openapi.json'],
  ])('to Accept: %s is an answer that leads to %s', async (accept, target) => {
    for (const role of roles) {
      const answer = await ask(role, 'GET', '/', accept === null ? {} : { Accept: accept })
      expect([answer.status, answer.headers.get('Location')]).toEqual([302, target])
      expect([answer.headers.get('Vary'), answer.headers.get('Cache-Control')]).toEqual([
        'Accept',
        'no-store',
      ])
    }
  })
})
