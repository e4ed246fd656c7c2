/**
 * The generated part of docs/sql.md: views and columns, from src/catalog/descriptions.ts.
 *
 *   bun tools/sql-doc.ts --write
 */
import { viewDescriptions } from '../src/catalog/descriptions.ts'

const path = `${import.meta.dir}/../docs/sql.md`
const begin = '<!-- views -->'
const end = '<!-- /views -->'

function views(): string {
  return Object.entries(viewDescriptions)
    .map(([name, { about, columns }]) =>
      [
        `### ${name}`,
        '',
        about,
        '',
        '| column | type | what it is |',
        '| --- | --- | --- |',
        ...Object.entries(columns).map(
          ([column, [type, meaning]]) => `| \`${column}\` | ${type} | ${meaning} |`,
        ),
      ].join('\n'),
    )
    .join('\n\n')
}

/** The document with its views made anew. */
export function renderSqlDocument(text: string): string {
  const from = text.indexOf(begin) + begin.length
  const to = text.indexOf(end)
  if (from < begin.length || to < from) throw new Error(`docs/sql.md has no ${begin} and ${end}`)
  return `${text.slice(0, from)}\n\n${views()}\n\n${text.slice(to)}`
}

if (import.meta.main && process.argv.includes('--write')) {
  const text = await Bun.file(path).text()
  await Bun.write(path, renderSqlDocument(text))
}
