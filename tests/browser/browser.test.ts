/** What a real browser does with files that want to run, and with pages of others that know the server's address. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { type ServerProcess, serverProcesses } from '../cli/processes.ts'
import { temporaryFolders } from '../cli/temporary-folder.ts'
import { Browser, browserMsMax, browserProblem, open, type Page } from './browser.ts'
import { type Hostile, hostileFiles } from './content-types.ts'
import { type Answer, HostileSite } from './hostile-site.ts'

const start = serverProcesses()
const folder = temporaryFolders()
let browser: Browser

beforeAll(async () => {
  if (browserProblem === null) browser = await Browser.start()
}, browserMsMax)
afterAll(() => browser?.close(), browserMsMax)

function inBrowser(name: string, body: () => Promise<void>): void {
  const isSkipped = browserProblem !== null
  test.skipIf(isSkipped)(isSkipped ? `${name} (${browserProblem})` : name, body, browserMsMax)
}

const serve = (...flags: string[]): Promise<ServerProcess> =>
  start('serve', '--data', join(folder(), 'data'), '--listen', '127.0.0.1:0', ...flags)

/** Everything that a script said, wherever it ran. */
function listen(page: Page): string[] {
  const said: string[] = []
  page.on('console', (message) => void said.push(message.text()))
  return said
}

/** Calls a function of the page, given as its source, and waits for what it promises. */
const run = (page: Page, source: string): Promise<unknown> => page.evaluate(`(${source})()`)

/** Where scripts ran: names with origins. */
const runs = (said: readonly string[]): string[] => said.filter((text) => text.startsWith('ran '))

async function withSite(
  body: (site: HostileSite, page: Page) => Promise<void>,
  answer?: Answer,
): Promise<void> {
  const site = new HostileSite(answer)
  const page = await browser.page()
  try {
    await body(site, page)
  } finally {
    await page.close()
    await site.stop()
  }
}

/** Stores what the server takes; a type that is refused needs no test. */
async function store(url: string, files: readonly Hostile[]): Promise<readonly Hostile[]> {
  const stored: Hostile[] = []
  for (const file of files) {
    const put = await fetch(`${url}/v1/files/${file.name}`, {
      method: 'PUT',
      body: file.body,
      headers: { 'Content-Type': file.type },
    })
    expect([file.type, put.status < 300 || put.status === 400]).toEqual([file.type, true])
    if (put.status < 300) stored.push(file)
  }
  expect(stored.length).toBeGreaterThan(40)
  return stored
}

/** Uses each address as a script, a stylesheet and a worker, and waits until each has loaded or failed. */
const use = (urls: readonly string[]): string => `async () => {
  for (const url of ${JSON.stringify(urls)}) {
    const element = (tag, set) => new Promise((settle) => {
      const made = Object.assign(document.createElement(tag), set)
      made.onload = made.onerror = settle
      document.head.append(made)
    })
    await element('script', { src: url })
    await element('script', { src: url, type: 'module' })
    await element('link', { rel: 'stylesheet', href: url })
    await new Promise((settle) => {
      try {
        const worker = new Worker(url)
        worker.onerror = worker.onmessage = settle
      } catch (error) { settle(error) }
    })
  }
}`

/** Frames that have loaded, or that never will because they are downloads: those send no event. */
const frames = (urls: readonly string[]): string => `async () => {
  for (const url of ${JSON.stringify(urls)}) {
    const frame = document.createElement('iframe')
    frame.src = url
    document.body.append(frame)
  }
  // A frame that is no download has its load event before this fetch of a later request of the same page is answered.
  for (let i = 0; i < 20; i++) await fetch('/settle?' + i).then((answer) => answer.text())
}`

test('there are sixty content types', () => {
  expect(hostileFiles('').length).toBeGreaterThanOrEqual(60)
})

