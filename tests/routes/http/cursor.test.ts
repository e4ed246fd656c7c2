/** A client can compute the sum of a cursor, so whatever lies under it is an input like any other. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { sha256 } from '../../../src/lib/checksum.ts'
import { Harness } from '../harness.ts'

function forged(scope: readonly unknown[], payload: Uint8Array): string {
  const sum = sha256(Buffer.concat([encodeUtf8(`${JSON.stringify(scope)}\n`), payload])).subarray(0, 9)
  return Buffer.concat([sum, payload]).toString('base64url')
}

const lists = [
  ['/v1/dirs/dir', ['dirs', 'dir', false]],
  ['/v1/dirs?recursive=true', ['dirs', '', true]],
  ['/v1/cps', ['cps']],
] as const

const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .constantFrom('', '{{', '[', '[1', 'null', '{}', '"a"', '[]', '[[]]', '[1,2,3]', '[1,"a","../b"]')
    .map(encodeUtf8),
  fc.json().map(encodeUtf8),
  fc
    .tuple(fc.oneof(fc.integer(), fc.double()), fc.string(), fc.string())
    .map((position) => encodeUtf8(JSON.stringify(position))),
)

test('a forged cursor is refused, or is of an image that is gone', async () => {
  const h = new Harness()
  for (const name of ['a', 'b', 'c']) await h.request('PUT', `/v1/files/dir/${name}`, { body: 'x' })
  h.publish()
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...lists), payloads, async ([path, scope], payload) => {
      const cursor = forged(scope, payload)
      const answer = await h.request('GET', `${path}${path.includes('?') ? '&' : '?'}cursor=${cursor}`)
      expect([200, 400, 404, 410]).toContain(answer.status)
      await answer.body?.cancel()
    }),
    { numRuns: 500 },
  )
})

test('the name of a listing is not guessed from another one', async () => {
  const h = new Harness()
  for (const name of ['a', 'b', 'c']) await h.request('PUT', `/v1/files/dir/${name}`, { body: 'x' })
  const nameOf = async () => {
    const page = (await (await h.request('GET', '/v1/dirs/dir?limit=1')).json()) as { next: string }
    const [, name] = JSON.parse(Buffer.from(page.next, 'base64url').subarray(9).toString()) as [
      number,
      string,
    ]
    return Buffer.from(name, 'base64url')
  }
  const [first, second] = [await nameOf(), await nameOf()]
  for (const name of [first, second]) expect(name.length).toBeGreaterThanOrEqual(12)
  const same = first.filter((byte, i) => byte === second[i]).length
  expect(same).toBeLessThan(6)
})
