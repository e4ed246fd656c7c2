/** What an example is answered, read as far as the example shows it: a stream of events has no end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Example } from '../../../src/routes/examples/example.ts'
import { missingLine } from './volatile.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Reads to the end, or until all documented lines are there. */
async function readText(
  body: ReadableStream<Uint8Array>,
  { answer }: Example,
  isAfter: string,
): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    const shown = text.slice(Math.max(text.indexOf(isAfter), 0))
    if (answer.isPart && typeof answer.body === 'string' && missingLine(answer.body, shown) === null) break
  }
  return text
}

export async function readAnswer(response: Response, example: Example): Promise<Answer> {
  const { status, headers, body } = response
  return { status, headers, text: body === null ? '' : await readText(body, example, '') }
}

const curl = Bun.which('curl')
export const curlProblem = curl === null || Bun.which('sh') === null ? 'no curl or no sh' : null

const endOfHead = '\r\n\r\n'

/** Runs the line as it stands. What goes with every request lies in a `.curlrc`, where a person would put it. */
export async function throughCurl(
  line: string,
  headers: Readonly<Record<string, string>>,
  example: Example,
): Promise<Answer> {
  const home = mkdtempSync(join(tmpdir(), 'stillpoint-curl-'))
  try {
    const lines = Object.entries(headers).map(([name, value]) => `header = "${name}: ${value}"`)
    writeFileSync(join(home, '.curlrc'), ['silent', 'include', 'no-buffer', ...lines, ''].join('\n'), {
      mode: 0o600,
    })
    const child = Bun.spawn(['sh', '-c', `exec ${line}`], {
      env: { ...process.env, CURL_HOME: home },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const output = await readText(child.stdout, example, endOfHead)
    child.kill()
    const [head = '', ...rest] = output.split(endOfHead)
    const [first = '', ...fields] = head.split('\r\n')
    const pairs = fields.map((field) => field.split(/: (.*)/s, 2) as [string, string])
    return { status: Number(first.split(' ')[1]), headers: new Headers(pairs), text: rest.join(endOfHead) }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