describe('files that want to run', () => {
  inBrowser('a server without any guard runs them: the test sees what runs', async () => {
    const files = new Map<string, Hostile>()
    await withSite(
      async (site, page) => {
        for (const file of hostileFiles(site.origin)) files.set(`/${file.name}`, file)
        const said = listen(page)
        const ran = async (type: string, visit: (url: string) => Promise<unknown>) => {
          const { name } = [...files.values()].find((file) => file.type === type)!
          const before = said.length
          await visit(`${site.origin}/${name}`)
          const isThere = runs(said.slice(before)).includes(`ran ${name} on ${site.origin}`)
          expect([type, isThere]).toEqual([type, true])
        }
        for (const type of ['text/html', 'application/xhtml+xml', 'image/svg+xml', 'text/xml'])
          await ran(type, (url) => open(page, url))
        for (const type of ['text/plain; x=x, text/html', 'text/xsl'])
          await ran(type, (url) => open(page, url))
        await open(page, site.origin)
        await ran('text/javascript', (url) => run(page, use([url])))
        await ran('text/html', (url) => run(page, frames([url])))
      },
      (request) => {
        const file = files.get(new URL(request.url).pathname)
        return file ? new Response(file.body, { headers: { 'Content-Type': file.type } }) : null
      },
    )
  })

  /** Stores the files, does something with them, and finds that no script of theirs has run. */
  function runsNothing(
    name: string,
    work: (page: Page, url: string, paths: readonly string[], site: HostileSite) => Promise<void>,
  ): void {
    inBrowser(name, async () => {
      const { url } = await serve()
      await withSite(async (site, page) => {
        const said = listen(page)
        const stored = await store(url, hostileFiles(site.origin))
        await work(
          page,
          url,
          stored.map((file) => `/v1/files/${file.name}`),
          site,
        )
        expect([runs(said), site.ran]).toEqual([[], []])
      })
    })
  }
  /** Of another page, of its own site and of another one. */
  async function onOtherPages(page: Page, { origin, crossSite }: HostileSite, script: string): Promise<void> {
    for (const from of [origin, crossSite]) {
      await open(page, from)
      await run(page, script)
    }
  }

  runsNothing('opened as pages they run nowhere', async (page, url, paths, { origin }) => {
    for (const path of paths) await open(page, url + path)
    await open(page, origin)
  })
  runsNothing('in frames of another page they run nowhere', (page, url, paths, site) =>
    onOtherPages(page, site, frames(paths.map((path) => url + path))),
  )
  runsNothing(
    'no page of this server takes them as a script, a stylesheet or a worker',
    async (page, url, paths) => {
      expect(await open(page, `${url}/docs`)).toBe(200)
      await run(page, use(paths))
    },
  )
  runsNothing(
    'as scripts, stylesheets and workers of another page they run nowhere',
    (page, url, paths, site) => onOtherPages(page, site, use(paths.map((path) => url + path))),
  )
})

/** Sends a request from the page: the text of the answer, or `blocked`. */
const ask = (page: Page, url: string, init: object = {}): Promise<unknown> =>
  run(
    page,
    `async () => {
    try {
      const answer = await fetch(${JSON.stringify(url)}, ${JSON.stringify(init)})
      return answer.status + ' ' + await answer.text()
    } catch { return 'blocked' }
  }`,
  )

const names = async (url: string): Promise<string[]> => {
  const listing = (await (await fetch(`${url}/v1/dirs`)).json()) as { entries: { name: string }[] }
  return listing.entries.map(({ name }) => name)
}
const newestCp = async (url: string): Promise<number> =>
  ((await (await fetch(`${url}/v1/cps?limit=1`)).json()) as { items: { cp: number }[] }).items[0]!.cp

