/**
 * Renders the OpenAPI document as one page: parameters, bodies, schemas, answers, and a line for a shell for every example.
 * The page needs nothing from anywhere else, and its script only searches.
 */
import { script, style } from './docs-assets.ts'
import { code, escape, listing, prose, table } from './docs-html.ts'
import { type NamedSchemas, type Schema, schemaId, schemaTable, typeWords } from './docs-schema.ts'

interface Shown {
  readonly description?: string
  readonly schema?: Schema
  readonly examples?: Readonly<Record<string, { readonly summary?: string; readonly value: unknown }>>
}
type Content = Readonly<Record<string, Shown>>
type Prefixes = Readonly<Record<string, Shown>>

interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly description?: string
  readonly tags?: readonly string[]
  readonly security?: readonly object[]
  readonly parameters?: readonly (Shown & {
    readonly name: string
    readonly in: string
    readonly required?: boolean
  })[]
  readonly requestBody?: { readonly required?: boolean; readonly content?: Content }
  readonly responses?: Readonly<
    Record<
      string,
      {
        readonly description?: string
        readonly headers?: Readonly<Record<string, Shown>>
        readonly content?: Content
      }
    >
  >
  readonly 'x-request-header-prefixes'?: Prefixes
  readonly 'x-response-header-prefixes'?: Prefixes
  readonly 'x-codeSamples'?: readonly { readonly label: string; readonly source: string }[]
}

export interface Document {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string }
  readonly tags?: readonly { readonly name: string; readonly description?: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components?: { readonly schemas?: NamedSchemas }
}

interface Entry {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

/** `server` is the origin in the lines for a shell; the script of the page puts the page's own origin there. */
export function renderDocs(document: Document, server: string): string {
  const entries = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): Entry => ({ method, path, operation })),
  )
  const named = document.components?.schemas ?? {}
  const schemas = Object.entries(named)
  const groups = (document.tags ?? []).map(
    ({ name, description }) =>
      `<div><h2 title="${escape(description ?? '')}">${escape(name)}</h2><ul>${entries
        .filter(({ operation }) => operation.tags?.includes(name))
        .map(entryLink)
        .join('')}</ul></div>`,
  )
  const schemaLinks = schemas.map(([name]) => navItem(schemaId(name), escape(name)))
  const { title, version, description } = document.info
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)} ${escape(version)}</title><style>${style}</style></head>
<body>
<nav><input id="search" type="search" placeholder="Search (press /)" aria-label="Search" hidden>
${groups.join('\n')}
<div><h2>schemas</h2><ul>${schemaLinks.join('')}</ul></div></nav>
<main>
<h1>${escape(title)} ${escape(version)}</h1>
<p>${prose(description)}</p>
<p>Where the server asks for a token, each line needs <code>-H "Authorization: Bearer $TOKEN"</code> as well.
For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
<p id="none" hidden>Nothing has all of these words.</p>
${entries.map((entry) => renderEntry(entry, named, server)).join('\n')}
${schemas.map(renderSchema).join('\n')}
</main>
<script>${script}</script>
</body>
</html>
`
}

const navItem = (id: string, label: string): string =>
  `<li data-of="${escape(id)}"><a href="#${escape(id)}">${label}</a></li>`

const badge = (method: string): string =>
  `<span class="method ${escape(method)}">${escape(method.toUpperCase())}</span>`

const entryLink = ({ method, path, operation }: Entry): string =>
  navItem(operation.operationId, `${badge(method)} ${code(path)}`)

function renderEntry({ method, path, operation }: Entry, named: NamedSchemas, server: string): string {
  const { operationId, summary, description, security = [] } = operation
  const token = security.length > 0 ? '' : ' Asks for no token.'
  return `<section id="${escape(operationId)}" data-part>
<h2>${badge(method)} ${code(path)} <small>${escape(operationId)}</small></h2>
<p><b>${prose(summary)}.</b> ${prose(description)}${token}</p>
${renderParameters(operation)}
${renderBody(operation, named)}
${renderSamples(operation, server)}
${renderAnswers(operation, named)}
</section>`
}

const headed = (title: string, content: string): string =>
  content === '' ? '' : `<h3>${title}</h3>${content}`

/** A family of headers stands like one header, with dots for the rest of the name. */
const prefixRows = (prefixes: Prefixes = {}): string[][] =>
  Object.entries(prefixes).map(([prefix, { schema = {}, description }]) => [
    code(`${prefix}…`),
    'header',
    typeWords(schema),
    prose(description),
  ])

function renderParameters(operation: Operation): string {
  const rows = (operation.parameters ?? []).map(
    ({ name, in: place, required = false, schema = {}, description }) => [
      code(name),
      escape(required ? `${place}, required` : place),
      typeWords(schema),
      prose(description ?? schema.description),
    ],
  )
  const all = [...rows, ...prefixRows(operation['x-request-header-prefixes'])]
  return headed('Parameters', table(['Name', 'In', 'Type', ''], all))
}

/** Types that mean the same are told together, with the examples of the first. */
function renderContent(content: Content, named: NamedSchemas): string {
  const [first] = Object.values(content)
  if (!first) return ''
  const { schema, examples = {} } = first
  const shape = schema ? schemaTable(schema, named) : '<p>Bytes, as they are.</p>'
  const shown = Object.values(examples).map(
    ({ summary, value }) => `<h4>${prose(summary)}</h4>${listing(value)}`,
  )
  return `<p>${Object.keys(content).map(code).join(', ')}</p>${shape}${shown.join('')}`
}

function renderBody({ requestBody }: Operation, named: NamedSchemas): string {
  const title = requestBody?.required ? 'Body, required' : 'Body'
  return headed(title, renderContent(requestBody?.content ?? {}, named))
}

function renderSamples(operation: Operation, server: string): string {
  const address = `<span class="server">${escape(server)}</span>`
  const lines = (operation['x-codeSamples'] ?? []).map(
    ({ label, source }) =>
      `<h4>${prose(label)}</h4><pre>${escape(source).replace(escape(server), () => address)}</pre>`,
  )
  return headed('Try it', lines.join(''))
}

function renderAnswers(operation: Operation, named: NamedSchemas): string {
  const answers = Object.entries(operation.responses ?? {})
  const isFailure = ([status]: readonly [string, unknown]): boolean => Number(status) >= 400
  const good = answers
    .filter((each) => !isFailure(each))
    .map(([status, { description, headers = {}, content = {} }]) => {
      const rows = Object.entries(headers).map(([name, { schema = {}, description: words }]) => [
        code(name),
        typeWords(schema),
        prose(words),
      ])
      const families = prefixRows(operation['x-response-header-prefixes']).map(
        ([name = '', , type = '', words = '']) => [name, type, words],
      )
      const all = rows.length > 0 ? [...rows, ...families] : []
      return `<h4>${code(status)} ${prose(description)}</h4>${table(['Header', 'Type', ''], all)}${renderContent(content, named)}`
    })
  const bad = answers.filter(isFailure).map(([status, { description }]) => [code(status), prose(description)])
  const failures =
    bad.length > 0
      ? `<details><summary>Failures (${bad.length} statuses)</summary>${table(['Status', ''], bad)}</details>`
      : ''
  return headed('Answers', good.join('') + failures)
}

const renderSchema = ([name, schema]: readonly [string, Schema]): string =>
  `<section id="${escape(schemaId(name))}" data-part>
<h2>${escape(name)}</h2><p>${prose(schema.description)}</p>${schemaTable(schema, {})}</section>`
