/** /docs in a real browser: its policy lets its own style and script run, and the search finds. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { join } from 'node:path'
import { serverProcesses } from '../cli/processes.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'
import { Browser, browserMsMax, browserProblem, type Page } from './browser.ts'

const start = serverProcesses()
const folder = temporaryFolders()
let browser: Browser

beforeAll(async () => {
  if (browserProblem === null) browser = await Browser.start()
}, browserMsMax)
afterAll(() => browser?.close(), browserMsMax)

const visible = `[...document.querySelectorAll('section')].filter((part) => part.checkVisibility()).map((part) => part.id)`
const search = (page: Page, words: string): Promise<unknown> =>
  page.evaluate(`(() => {
    const box = document.getElementById('search')
    box.value = ${JSON.stringify(words)}
    box.dispatchEvent(new Event('input'))
    return ${visible}
  })()`)

const name = 'a person who opens the address gets the page, and its search and its lines for a shell'
test.skipIf(browserProblem !== null)(
  browserProblem === null ? name : `${name} (${browserProblem})`,
  async () => {
    const { url } = await start('serve', '--data', join(folder(), 'data'), '--listen', '127.0.0.1:0')
    const page = await browser.page()
    try {
      const said: string[] = []
      page.on('console', (message) => void said.push(message.text()))
      await page.goto(`${url}/`)
      expect(page.url()).toBe(`${url}/docs`)
      const all = (await page.evaluate(visible)) as string[]
      expect(all).toContain('putFile')
      expect(all).toContain('schema-Stat')
      expect(await search(page, 'takes no such words')).toEqual([])
      expect(await page.evaluate(`document.getElementById('none').checkVisibility()`)).toBe(true)
      const found = (await search(page, 'Truncate OFFSET')) as string[]
      expect(found).toContain('patchFile')
      expect(found.length).toBeLessThan(all.length / 2)
      const links = `[...document.querySelectorAll('nav a')].filter((link) => link.checkVisibility()).map((link) => link.hash.slice(1))`
      expect(new Set((await page.evaluate(links)) as string[])).toEqual(new Set(found))
      expect(await search(page, '')).toEqual(all)
      const addresses = `[...new Set([...document.querySelectorAll('.server')].map((each) => each.textContent))]`
      expect(await page.evaluate(addresses)).toEqual([url])
      // A style that the policy refused would leave the search at the foot of the page.
      expect(await page.evaluate(`getComputedStyle(document.querySelector('nav')).position`)).toBe('fixed')
      expect(said).toEqual([])
    } finally {
      await page.close()
    }
  },
  browserMsMax,
)