describe('pages of others', () => {
  inBrowser('a page that repeats the first words of a primary binds no fresh mirror', async () => {
    const mirror = await start('mirror', '--data', join(folder(), 'mirror'), '--listen', '127.0.0.1:0')
    const heard = Promise.withResolvers<{ path: string; bytes: number[] }>()
    await withSite(
      async (site, page) => {
        await serve('--mirror', site.origin)
        const { path, bytes } = await heard.promise
        for (const origin of [site.origin, site.crossSite]) {
          await open(page, origin)
          await run(
            page,
            `async () => {
            const body = new Uint8Array(${JSON.stringify(bytes)})
            const url = ${JSON.stringify(mirror.url + path)}
            await fetch(url, { method: 'POST', mode: 'no-cors', body }).catch(() => {})
            const typed = new Blob([body], { type: 'application/octet-stream' })
            await fetch(url, { method: 'POST', body: typed }).catch(() => {})
            navigator.sendBeacon(url, body)
            await fetch(${JSON.stringify(mirror.url)} + '/healthz', { mode: 'no-cors' }).catch(() => {})
          }`,
          )
        }
        const own = (await (await fetch(`${mirror.url}/v1/mirror`)).json()) as { volume: string | null }
        expect(own.volume).toBeNull()
      },
      async (request) => {
        const { pathname } = new URL(request.url)
        if (!pathname.startsWith('/replica/')) return null
        const bytes = [...new Uint8Array(await request.arrayBuffer())]
        if (bytes.length > 0) heard.resolve({ path: pathname, bytes })
        return new Response('', { status: 503 })
      },
    )
  })

  inBrowser('a page that points its own name to loopback reads, writes and deletes nothing', async () => {
    const { url } = await serve()
    const { port } = new URL(url)
    await fetch(`${url}/v1/files/secret.txt`, {
      method: 'PUT',
      body: 'of the owner',
      headers: { 'Content-Type': 'text/plain' },
    })
    const page = await browser.page()
    try {
      const rebound = `http://rebound.example:${port}`
      expect(await open(page, `${rebound}/v1/files/secret.txt`)).toBe(421)
      expect(String(await ask(page, '/v1/files/secret.txt'))).not.toContain('of the owner')
      await ask(page, '/v1/files/owned', { method: 'PUT', body: 'x' })
      await ask(page, '/v1/files/secret.txt', { method: 'DELETE' })
      expect(await names(url)).toEqual(['secret.txt'])
    } finally {
      await page.close()
    }
  })

  inBrowser('without a CORS setting another page reads and changes nothing', async () => {
    const { url } = await serve('--cp-interval-ms', '60000')
    await fetch(`${url}/v1/files/secret.txt?durability=buffered`, { method: 'PUT', body: 'of the owner' })
    const before = await newestCp(url)
    await withSite(async (site, page) => {
      for (const origin of [site.origin, site.crossSite]) {
        await open(page, origin)
        expect(await ask(page, `${url}/v1/files/secret.txt`)).toBe('blocked')
        expect(await ask(page, `${url}/v1/files/owned`, { method: 'PUT', body: 'x' })).toBe('blocked')
        for (const path of ['/v1/cps', '/v1/batch', '/v1/move', '/v1/mirrors'])
          await ask(page, `${url}${path}`, { method: 'POST', mode: 'no-cors', body: '' })
      }
    })
    expect(await newestCp(url)).toBe(before)
    expect(await names(url)).toEqual(['secret.txt'])
  })

  inBrowser('with a CORS setting pages of that origin use the server, and no others', async () => {
    await withSite(async (site, page) => {
      const { url } = await serve('--cors-origin', site.origin)
      await open(page, site.origin)
      expect(await ask(page, `${url}/v1/files/a`, { method: 'PUT', body: 'of the page' })).toMatch(/^201 /)
      expect(await ask(page, `${url}/v1/files/a`)).toBe('200 of the page')
      expect(
        await run(
          page,
          `async () => (await fetch(${JSON.stringify(`${url}/v1/files/a`)})).headers.get('Stillpoint-CP')`,
        ),
      ).toMatch(/^\d+$/)
      await open(page, site.crossSite)
      expect(await ask(page, `${url}/v1/files/a`)).toBe('blocked')
      expect(await ask(page, `${url}/v1/files/b`, { method: 'PUT', body: 'x' })).toBe('blocked')
      expect(await names(url)).toEqual(['a'])
    })
  })
})
