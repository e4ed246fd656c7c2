/** The history of consistency points as the door shows it: every one once, whatever the size of a page. */
import { expect, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { served } from '../served.ts'

const { folder, start } = served()

interface Page {
  readonly items: readonly { readonly cp: number; readonly committedAt: string }[]
  readonly next: string | null
}

test.each([
  ['with its catalog', false],
  ['without a catalog', true],
])('pages of any size are one history, %s', async (_, isWithout) => {
  const data = join(folder(), 'volume')
  // A folder in its place: nothing can be recorded.
  if (isWithout) mkdirSync(join(data, 'catalog.db', 'in the way'), { recursive: true })
  const { url } = await start(data)
  const page = async (query: string) => (await (await fetch(`${url}/v1/cps?${query}`)).json()) as Page
  for (let n = 0; n < 5; n++) {
    expect((await fetch(`${url}/v1/files/${n}`, { method: 'PUT', body: 'a' })).status).toBe(201)
    expect((await fetch(`${url}/v1/cps`, { method: 'POST' })).status).toBe(201)
  }
  const all = (await page('limit=1000')).items.map(({ cp }) => cp)
  expect(all.length).toBeGreaterThanOrEqual(2)
  expect(all).toEqual([...new Set(all)].toSorted((a, b) => b - a))
  for (const limit of [1, 2, all.length]) {
    const seen: number[] = []
    let cursor = ''
    do {
      const { items, next }: Page = await page(`limit=${limit}${cursor}`)
      seen.push(...items.map(({ cp }) => cp))
      expect(seen.length).toBeLessThanOrEqual(all.length)
      cursor = next === null ? '' : `&cursor=${encodeURIComponent(next)}`
    } while (cursor !== '')
    expect(seen).toEqual(all)
  }
})
