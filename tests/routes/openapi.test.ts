import { describe, expect, test } from 'bun:test'
import { type ErrorCode, errorCodes } from '../../src/lib/errors.ts'
import type { ServerRole } from '../../src/routes/http/dependencies.ts'
import { buildDocument, documentText } from '../../src/routes/openapi.ts'
import { Harness } from './harness.ts'

/** The closed list of the contract: changing it is changing what clients were promised. */
const promised: readonly string[] =
  `bad-path bad-parameter bad-json bad-sql sql-limit catalog-unready bad-cursor digest-mismatch metadata-too-large
  unauthorized forbidden not-found is-a-directory not-a-directory is-a-link exists into-itself directory-not-empty
  method-not-allowed opening-changed precondition-failed cp-gone cp-lost range-not-satisfiable too-large unsupported-media-type not-yet
  busy too-many-pins too-many-requests wrong-host fenced poisoned newer-format older-format corrupt disk-full internal`.split(
    /\s+/,
  )

interface EndpointObject {
  readonly operationId: string
  readonly summary?: string
  readonly description?: string
  readonly security?: readonly object[]
  readonly tags: readonly string[]
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly 'x-multi-segment'?: boolean
  }[]
  readonly requestBody?: { readonly content?: Readonly<Record<string, unknown>> }
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, unknown>> }>
  >
}
const pathsOf = (role: ServerRole) =>
  buildDocument(role)['paths'] as Record<string, Record<string, EndpointObject>>
const endpointsOf = (role: ServerRole) =>
  Object.entries(pathsOf(role)).flatMap(([path, item]) =>
    Object.entries(item).map(([method, endpoint]) => ({ path, method, endpoint })),
  )

const roles: readonly ServerRole[] = ['primary', 'mirror']

describe('documents', () => {
  for (const role of roles) {
    test(`openapi/${role}.json is what the routes say`, async () => {
      const file = Bun.file(new URL(`../../openapi/${role}.json`, import.meta.url))
      expect(await file.text()).toBe(documentText(role))
      expect(documentText(role)).toBe(documentText(role))
    })

    test(`of a ${role}: every endpoint is whole`, () => {
      const seen = new Set<string>()
      for (const { path, method, endpoint } of endpointsOf(role)) {
        const { operationId, tags, responses, parameters = [] } = endpoint
        expect(operationId).toBeString()
        expect(seen.has(operationId)).toBe(false)
        seen.add(operationId)
        expect(tags).toHaveLength(1)
        expect(Object.keys(responses).some((status) => status.startsWith('2'))).toBe(true)
        for (const [status, { content }] of Object.entries(responses)) {
          if (Number(status) >= 400) expect(Object.keys(content ?? {})).toEqual(['application/problem+json'])
        }
        const multi = parameters.filter((parameter) => parameter['x-multi-segment'])
        expect(multi.map(({ name }) => name)).toEqual(path.endsWith('{path}') ? ['path'] : [])
        expect([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)).toEqual(
          parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name),
        )
        if (role === 'mirror' && endpoint.operationId !== 'askSql') expect(['get', 'head']).toContain(method)
      }
    })
  }

  /** What an endpoint lacks for a reader of its document, in words for who has written the endpoint. */
  function lacks({ operationId, summary, description, security }: EndpointObject): string[] {
    const missing = Object.entries({ summary, description, security }).filter(([, value]) => !value)
    return missing.map(
      ([name]) => `the contract of ${operationId} has no ${name}: write it beside its handler`,
    )
  }

  for (const role of roles) {
    test(`of a ${role}: every endpoint is described`, () => {
      expect(endpointsOf(role).flatMap(({ endpoint }) => lacks(endpoint))).toEqual([])
    })

    test(`of a ${role}: generated clients find no trap`, () => {
      // A default makes a member required for generators that believe every answer has it.
      expect(documentText(role)).not.toContain('"default"')
      for (const { endpoint } of endpointsOf(role)) {
        // A name that stands for others would be sent as it is.
        for (const { name } of endpoint.parameters ?? []) expect(name).not.toMatch(/NAME|\*/)
        // A schema of bytes is text or JSON for many generators.
        const { requestBody, responses } = endpoint
        for (const { content = {} } of [requestBody ?? {}, ...Object.values(responses)])
          for (const type of ['application/octet-stream', '*/*'])
            if (type in content) expect(content[type]).not.toHaveProperty('schema')
      }
    })
  }

  test('name no other host', () => {
    for (const role of roles) expect(documentText(role)).not.toMatch(/https?:\/\/(?!127\.0\.0\.1)/)
  })
})

describe('codes', () => {
  test('are the promised ones', () => {
    expect(Object.keys(errorCodes).sort()).toEqual([...promised].sort())
    const { schemas } = buildDocument('primary')['components'] as {
      schemas: { Problem: { properties: { code: { enum: string[] } } } }
    }
    expect(schemas.Problem.properties.code.enum).toEqual(Object.keys(errorCodes))
  })

  test('are described under their status', () => {
    for (const role of roles) {
      for (const { endpoint } of endpointsOf(role)) {
        for (const [status, { description }] of Object.entries(endpoint.responses)) {
          if (Number(status) < 400) continue
          const codes = [...description.matchAll(/`([a-z-]+)`:/g)].map(([, code]) => code as ErrorCode)
          expect(codes.length).toBeGreaterThan(0)
          for (const code of codes) expect(errorCodes[code][0]).toBe(Number(status) as 400)
        }
      }
    }
  })
})

test('the app has exactly what its document has', async () => {
  const h = new Harness()
  const methods = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE']
  for (const role of roles) {
    const documented = pathsOf(role)
    for (const path of Object.keys(pathsOf('primary'))) {
      const address = path.replace('{path}', 'a').replace(/\{\w+\}/, '1')
      for (const method of methods) {
        const call = role === 'primary' ? h.request(method, address) : h.onMirror(method, address)
        const { status } = await call
        const known = documented[path]
        const expected = known?.[method.toLowerCase()] ?? (method === 'HEAD' ? known?.['get'] : undefined)
        const there = status !== 405 && !(status === 404 && !expected)
        expect([role, method, path, there]).toEqual([role, method, path, expected !== undefined])
      }
    }
  }
})
