/** A body that comes while the tokens change: the newest tokens decide whether it is stored. */
import { expect, test } from 'bun:test'
import type { IssuedToken } from '../../src/access/known-tokens.ts'
import { Harness, expectProblem } from '../routes/harness.ts'
import { bearer, issue } from './issued.ts'

const batch = '{"operations":[{"op":"put","path":"new","text":"x"}]}'
const move = '{"from":"old","to":"new"}'
const requests: Record<string, [method: string, path: string, text: string, more?: Record<string, string>]> =
  {
    'a file': ['PUT', '/v1/files/new', 'content'],
    'a short file': ['PUT', '/v1/files/new', 'content', { 'Content-Length': '7' }],
    'a part': ['PATCH', '/v1/files/old?offset=0', 'content'],
    'a batch': ['POST', '/v1/batch', batch],
    'a move': ['POST', '/v1/move', move],
  }

async function slowly(name: string, changed: (token: IssuedToken) => IssuedToken[]) {
  const harness = new Harness()
  await harness.request('PUT', '/v1/files/old', { body: 'old' })
  const { text: token, token: issued } = issue('writer')
  harness.known.replace([issued], true)
  const [method, path, text, more = {}] = requests[name]!
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const headers = { ...bearer(token), 'Content-Type': 'application/json', ...more }
  // The request is decided within this call.
  const answer = harness.request(method, path, { body: readable, headers })
  harness.known.replace(changed(issued), true)
  const writer = writable.getWriter()
  await writer.write(new TextEncoder().encode(text))
  await writer.close()
  return { harness, response: await answer }
}

for (const name of Object.keys(requests)) {
  test(`${name} of a token that is revoked meanwhile is not stored`, async () => {
    const { harness, response } = await slowly(name, () => [])
    await expectProblem(response, 'unauthorized')
    expect([harness.content('new'), harness.content('old')]).toEqual([undefined, 'old'])
  })
  test(`${name} of a token that only reads from now on is not stored`, async () => {
    const { harness, response } = await slowly(name, (token) => [{ ...token, role: 'reader' }])
    await expectProblem(response, 'forbidden')
    expect([harness.content('new'), harness.content('old')]).toEqual([undefined, 'old'])
  })
  test(`${name} is stored when another token goes`, async () => {
    const { harness, response } = await slowly(name, (token) => [token])
    expect(response.ok).toBe(true)
    expect([harness.content('new'), harness.content('old')]).not.toEqual([undefined, 'old'])
  })
}
