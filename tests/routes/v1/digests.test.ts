/** A body is what all of its digests say: whichever one of them is wrong, nothing is stored, for every way of a body. */
import { describe, expect, test } from 'bun:test'
import { parseDigests } from '../../../src/routes/http/digest.ts'
import { Harness, expectProblem } from '../harness.ts'

const algorithms = { 'sha-256': 'sha256', 'sha-512': 'sha512' } as const
type Name = keyof typeof algorithms

function digest(name: Name, text: string): string {
  return `${name}=:${new Bun.CryptoHasher(algorithms[name]).update(text).digest('base64')}:`
}

/** Of digests in one header or in both; the one with this number is of another body. */
function headersOf(fields: readonly (readonly [field: string, name: Name])[], wrong: number, text: string) {
  const headers: Record<string, string> = {}
  for (const [i, [field, name]] of fields.entries()) {
    const member = digest(name, i === wrong ? `${text}!` : text)
    headers[field] = headers[field] === undefined ? member : `${headers[field]}, ${member}`
  }
  return headers
}

const content = [
  ['Content-Digest', 'sha-256'],
  ['Content-Digest', 'sha-512'],
] as const
const representation = [
  ['Repr-Digest', 'sha-512'],
  ['Repr-Digest', 'sha-256'],
] as const
const lists = {
  'one header': content,
  'the header of the whole': representation,
  'both headers': [...content, ...representation],
} as const

describe('whichever digest is wrong, nothing is stored', () => {
  for (const [title, fields] of Object.entries(lists))
    for (const bytes of [0, 5, 64 * 1024, 64 * 1024 + 1, 300_000])
      for (const isDeclared of [true, false])
        test(`${title}, ${bytes} bytes, length ${isDeclared ? 'declared' : 'not declared'}`, async () => {
          const h = new Harness()
          await h.request('PUT', '/v1/files/a', { body: 'before' })
          const text = 'x'.repeat(bytes)
          const methods = fields.some(([field]) => field === 'Repr-Digest') ? ['PUT'] : ['PUT', 'PATCH']
          for (const method of methods) {
            const path = method === 'PATCH' ? '/v1/files/a?offset=0' : '/v1/files/a'
            const send = (wrong: number) =>
              h.request(method, path, {
                body: text,
                headers: {
                  ...headersOf(fields, wrong, text),
                  ...(isDeclared ? { 'Content-Length': String(bytes) } : {}),
                },
              })
            const before = h.content('a')
            for (const wrong of fields.keys()) {
              await expectProblem(send(wrong), 'digest-mismatch')
              expect(h.content('a')).toBe(before)
            }
            expect((await send(-1)).status).toBe(200)
          }
        })
})

test('of a digest that comes again the last one counts, and there is one sum for each algorithm', async () => {
  const right = digest('sha-256', 'x')
  const wrong = digest('sha-256', 'y')
  const put = async (header: string) => {
    const h = new Harness()
    return h.request('PUT', '/v1/files/a', { body: 'x', headers: { 'Repr-Digest': header } })
  }
  expect((await put(`${wrong}, ${right}`)).status).toBe(201)
  await expectProblem(put(`${right}, ${wrong}`), 'digest-mismatch')
  const many = [digest('sha-512', 'x'), right]
  const header = Array.from({ length: 140 }, (_, i) => many[i % 2]).join(', ')
  expect(parseDigests(header, 'Repr-Digest')).toHaveLength(2)
})
