/** Long answers in SQL to clients that do not read: they take a bounded room, and keep no place of a query. */
import { expect, test } from 'bun:test'
import { Harness, expectProblem } from '../harness.ts'
import { clientHeader } from '../resources.ts'

const ask = (h: Harness, client: string): Promise<Response> =>
  h.request('POST', '/v1/sql', {
    headers: { 'Content-Type': 'application/json', [clientHeader]: client },
    body: JSON.stringify({ query: 'SELECT 1' }),
  })

test('the room is full, and the next long answer is refused at once; short ones go on', async () => {
  const h = new Harness()
  h.publish()
  h.sql.body = `["${'x'.repeat(8 * 2 ** 20)}"]`
  const unread: Response[] = []
  let refused: Response | null = null
  for (let i = 0; refused === null; i++) {
    expect(i).toBeLessThan(200)
    const answer = await ask(h, `192.0.2.${i}`)
    // The place of the query is free although nobody has read the answer.
    expect(h.sql.places).toBe(0)
    if (answer.ok) unread.push(answer)
    else refused = answer
  }
  expect(unread.length).toBeGreaterThan(1)
  expect(refused.headers.get('Retry-After')).not.toBeNull()
  await expectProblem(refused, 'busy')
  h.sql.body = '[[1]]'
  expect(((await (await ask(h, '192.0.2.250')).json()) as { rows: unknown }).rows).toEqual([[1]])
  for (const answer of unread) await answer.body!.cancel()
  h.sql.body = `["${'x'.repeat(8 * 2 ** 20)}"]`
  const again = await ask(h, '192.0.2.251')
  expect(again.status).toBe(200)
  await again.body!.cancel()
})
