/** The recipes of docs/clients.md, generated and run against a server: what goes in comes out, under every name. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { served } from '../server/served.ts'
import { type Files, Workshop, recipes, recipesProblem } from './recipes.ts'

const servers = served(afterAll)
const workshop = new Workshop()
afterAll(() => workshop.close())

/** Two generators and a compiler take their time where several tests run at once. */
const generateMsMax = 120_000
let primary: string
let mirror: string

beforeAll(async () => {
  if (recipesProblem !== null) return
  mirror = (await servers.start(servers.folder(), { verb: 'mirror' })).url
  primary = (await servers.start(servers.folder(), { mirrors: [mirror], flags: { cpIntervalMs: '20' } })).url
}, generateMsMax)

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Names in which something has to be encoded, or looks as if it were. */
const names = [
  'a b',
  '%41',
  'é',
  '#',
  '?',
  '..x',
  'a+b',
  'a&b=c',
  "it's",
  'n'.repeat(255),
  `${'é'.repeat(127)}x`,
]
const allBytes = Uint8Array.from({ length: 256 }, (_, i) => i)
const contents: Readonly<Record<string, readonly [content: string | Blob | Uint8Array, stored: Uint8Array]>> =
  {
    text: ['"quoted" é', bytesOf('"quoted" é')],
    'JSON as a text': ['{"a":1}', bytesOf('{"a":1}')],
    bytes: [allBytes, allBytes],
    'a blob': [new Blob([allBytes]), allBytes],
    'an empty text': ['', new Uint8Array()],
    'empty bytes': [new Uint8Array(), new Uint8Array()],
  }

test('the page has both recipes, with a command and a source each', () => {
  expect(recipes.map(({ title }) => title)).toEqual([
    '@hey-api/openapi-ts',
    'openapi-typescript and openapi-fetch',
  ])
  for (const { command, file } of recipes) expect([command, file].every(Boolean)).toBe(true)
})

for (const recipe of recipes)
  describe(`${recipe.title}${recipesProblem === null ? '' : ` (${recipesProblem})`}`, () => {
    let files: Files
    const on = (name: string, body: () => Promise<void>): void =>
      test.skipIf(recipesProblem !== null)(name, body, generateMsMax)

    beforeAll(async () => {
      if (recipesProblem === null) files = await workshop.make(recipe, primary)
    }, generateMsMax)

    for (const [kind, [content, stored]] of Object.entries(contents))
      on(`${kind}, under every name`, async () => {
        for (const name of names) {
          await files.write(`names/${name}`, content)
          expect([name, await files.read(`names/${name}`)]).toEqual([name, stored])
        }
        const listed = await Array.fromAsync(files.list('names'))
        expect(listed.map(({ name }) => name).toSorted()).toEqual(names.toSorted())
        expect(listed.every(({ size }) => size === stored.length)).toBe(true)
      })

    on('a type and metadata stay with the file, and a stored JSON file comes back as bytes', async () => {
      await files.write('typed.json', '{"a": 1}', 'application/json', { Owner: 'alice' })
      const stat = (await (await fetch(`${primary}/v1/stat/typed.json`)).json()) as Record<string, unknown>
      expect(stat).toMatchObject({ contentType: 'application/json', meta: { owner: 'alice' } })
      expect(await files.read('typed.json')).toEqual(bytesOf('{"a": 1}'))
    })

    on('a mirror has what was written, at the consistency point that the write named', async () => {
      const cp = await files.write('followed', 'x')
      const answer = await fetch(`${mirror}/v1/files/followed?minCp=${cp}&wait=30`)
      expect([answer.status, await answer.text()]).toEqual([200, 'x'])
      expect(await files.read('followed', cp)).toEqual(bytesOf('x'))
    })

    on('renames and deletes; a failure is thrown with its code', async () => {
      await files.write('old #1', 'x')
      await files.rename('old #1', 'new #1')
      expect(files.read('old #1')).rejects.toMatchObject({ code: 'not-found' })
      expect(files.rename('nothing', 'there')).rejects.toMatchObject({ code: 'not-found' })
      await files.remove('new #1')
      expect(files.remove('new #1')).rejects.toMatchObject({ code: 'not-found', status: 404 })
    })

    on('a listing of several pages', async () => {
      for (let i = 0; i < 120; i++) await files.write(`many/${i}`, '')
      expect(await Array.fromAsync(files.list('many'))).toHaveLength(120)
    })
  })
