/**
 * Every place of a JSON body that takes a member of a kind, read from the published document: a body for each place,
 * which is right but for that member. In a batch the operation is the first, the one in the middle, and the last.
 */
import { assert } from '../../src/lib/assert.ts'

interface Schema {
  readonly $ref?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly oneOf?: readonly Schema[]
  readonly items?: Schema
  readonly enum?: readonly string[]
  readonly allOf?: readonly Schema[]
}

interface DoorBody {
  readonly body: unknown
  /** Of the operation that is wrong; null outside of a batch. */
  readonly index: number | null
}

export interface JsonDoor {
  readonly title: string
  readonly path: string
  bodies(value: unknown): readonly DoorBody[]
}

/** Each would succeed where there are a file `a`, a directory `d` with something in it, and an empty one, `empty`. */
const bodies: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  '/v1/move': { from: 'a', to: 'b' },
  '/v1/mirrors': { url: 'http://127.0.0.1:1' },
  put: { op: 'put', path: 'a', text: 'x' },
  delete: { op: 'delete', path: 'a' },
  mkdir: { op: 'mkdir', path: 'new' },
  move: { op: 'move', from: 'a', to: 'b' },
}
const others = [
  { op: 'mkdir', path: 'one' },
  { op: 'put', path: 'two', text: '' },
]

/** `member` is a name, or `path` for every member that the document describes as a path. */
export function jsonDoors(document: unknown, member: string): JsonDoor[] {
  const { paths, components } = document as {
    paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: Schema }> } }>>
    components: { schemas: Record<string, Schema> }
  }
  const whole = (schema: Schema): Schema => {
    if (schema.$ref !== undefined) return whole(components.schemas[schema.$ref.split('/').at(-1)!]!)
    return schema
  }
  const pathText = 'Never percent-encoded'
  const isWanted = ([name, schema]: [string, Schema]) =>
    member === 'path' ? (whole(schema).description?.startsWith(pathText) ?? false) : name === member
  const namesOf = (schema: Schema) =>
    Object.entries(schema.properties ?? {})
      .filter(isWanted)
      .map(([name]) => name)
  const bodyOf = (name: string) => {
    const body = bodies[name]
    assert(body, `there is a usual body of ${name}`)
    return body
  }

  const doors: JsonDoor[] = []
  for (const [path, methods] of Object.entries(paths))
    for (const { requestBody } of Object.values(methods)) {
      const json = requestBody?.content['application/json']
      if (!json) continue
      const schema = whole(json.schema)
      const operations = schema.properties?.['operations']?.items
      if (!operations)
        for (const name of namesOf(schema))
          doors.push({
            title: `${name} of ${path}`,
            path,
            bodies: (value) => [{ body: { ...bodyOf(path), [name]: value }, index: null }],
          })
      else
        for (const operation of whole(operations).oneOf ?? []) {
          const { properties } = whole(operation)
          const [op] = properties!['op']!.enum!
          for (const name of namesOf(whole(operation)))
            doors.push({
              title: `${name} of ${op} in ${path}`,
              path,
              bodies: (value) =>
                [0, 1, 2].map((index) => ({
                  body: {
                    operations: others.toSpliced(index, 0, { ...bodyOf(op!), [name]: value } as never),
                  },
                  index,
                })),
            })
        }
    }
  return doors
}
