/**
 * Nothing grows without a bound: each row of "What is remembered, and who forgets it" (docs/architecture.md) is driven past
 * its bound, its size is looked at after each step, and what is forgotten is the right end.
 */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expectBounded } from './bounds.ts'
import { heldBy } from './held.ts'
import { catalogRows } from './catalog-rows.ts'
import { remembered } from './remembered.ts'
import { told } from './told.ts'
import { ofVolumes } from './volumes.ts'

const all = [...remembered, ...told, ...catalogRows, ...ofVolumes]

describe('past its bound', () => {
  for (const bound of all) test(`${bound.file}: ${bound.what}`, () => expectBounded(bound))
})

test('what the architecture page names has a row, and is there', () => {
  const page = readFileSync(join(import.meta.dir, '../../docs/architecture.md'), 'utf8')
  const [, table] = page.split('## What is remembered, and who forgets it')
  const named = [...table!.split('\n## ')[0]!.matchAll(/^\|[^|]*\| `([^`]+)` /gm)].map((match) => match[1]!)
  expect(named.length).toBeGreaterThan(12)
  expect(named.filter((file) => !all.some((bound) => bound.file === file))).toEqual([])
})

test('what is held is all that is reached, once', () => {
  const buffer = new ArrayBuffer(100)
  const shared = [new Uint8Array(buffer, 0, 10), new Uint8Array(buffer, 50)]
  const map = new Map<unknown, unknown>([['a', shared]])
  map.set('itself', map)
  expect(heldBy({ inner: { map, again: shared } })).toEqual({ entries: 4, bytes: 100 })
  expect(heldBy({ inner: { map, again: shared } }, [shared])).toEqual({ entries: 2, bytes: 0 })
})
