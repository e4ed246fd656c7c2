/** Headers that are kept for the next answer: whatever was asked for before, an answer is that of a server that was asked first. */
import { expect, test } from 'bun:test'
import { Harness } from '../harness.ts'

const requests: readonly (readonly [method: string, headers: Record<string, string>])[] = [
  ['GET', {}],
  ['HEAD', {}],
  ['HEAD', { Range: 'bytes=1-2' }],
  ['GET', { Range: 'bytes=1-2' }],
  ['GET', { Range: 'bytes=-3' }],
  ['GET', { Range: 'bytes=90-' }],
  ['GET', { Range: 'bytes=1-2', 'If-Range': '"another"' }],
  ['GET', { 'If-None-Match': '*' }],
]

async function made(cps: number): Promise<Harness> {
  const h = new Harness()
  const headers = { 'Content-Type': 'text/plain', 'Stillpoint-Meta-A': 'b' }
  await h.request('PUT', '/v1/files/a', { body: '0123456789', headers })
  for (let i = 0; i < cps; i++) {
    h.publish()
    await h.request('PUT', '/v1/files/other', { body: String(i) })
  }
  return h
}

async function ask(h: Harness, at: number): Promise<unknown> {
  const [method, headers] = requests[at]!
  const answer = await h.request(method, '/v1/files/a', { headers })
  return [answer.status, Object.fromEntries(answer.headers), await answer.text()]
}

test('each request after each other one, and after another CP', async () => {
  const alone = await Promise.all(requests.map(async (_, i) => ask(await made(0), i)))
  const later = await Promise.all(requests.map(async (_, i) => ask(await made(1), i)))
  for (const first of requests.keys())
    for (const second of requests.keys()) {
      const h = await made(0)
      expect(await ask(h, first)).toEqual(alone[first])
      expect(await ask(h, second)).toEqual(alone[second])
      h.publish()
      await h.request('PUT', '/v1/files/other', { body: '0' })
      expect(await ask(h, second)).toEqual(later[second])
    }
  expect(later).not.toEqual(alone)
})

test('an answer keeps its headers when the next one is made', async () => {
  const h = await made(0)
  const ranges = ['bytes=0-0', 'bytes=1-3']
  const answers: Response[] = []
  for (const Range of ranges) answers.push(await h.request('GET', '/v1/files/a', { headers: { Range } }))
  expect(answers.map(({ headers }) => headers.get('Content-Range'))).toEqual(['bytes 0-0/10', 'bytes 1-3/10'])
  expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(['0', '123'])
})
