/**
 * Puts the examples of an endpoint into its part of an OpenAPI document: one name stands at the parameters, the body and
 * the answer of one example, and `x-codeSamples` has the line for a shell.
 */
import { curlLine } from './curl.ts'
import type { Example, Exemplified } from './example.ts'

interface Named {
  examples?: Record<string, { summary?: string; value: unknown }>
  /** The example of a single value, which OpenAPI does not allow beside several. */
  example?: unknown
}
type Content = Record<string, Named>

export interface DocumentedOperation {
  parameters?: (Named & { name?: string; in?: string })[]
  requestBody?: { content?: Content }
  responses?: Record<string, { content?: Content; headers?: Record<string, Named> }>
  'x-codeSamples'?: { lang: string; label: string; source: string }[]
}

/** `Write a text file` → `write-a-text-file`. */
const keyOf = ({ title }: Example): string =>
  title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')

export function addExamples(
  operation: DocumentedOperation,
  endpoint: Exemplified,
  examples: readonly Example[],
  server: string,
): void {
  for (const example of examples) {
    const { title, request = {}, answer } = example
    const show = (target: Named | undefined, value: unknown): void => {
      if (!target || value === undefined) return
      delete target.example
      target.examples = { ...target.examples, [keyOf(example)]: { summary: title, value } }
    }
    for (const parameter of operation.parameters ?? []) {
      const { query = {}, headers = {} } = request
      const { name = '' } = parameter
      const given = { path: request.parameter, query: query[name], header: headers[name] }
      show(parameter, given[parameter.in as keyof typeof given])
    }
    show(Object.values(operation.requestBody?.content ?? {})[0], request.body)
    const documented = operation.responses?.[answer.status]
    const content = documented?.content ?? {}
    show(answer.type === undefined ? Object.values(content)[0] : content[answer.type], answer.body)
    for (const [name, value] of Object.entries(answer.headers ?? {})) show(documented?.headers?.[name], value)
  }
  operation['x-codeSamples'] = examples.map((example) => ({
    lang: 'Shell',
    label: example.title,
    source: curlLine(endpoint, example, server),
  }))
}
