/** Schemas of the OpenAPI document as /docs shows them: a type in words, and a table of the members of an object. */
import { code, escape, prose, table } from './docs-html.ts'

export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly format?: string
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly oneOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
  readonly minimum?: number
  readonly maximum?: number
  readonly maxItems?: number
}

export type NamedSchemas = Readonly<Record<string, Schema>>

const nameOf = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1)
export const schemaId = (name: string): string => `schema-${name}`

/** A type in words, with links to the named schemas. */
export function typeWords(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = nameOf(schema.$ref)
    return `<a href="#${escape(schemaId(name))}">${escape(name)}</a>`
  }
  const several = schema.oneOf ?? schema.anyOf
  if (several) return several.map(typeWords).join(' or ')
  if (schema.const !== undefined) return code(JSON.stringify(schema.const))
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(', ')
  if (schema.items) return `list of ${typeWords(schema.items)}`
  if (typeof schema.additionalProperties === 'object' && !schema.properties)
    return `object of ${typeWords(schema.additionalProperties)}`
  const types = [schema.type ?? 'anything'].flat()
  return escape(types.map((type) => wordOf(type, schema)).join(' or '))
}

function wordOf(type: string, { format, minimum, maximum }: Schema): string {
  if (format !== undefined && type === 'string') return format
  const isBounded = minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER
  return isBounded && type !== 'null' ? `${type} from ${minimum} to ${maximum}` : type
}

/** Type and members. A schema of `named` is shown in place, and members of members only where they are linked to. */
export function schemaTable(schema: Schema, named: NamedSchemas): string {
  const shown = schema.$ref === undefined ? undefined : named[nameOf(schema.$ref)]
  if (shown) return `<p>${typeWords(schema)}</p>${schemaTable(shown, {})}`
  const several = schema.oneOf ?? schema.anyOf
  if (several) return several.map((each) => schemaTable(each, named)).join('')
  const { properties, required = [] } = schema
  if (!properties) return `<p>${typeWords(schema)}</p>`
  const rows = Object.entries(properties).map(([name, member]) => [
    `${code(name)}${required.includes(name) ? '' : ' <i>optional</i>'}`,
    typeWords(member),
    prose(member.description),
  ])
  return table(['Member', 'Type', ''], rows)
}
