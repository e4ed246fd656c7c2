/**
 * A real browser: Debian's Chromium, driven by playwright-core, which has packages of its own in this folder
 * (`npm install` here). Tests are skipped by name where either is missing.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const library = join(import.meta.dir, 'node_modules/playwright-core/index.mjs')
const chromium = '/usr/bin/chromium'

/** The part of playwright-core that the tests use: its own types are only there where it is installed. */
interface Playwright {
  readonly chromium: {
    launchPersistentContext(folder: string, options: object): Promise<Context>
  }
}

interface Context {
  newPage(): Promise<Page>
  close(): Promise<void>
}

interface ConsoleMessage {
  text(): string
}

export interface Page {
  on(event: 'console', listener: (message: ConsoleMessage) => void): void
  goto(url: string): Promise<{ status(): number } | null>
  /** The text is the source of a function, so that no tool changes it on its way into the page. */
  evaluate(source: string): Promise<unknown>
  url(): string
  close(): Promise<void>
}

export const browserProblem = !existsSync(library)
  ? 'no playwright-core: npm install in tests/browser'
  : existsSync(chromium)
    ? null
    : `no ${chromium}`

/** A browser takes its time to start where several tests run at once. */
export const browserMsMax = 120_000

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // A page that points its own name to loopback.
  '--host-resolver-rules=MAP rebound.example 127.0.0.1',
]

export class Browser {
  private constructor(
    private readonly context: Context,
    private readonly profile: string,
  ) {}

  static async start(): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), 'stillpoint-browser-'))
    try {
      const playwright = (await import(library)) as Playwright
      const context = await playwright.chromium.launchPersistentContext(profile, {
        executablePath: chromium,
        headless: true,
        args: flags,
      })
      return new Browser(context, profile)
    } catch (error) {
      rmSync(profile, { recursive: true, force: true })
      throw error
    }
  }

  page(): Promise<Page> {
    return this.context.newPage()
  }

  async close(): Promise<void> {
    await this.context.close()
    rmSync(this.profile, { recursive: true, force: true })
  }
}

/** Opens an address as a person does; a download is no error. Gives the status, null for a download. */
export async function open(page: Page, url: string): Promise<number | null> {
  try {
    return (await page.goto(url))?.status() ?? null
  } catch (error) {
    if (/Download is starting|ERR_ABORTED/.test(String(error))) return null
    throw error
  }
}
