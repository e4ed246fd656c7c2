/** Renders the OpenAPI document as one plain page, with no script and nothing from another host. */

interface Described {
  readonly summary?: string
  readonly description?: string
  readonly operationId?: string
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly description?: string
    readonly schema?: { readonly description?: string }
  }[]
  readonly responses?: Readonly<Record<string, { readonly description?: string }>>
}

export interface Document {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>
}

const style = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 13px/1.4 ui-monospace, monospace; }
h2 { margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1rem; font-size: 1.1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } a { color: #8bf; } }
`

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

const prose = (text: string | undefined): string =>
  escape(text ?? '').replace(/`([^`]*)`/g, (_, code: string) => `<code>${code}</code>`)

const row = (...cells: readonly string[]): string =>
  `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`

export function renderDocs(document: Document): string {
  const sections: string[] = []
  const contents: string[] = []
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, endpoint] of Object.entries(item)) {
      const id = endpoint.operationId ?? `${method}-${path}`
      const name = `${method.toUpperCase()} ${path}`
      contents.push(
        `<li><a href="#${escape(id)}"><code>${escape(name)}</code></a> ${prose(endpoint.summary)}</li>`,
      )
      sections.push(renderEndpoint(id, name, endpoint))
    }
  }
  const { title, version, description } = document.info
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)} ${escape(version)}</title><style>${style}</style></head>
<body>
<h1>${escape(title)} ${escape(version)}</h1>
<p>${prose(description)}</p>
<p>For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>
<ul>${contents.join('\n')}</ul>
${sections.join('\n')}
</body>
</html>
`
}

function renderEndpoint(id: string, name: string, endpoint: Described): string {
  const parameters = (endpoint.parameters ?? []).map((parameter) =>
    row(
      `<code>${escape(parameter.name)}</code>`,
      escape(parameter.required ? `${parameter.in}, required` : parameter.in),
      prose(parameter.description ?? parameter.schema?.description),
    ),
  )
  const responses = Object.entries(endpoint.responses ?? {}).map(([status, { description }]) =>
    row(`<code>${escape(status)}</code>`, prose(description)),
  )
  return `<section id="${escape(id)}">
<h2><code>${escape(name)}</code></h2>
<p>${prose(endpoint.summary)}. ${prose(endpoint.description)}</p>
${parameters.length > 0 ? `<h3>Parameters</h3><table>${parameters.join('')}</table>` : ''}
<h3>Answers</h3><table>${responses.join('')}</table>
</section>`
}
