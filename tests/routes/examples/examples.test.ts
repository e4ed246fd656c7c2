/**
 * The examples of the documents are what servers answer: each is sent, as a request and as its line for a shell, and the
 * answer is compared with the documented one (`volatile.ts`).
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { endpoints } from '../../../src/routes/endpoints.ts'
import { curlLine } from '../../../src/routes/examples/curl.ts'
import { type Example, addressOf, messageOf } from '../../../src/routes/examples/example.ts'
import type { ServerRole } from '../../../src/routes/http/dependencies.ts'
import { type Endpoint, isServedBy } from '../../../src/routes/http/endpoint.ts'
import { idOf } from '../declared.ts'
import { served } from '../../server/served.ts'
import { type Answer, curlProblem, readAnswer, throughCurl } from './answer.ts'
import { difference, missingLine } from './volatile.ts'
import { World } from './world.ts'

const servers = served(afterAll)
let world: World
beforeAll(async () => {
  world = await World.start(servers)
})

const roles: readonly ServerRole[] = ['primary', 'mirror']

test('every endpoint has examples, of its requests and of an answer that is a success', () => {
  const faults = endpoints.flatMap((endpoint) => {
    const { examples = [] } = endpoint
    const where = `${endpoint.method.toUpperCase()} ${endpoint.path} (${idOf(endpoint)})`
    const isShown = examples.some(({ answer }) => answer.status < 400)
    if (!isShown)
      return [
        `${where} has no example that succeeds: write one into src/routes/examples/ and name it beside the handler`,
      ]
    const titles = examples.map(({ title }) => title)
    return new Set(titles).size === titles.length ? [] : [`${where} has two examples of one title`]
  })
  expect(faults).toEqual([])
})

type Send = (role: ServerRole, endpoint: Endpoint, example: Example) => Promise<Answer>

const throughFetch: Send = async (role, endpoint, example) => {
  const { headers, body } = messageOf(example)
  const answer = await fetch(world.urlOf(role) + world.asHere(addressOf(endpoint, example)), {
    method: endpoint.method.toUpperCase(),
    headers: { ...headers, ...world.headers },
    body: body === null ? null : world.asHere(body),
    redirect: 'manual',
  })
  return readAnswer(answer, example)
}
const throughShell: Send = (role, endpoint, example) =>
  throughCurl(world.asHere(curlLine(endpoint, example, world.urlOf(role))), world.headers, example)

/** Null when the answer is the documented one. */
function compared({ answer: documented }: Example, sent: Answer): string | null {
  if (documented.status !== sent.status)
    return `${documented.status} is documented, ${sent.status} is sent: ${sent.text}`
  for (const [name, value] of Object.entries(documented.headers ?? {})) {
    const found = difference(String(value), sent.headers.get(name), false, name)
    if (found !== null) return found
  }
  const { body, isPart = false, varies = [] } = documented
  const text = world.asDocumented(sent.text)
  if (body === undefined) return difference('', text)
  if (typeof body !== 'string') return difference(body, JSON.parse(text), isPart, '', varies)
  return isPart ? missingLine(body, text) : difference(body, text)
}

const senders = {
  'as a request': { send: throughFetch, problem: null },
  'as a line': { send: throughShell, problem: curlProblem },
}

for (const [how, { send, problem }] of Object.entries(senders))
  for (const role of roles)
    describe(`examples of a ${role}, ${how}${problem === null ? '' : ` (${problem})`}`, () => {
      for (const endpoint of endpoints.filter((each) => isServedBy(each, role)))
        for (const example of endpoint.examples ?? [])
          test.skipIf(problem !== null)(`${idOf(endpoint)}: ${example.title}`, async () => {
            await world.prepare()
            if (endpoint.method !== 'get' && endpoint.method !== 'head') world.touch()
            expect(compared(example, await send(role, endpoint, example))).toBeNull()
          })
    })
