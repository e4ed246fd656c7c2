/** Every answer to a mutation names the run of the server, and a consistency point is not taken for another run. */
import { describe, expect, test } from 'bun:test'
import { endpoints } from '../../src/routes/endpoints.ts'
import { addressOf, messageOf } from '../../src/routes/examples/example.ts'
import { expectProblem, Harness } from './harness.ts'

const mutations = endpoints.filter(({ on, method }) => on === 'primary' && !['get', 'head'].includes(method))
const sent = mutations.flatMap((endpoint) =>
  (endpoint.examples ?? [{ title: '', answer: { status: 0 } }]).map((example) => ({ endpoint, example })),
)
const nameOf = ({ headers }: Response): string | null => headers.get('Stillpoint-Opening')

describe('the opening', () => {
  test('every kind of mutation is tried', () => {
    expect(new Set(mutations.map(({ contract }) => contract.operationId))).toEqual(
      new Set(sent.map(({ endpoint }) => endpoint.contract.operationId)),
    )
    expect(mutations.length).toBeGreaterThan(10)
  })

  test.each(
    sent.map((each) => [`${each.endpoint.contract.operationId}: ${each.example.title}`, each] as const),
  )('is named by the answer to %s, whether it succeeds or not', async (_name, { endpoint, example }) => {
    for (const isThere of [true, false]) {
      const harness = new Harness()
      if (isThere) {
        await harness.request('PUT', '/v1/files/docs/readme.txt', { body: 'Hello, mirror' })
        await harness.request('PUT', '/v1/dirs/docs/drafts')
      }
      const ask = () =>
        harness.request(endpoint.method.toUpperCase(), addressOf(endpoint, example), messageOf(example))
      expect(nameOf(await ask())).toBe('run-0')
      harness.restart()
      expect(nameOf(await ask())).toBe('run-1')
    }
  })

  test('is declared with every success of a mutation, and with nothing else', () => {
    for (const { on, method, contract } of endpoints)
      for (const [status, response] of Object.entries(contract.responses)) {
        const isNamed = on === 'primary' && !['get', 'head'].includes(method) && Number(status) < 300
        const headers = 'headers' in response ? Object.keys(response.headers ?? {}) : []
        expect(headers.includes('Stillpoint-Opening')).toBe(isNamed)
      }
  })

  test('is no business of reads, of mirrors, and of whoever may not come in', async () => {
    const harness = new Harness()
    await harness.request('PUT', '/v1/files/a', { body: 'x' })
    for (const path of ['/v1/files/a', '/v1/dirs', '/v1/stat/a', '/v1/cps'])
      expect(nameOf(await harness.request('GET', path))).toBeNull()
    expect(nameOf(await harness.onMirror('PUT', '/v1/files/a', { body: 'x' }))).toBeNull()
    await harness.json('POST', '/v1/tokens', { name: 'first', role: 'admin' })
    const refused = await harness.request('PUT', '/v1/files/a', { body: 'x' })
    expect([refused.status, nameOf(refused)]).toEqual([401, null])
  })

  test('guards a consistency point: one of another run is refused, and nothing is taken', async () => {
    const harness = new Harness()
    const first = nameOf(await harness.request('PUT', '/v1/files/a?durability=buffered', { body: 'x' }))!
    expect((await harness.request('POST', `/v1/cps?opening=${first}`)).status).toBe(201)
    await harness.request('PUT', '/v1/files/b?durability=buffered', { body: 'x' })
    harness.restart()
    expect(harness.files.keys()).toEqual(['a'])
    await harness.request('PUT', '/v1/files/c?durability=buffered', { body: 'x' })
    const before = harness.files.published
    for (const other of [first, '', 'run-', 'run-10', 'RUN-1', '1', 'x'.repeat(1000), '%00'])
      expect(
        await expectProblem(harness.request('POST', `/v1/cps?opening=${other}`), 'opening-changed'),
      ).toMatchObject({ opening: 'run-1' })
    expect(harness.files.published).toBe(before)
    expect((await harness.request('POST', '/v1/cps?opening=run-1')).status).toBe(201)
    expect((await harness.request('POST', '/v1/cps?opening=run-1')).status).toBe(200)
    await expectProblem(harness.request('POST', '/v1/cps?openings=run-1'), 'bad-parameter')
  })
})
