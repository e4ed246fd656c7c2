/**
 * Whatever a client or time can do is done again and again, and no collection of `src/` grows by it: neither members nor
 * what only a closure has. A collection that no scene fills says in `accounted.ts` why, and one that may grow has a row with
 * its bound.
 */
import { beforeAll, expect, test } from 'bun:test'
import { join } from 'node:path'
import { accounted, growToTheirBound } from './accounted.ts'
import { allNames, rewrite } from './collections.ts'
import type { Growth } from './growth-main.ts'
import { remembered } from './remembered.ts'
import { told } from './told.ts'
import { ofVolumes } from './volumes.ts'

let growth: Growth
beforeAll(async () => {
  const at = (file: string) => join(import.meta.dir, file)
  const child = Bun.spawn([process.execPath, '--preload', at('alive.ts'), at('growth-main.ts')], {
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const text = await new Response(child.stdout).text()
  growth = JSON.parse(text.trim().split('\n').at(-1)!) as Growth
}, 120_000)

const bounded = new Set([...remembered, ...told, ...ofVolumes].map(({ file }) => file))
const fileOf = (name: string): string => name.slice(0, name.indexOf('#'))

for (const scene of ['at the door', 'between two'])
  test(`${scene}: nothing grows but what has a row with its bound`, () => {
    expect(growth.grown[scene]!.filter(([name]) => !growToTheirBound.includes(name))).toEqual([])
    expect(growToTheirBound.filter((name) => !bounded.has(fileOf(name)))).toEqual([])
  })

test('every collection of the sources is filled by a scene, or it is said why not', () => {
  const names = allNames()
  const said = Object.values(accounted).flat()
  const known = new Set([...growth.used, ...said])
  expect(names.filter((name) => !known.has(name))).toEqual([])
  // A word about a collection that is not there is a word about nothing.
  expect(said.filter((name) => !names.includes(name))).toEqual([])
})

test('a collection is found however it is made', () => {
  const found = (line: string) => {
    const { names, text } = rewrite('f.ts', line, true)
    return text.includes('collectionsOf("f.ts#a")') ? names : text
  }
  for (const line of [
    '  private readonly a = new Map<string, X>()',
    '  readonly a = new Set<X>()',
    '  private a: X[] = []',
    '  private a: readonly X[] = []',
    '  private readonly a: { readonly b: X; readonly c: () => void }[] = []',
    '  private readonly a: X[][] = [[], []]',
    'const a = new Map()',
    'const a: X[] = []',
    '    this.a = new Set()',
    '    this.a = [...this.a, x]',
    '    a: new Map(),',
    '    if (!b) this.b.set(key, (b = { a: new Map(), c: 1 }))',
    '    return { a: [], b: 1 }',
  ])
    expect(found(line)).toEqual(['f.ts#a'])
  expect(rewrite('f.ts', '// const a = new Map()', true).names).toEqual([])
})
